"""What becomes of a request: each ends once, in a clear state, whoever was quicker."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import Unavailable
from app.core.promotion.holds import Hold, HoldKind
from app.core.promotion.requests import RequestKind
from app.db import holds
from app.db.database import Database
from app.db.promotions import PromotionState
from app.db.tables import new_id
from tests.end_to_end.bridge import deployment, policy
from tests.services.histories import Histories
from tests.services.interruptions import Interrupted, break_off
from tests.services.lanes import IMAGE, LANE, Lane, mirror_of
from tests.services.people.asking import APP, People

DAY = timedelta(days=1)


def _people(folder: Path, database: Database) -> People:
    files = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}
    lane = Lane.create(folder, database, files)
    lane.run()
    found = People(lane)
    found.let_in("1.1.0", "1.2.0")
    return found


@pytest.fixture
def people(histories: Histories, tmp_path: Path, database: Database) -> People:
    """One app without stages, at 1.2.0, which had 1.1.0 and 1.0.0 before."""
    return histories.begin(_people, tmp_path, database)


def there(people: People, ref: str = "main") -> str:
    """The tag that the app has."""
    text = people.lane.config.text(ref, "apps/app.yaml")
    return next(tag for tag in ("1.0.0", "1.1.0", "1.2.0", "1.2.1", "1.3.0") if text == deployment(tag))


def freeze(people: People, **changes: Any) -> str:
    """Somebody freezes everything; returns the hold's id."""
    now = people.lane.now
    hold = Hold(
        id=new_id(now), stage="all", policy=None, tags=None, kind=HoldKind.MANUAL, who="bob", why="holidays", since=now
    )
    with people.lane.database.transaction() as connection:
        return holds.add(connection, None, replace(hold, **changes))


def lift(people: People, hold: str) -> None:
    with people.lane.database.transaction() as connection:
        holds.lift(connection, hold, who="bob", why="over", at=people.lane.now)


def test_merged_it_is_carried_out_and_nothing_known_then_comes_back(people: People) -> None:
    asked = people.back()
    pull = people.opened()
    assert there(people, pull.head) == "1.1.0"
    people.lane.push("1.1.5")
    assert people.run() == [pull], "a tag between the two stays away"
    people.merge()
    shown = people.shown(asked.id)
    assert (shown.state, shown.ended_by, shown.ended_why) == ("merged", "mira", "pull request 3 was merged by mira")
    assert (there(people), people.run()) == ("1.1.0", [])
    assert people.states() == {"1.1.0": PromotionState.MERGED, "1.2.0": PromotionState.REVERTED}
    assert people.held() == [("rolled back", APP, ("1.1.0",))]
    people.lane.push("1.2.1")
    higher = people.opened()
    assert there(people, higher.head) == "1.2.1"


def test_lifting_its_hold_brings_back_what_would_have_been(people: People) -> None:
    people.back()
    people.opened()
    people.merge()
    with people.lane.database.transaction() as connection:
        [hold] = holds.active(connection, LANE)
    lift(people, hold.id)
    assert there(people, people.opened().head) == "1.2.0"


def test_asking_twice_is_asking_once(people: People) -> None:
    first, second = people.back(), people.back()
    assert (first.is_new, second.is_new, second.id) == (True, False, first.id)
    pull = people.opened()
    assert people.back(to="1.1.0").id == first.id
    assert people.run() == [pull]
    assert len(people.held()) == 1


def test_asking_again_with_a_hold_adds_the_hold(people: People) -> None:
    first = people.back()
    assert people.back(is_held=True).id == first.id
    assert sorted(kind for kind, _, _ in people.held()) == ["manual", "rolled back"]
    people.opened()
    people.merge()
    people.lane.push("1.3.0")
    assert people.run() == []


def test_closing_its_pull_request_ends_it_and_holds_nothing(people: People) -> None:
    asked = people.back()
    pull = people.opened()
    people.close(pull.number)
    shown = people.shown(asked.id)
    assert (shown.state, shown.ended_why) == ("closed", f"pull request {pull.number} was closed by mira")
    assert (people.held(), people.lane.open_pulls(), there(people)) == ([], [], "1.2.0")
    people.lane.push("1.3.0")
    assert there(people, people.opened().head) == "1.3.0"


def test_what_was_closed_may_be_asked_again(people: People) -> None:
    people.back()
    pull = people.opened()
    people.close(pull.number)
    again = people.back()
    assert again.is_new
    assert people.opened().number != pull.number
    people.merge()
    assert (people.state(again.id), there(people)) == ("merged", "1.1.0")


def test_reopening_its_pull_request_revives_it(people: People) -> None:
    asked = people.back()
    pull = people.opened()
    people.close(pull.number)
    people.forge.reopen(pull.number, by="mira")
    assert people.opened().number == pull.number
    assert people.state(asked.id) == "open"
    assert people.held() == [("rolled back", APP, ("1.1.0",))]
    people.merge()
    assert (people.state(asked.id), there(people), people.run()) == ("merged", "1.1.0", [])


