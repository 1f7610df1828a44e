"""What moved as one goes back as one: a release of one build, and all that a pull request let in."""

from pathlib import Path

import pytest

from app.db.database import Database
from app.db.promotions import PromotionState
from tests.services.histories import Histories
from tests.services.lane.shops import NAMES, PLACES, brought, in_two_files, released, shop
from tests.services.people.asking import People

START = dict.fromkeys(NAMES, "1.0.0")
FIRST = {"api": "1.1.0", "job": "1.1.0-3", "web": "1.1.0"}
SECOND = {"api": "1.2.0", "job": "1.2.0-1", "web": "1.2.0"}


def let_in(people: People, number: int, tags: dict[str, str]) -> int:
    """A build published these, and they were merged; returns the pull request."""
    people.run()
    released(people.lane, number, tags)
    pull = people.opened()
    people.merge()
    return pull.number


def _people(folder: Path, database: Database) -> People:
    found = People(shop(folder, database), policy=PLACES["web"])
    found.lane.run()
    let_in(found, 7, FIRST)
    let_in(found, 8, SECOND)
    return found


@pytest.fixture
def people(histories: Histories, tmp_path: Path, database: Database) -> People:
    """Three images in two files that move by build, at the second release."""
    return histories.begin(_people, tmp_path, database)


def _loose(folder: Path, database: Database) -> People:
    found = People(shop(folder, database, together="any"), policy=PLACES["web"])
    found.lane.run()
    let_in(found, 7, FIRST)
    return found


@pytest.fixture
def loose(histories: Histories, tmp_path: Path, database: Database) -> People:
    """The same in a group whose members move by themselves, merged in one pull request."""
    return histories.begin(_loose, tmp_path, database)


def targets(people: People) -> dict[str, str]:
    """What the newest request asks for."""
    return dict(people.requests()[0].request.tags)


def test_a_release_of_three_images_in_two_files_goes_back_in_one_pull_request(people: People) -> None:
    asked = people.back()
    pull = people.opened()
    assert pull.title == "Roll back pull request 2: api 1.1.0, job 1.1.0-3, web 1.1.0" or pull.title.startswith(
        "Roll back shop: "
    )
    assert brought(people.lane, pull.head) == in_two_files(FIRST)
    people.merge()
    assert (brought(people.lane), people.state(asked.id), people.run()) == (in_two_files(FIRST), "merged", [])
    rows = {(one.policy, one.tag): one.state for one in reversed(people.lane.promotions())}
    assert {rows[PLACES[name], SECOND[name]] for name in NAMES} == {PromotionState.REVERTED}
    assert {kind for kind, _, _ in people.held()} == {"rolled back"}
    third = {"api": "1.3.0", "job": "1.3.0-1", "web": "1.3.0"}
    released(people.lane, 9, third)
    assert brought(people.lane, people.opened().head) == in_two_files(third)


def test_a_second_rollback_takes_the_release_before_that(people: People) -> None:
    people.back()
    people.run()
    people.merge()
    people.back()
    people.run()
    people.merge()
    assert (brought(people.lane), people.run()) == (in_two_files(START), [])


def test_to_a_tag_takes_what_its_build_published(people: People) -> None:
    people.back(to="1.1.0")
    assert targets(people) == {PLACES[name]: tag for name, tag in FIRST.items()}


def test_closing_the_whole_ends_it_and_holds_nothing(people: People) -> None:
    asked = people.back()
    people.close(people.opened().number)
    assert (people.state(asked.id), people.held(), people.lane.open_pulls()) == ("closed", [], [])


def test_a_member_that_cannot_go_back_keeps_the_whole_from_being_asked(people: People) -> None:
    people.lane.registry.gone.add("1.1.0-3")
    assert "flux-system/job cannot have 1.1.0-3 in all: the registry has no" in people.refused()


def test_what_a_pull_request_let_in_goes_back_as_a_unit(loose: People) -> None:
    asked = loose.back(pull=1)
    assert targets(loose) == {PLACES[name]: "1.0.0" for name in NAMES}
    assert asked.undoes == 1
    pull = loose.opened()
    assert "of all that pull request 1 let in" in pull.body
    loose.merge()
    assert (brought(loose.lane), loose.state(asked.id), loose.run()) == (in_two_files(START), "merged", [])


def test_a_newer_tag_of_one_of_them_is_said_and_nothing_is_asked_for(loose: People) -> None:
    let_in(loose, 8, {"web": "1.2.0"})
    words = loose.refused(pull=1)
    assert words == (
        "pull request 1 cannot be undone alone: flux-system/web has 1.2.0 since by pull request 2; undo that first, or "
        "roll back by name with --to (`fluxbridge rollback flux-system/web --to …`)"
    )
    loose.back(pull=2)
    assert targets(loose) == {PLACES["web"]: "1.1.0"}


def test_that_other_policies_moved_since_does_not_matter(loose: People) -> None:
    let_in(loose, 8, {"web": "1.2.0"})
    let_in(loose, 9, {"api": "1.2.0"})
    loose.back(pull=2)
    assert targets(loose) == {PLACES["web"]: "1.1.0"}
    pull = loose.opened()
    assert brought(loose.lane, pull.head) == in_two_files({**FIRST, "api": "1.2.0"})


def test_after_undoing_the_newer_the_older_can_be_undone_too(loose: People) -> None:
    let_in(loose, 8, {"web": "1.2.0"})
    loose.back(pull=2)
    loose.run()
    loose.merge()
    loose.back(pull=1)
    loose.run()
    loose.merge()
    assert (brought(loose.lane), loose.run()) == (in_two_files(START), [])


def test_a_pull_request_that_let_nothing_in_here_is_refused(loose: People) -> None:
    assert loose.refused(pull=7) == (
        "pull request 7 let in nothing for flux-system/web in all: see `fluxbridge promotions`"
    )


def test_of_one_of_a_loose_group_only_that_one_goes_back_and_the_others_go_on_beside(loose: People) -> None:
    released(loose.lane, 8, {"api": "1.2.0", "web": "1.2.0"})
    both = loose.opened()
    loose.back()
    pulls = {one.title: one for one in loose.run()}
    assert len(pulls) == 2
    [back] = [one for title, one in pulls.items() if title.startswith("Roll back")]
    [forward] = [one for title, one in pulls.items() if not title.startswith("Roll back")]
    assert brought(loose.lane, back.head) == in_two_files({**FIRST, "web": "1.0.0"})
    assert brought(loose.lane, forward.head) == in_two_files({**FIRST, "api": "1.2.0"})
    assert forward.number == both.number


def test_a_rollback_is_not_undone_as_a_unit(loose: People) -> None:
    let_in(loose, 8, {"web": "1.2.0"})
    loose.back()
    loose.run()
    loose.merge()
    assert loose.refused(pull=3).endswith("cannot have 1.2.0 in all: it was taken back; the next good one is 1.0.0")