def test_reopened_with_a_hold_it_has_its_hold_again(people: People) -> None:
    people.back(is_held=True)
    pull = people.opened()
    people.close(pull.number)
    assert people.held() == []
    people.forge.reopen(pull.number, by="mira")
    people.run()
    assert sorted(kind for kind, _, _ in people.held()) == ["manual", "rolled back"]


def test_withdrawn_its_pull_request_is_closed_and_what_was_goes_on(people: People) -> None:
    asked = people.back()
    pull = people.opened()
    people.lane.push("1.3.0")
    assert people.run() == [pull]
    assert people.withdraw(asked.id).state == "withdrawn"
    higher = people.opened()
    assert (there(people, higher.head), people.held()) == ("1.3.0", [])
    assert higher.number != pull.number
    assert people.withdraw(asked.id).ended_why == "withdrawn by ada: mended", "twice is once"


def test_merged_although_it_was_withdrawn_meanwhile_it_was_carried_out(people: People) -> None:
    asked = people.back()
    pull = people.opened()
    people.withdraw(asked.id)
    people.forge.merge(pull.number, by="mira")
    people.run()
    assert (people.state(asked.id), there(people)) == ("merged", "1.1.0")
    assert people.held() == [("rolled back", APP, ("1.1.0",))]
    assert people.run() == []


def test_it_ends_when_its_time_is_over(people: People) -> None:
    asked = people.back(until="+1d")
    people.opened()
    people.lane.now += DAY
    assert people.run() == []
    shown = people.shown(asked.id)
    assert (shown.state, people.held()) == ("expired", [])
    assert shown.ended_why is not None
    assert shown.ended_why.startswith("it was not merged until 2026-11-22 ")


def test_another_request_overtakes_it_in_the_same_pull_request(people: People) -> None:
    first = people.back()
    pull = people.opened()
    second = people.back(to="1.0.0", who="bob")
    assert people.opened().number == pull.number
    assert there(people, pull.head) == "1.0.0"
    shown = people.shown(first.id)
    assert (shown.state, shown.ended_by) == ("overtaken", "bob")
    assert people.held() == [("rolled back", APP, ("1.0.0",))]
    people.merge()
    assert (people.state(second.id), there(people), people.run()) == ("merged", "1.0.0", [])


def test_a_target_that_is_denied_or_goes_ends_it(people: People) -> None:
    asked = people.back()
    people.opened()
    freeze(people, stage=None, tags=("1.1.0",), kind=HoldKind.DENIED, image=IMAGE, why="leaks")
    assert people.run() == []
    shown = people.shown(asked.id)
    assert (shown.state, shown.ended_why) == ("refused", "1.1.0 is denied: leaks, by bob")
    again = people.back()
    assert [one.tag for one in again.targets] == ["1.0.0"]
    people.opened()
    people.delete("1.0.0")
    assert people.run() == []
    assert (people.state(again.id), people.held()[1:]) == ("refused", [])


def test_a_request_that_waits_for_a_freeze_opens_when_it_ends(people: People) -> None:
    people.let_in("1.3.0")
    freeze(people, until=people.lane.now + DAY)
    asked = people.forward("1.2.0")
    assert asked.waits_for is not None
    assert asked.waits_for.startswith("held: holidays, by bob, until 2026-11-22 ")
    assert people.run() == []
    assert "held: holidays, by bob" in (people.shown(asked.id).waits_for or "")
    people.lane.now += DAY
    assert there(people, people.opened().head) == "1.2.0"


def test_a_request_that_waits_for_a_freeze_opens_when_that_is_lifted(people: People) -> None:
    people.let_in("1.3.0")
    hold = freeze(people)
    people.forward("1.2.0")
    assert people.run() == []
    lift(people, hold)
    assert there(people, people.opened().head) == "1.2.0"


def test_a_rollback_waits_for_no_freeze_and_says_so(people: People) -> None:
    freeze(people)
    asked = people.back()
    assert asked.notes == ["rolled back in spite of a hold: holidays, by bob"]
    pull = people.opened()
    assert "rolled back in spite of a hold: holidays, by bob" in pull.body


def test_asked_while_a_newer_tag_is_open_it_takes_its_pull_request(people: People) -> None:
    people.lane.push("1.3.0")
    newer = people.opened()
    people.back()
    pull = people.opened()
    assert (pull.number, pull.title) == (newer.number, "Roll back app 1.2.0 to 1.1.0")
    people.merge()
    assert (there(people), people.run()) == ("1.1.0", [])
    assert people.states()["1.3.0"] is not PromotionState.PROPOSED


def test_asked_while_a_newer_tag_is_being_merged_it_goes_back_all_the_same(people: People) -> None:
    people.lane.push("1.3.0")
    newer = people.opened()
    asked = people.back()
    people.forge.merge(newer.number, by="mira")
    pull = people.opened()
    assert there(people) == "1.3.0"
    assert (there(people, pull.head), people.state(asked.id)) == ("1.1.0", "open")
    people.merge()
    assert (there(people), people.state(asked.id), people.run()) == ("1.1.0", "merged", [])


def test_what_has_its_tag_by_other_ways_is_fulfilled(people: People) -> None:
    asked = people.back()
    people.opened()
    people.lane.config.commit("main", {"apps/app.yaml": deployment("1.1.0")})
    assert people.run() == []
    assert people.state(asked.id) == "fulfilled"
    assert ("rolled back", APP, ("1.1.0",)) in people.held()


def test_beside_a_branch_that_a_person_pushed_to_it_opens_its_own(people: People) -> None:
    people.lane.push("1.3.0")
    theirs = people.opened()
    head = people.lane.config.commit(theirs.head, {"mine.yaml": "a: 1\n"})
    asked = people.back()
    pulls = {one.number: one for one in people.run()}
    assert pulls.keys() > {theirs.number}
    assert people.lane.config.head(theirs.head) == head
    (ours,) = [one for number, one in pulls.items() if number != theirs.number]
    assert there(people, ours.head) == "1.1.0"
    people.merge(ours.number)
    assert (people.state(asked.id), there(people)) == ("merged", "1.1.0")


@pytest.mark.parametrize("method", ["push", "open_pull_request"])
def test_a_run_that_is_broken_off_leaves_its_pull_request_with_its_request(people: People, method: str) -> None:
    asked = people.back()
    forge, repository = people.lane.forge, people.lane.repository
    broken: Any = Interrupted(forge if method == "open_pull_request" else repository, method, break_off, is_after=True)
    if method == "push":
        people.lane.repository = broken
    else:
        people.lane.forge = broken
    with pytest.raises(Unavailable):
        people.lane.run()
    people.lane.forge, people.lane.repository = forge, repository
    people.lane.now += timedelta(hours=2)
    pull = people.opened()
    assert people.shown(asked.id).pull_request == pull.number
    people.merge()
    assert (people.state(asked.id), there(people), people.run()) == ("merged", "1.1.0", [])


def test_opened_not_written_down_and_then_merged_its_request_is_carried_out(people: People) -> None:
    asked = people.back()
    forge = people.lane.forge
    people.lane.forge = Interrupted(forge, "open_pull_request", break_off, is_after=True)
    with pytest.raises(Unavailable):
        people.lane.run()
    people.lane.forge = forge
    people.lane.now += timedelta(hours=2)
    (pull,) = people.lane.open_pulls()
    people.forge.merge(pull.number, by="mira")
    people.run()
    assert (people.state(asked.id), there(people)) == ("merged", "1.1.0")
    assert people.states()["1.2.0"] is PromotionState.REVERTED
    assert people.run() == []


def test_where_nothing_is_opened_nothing_is_asked_for(people: People) -> None:
    people.lane.is_observing = True
    words = people.refused()
    assert words == (
        "config repository fleet is only observed, so nothing would be opened: set config_repos.fleet.mode: propose, "
        "or edit Git by hand"
    )


def test_a_process_that_never_ran_the_lane_may_be_asked(people: People, tmp_path: Path) -> None:
    ran = people.lane.repository
    people.lane.repository = mirror_of(people.lane.config, tmp_path / "other.git")
    asked = people.back()
    people.lane.repository = ran
    people.run()
    assert people.shown(asked.id).pull_request == people.opened().number


def test_what_cannot_be_read_asks_for_nothing(people: People) -> None:
    people.lane.config.commit("main", {".fluxbridge.yaml": "stages: 7\n"})
    people.lane.run()
    assert "the lane fleet:main is stopped, so nothing would be opened" in people.refused(RequestKind.ROLLBACK)


def test_a_promotion_with_a_hold_is_not_stopped_by_its_own(people: People) -> None:
    people.let_in("1.3.0")
    asked = people.forward("1.2.0", is_held=True)
    pull = people.opened()
    assert (there(people, pull.head), "in spite of" in pull.body) == ("1.2.0", False)
    people.merge()
    assert (people.state(asked.id), there(people)) == ("merged", "1.2.0")
    people.lane.push("1.4.0")
    assert people.run() == []


def test_a_rollback_with_a_hold_does_not_say_that_it_ignores_its_own(people: People) -> None:
    assert people.back(is_held=True).notes == []
    assert "in spite of" not in people.opened().body


def test_withdrawn_with_a_hold_and_merged_all_the_same_it_is_held(people: People) -> None:
    asked = people.back(is_held=True)
    pull = people.opened()
    people.withdraw(asked.id)
    assert people.held() == []
    people.forge.merge(pull.number, by="mira")
    people.run()
    assert sorted(kind for kind, _, _ in people.held()) == ["manual", "rolled back"]
