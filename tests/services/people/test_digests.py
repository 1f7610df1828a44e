"""Tags that name another digest from time to time: a rollback goes to what the tag named then."""

from pathlib import Path

import pytest

from app.db import catalogue
from app.db.database import Database
from app.db.promotions import PromotionState
from tests.db.facts import record_push
from tests.end_to_end.bridge import policy
from tests.services.histories import Histories
from tests.services.lanes import IMAGE, Lane, digest
from tests.services.people.asking import People

FIRST, SECOND, THIRD = (digest(one) for one in ("first", "second", "third"))


def manifest(there: str) -> str:
    """A field that has `latest` with a digest."""
    return f'image: {IMAGE}:latest@{there} # {{"$imagepolicy": "flux-system:app"}}\n'


def _people(folder: Path, database: Database) -> People:
    reflected = "spec:\n  digestReflectionPolicy: Always\n  interval: 1m\n  filterTags: {pattern: '^latest$'}\n  imageR"
    chosen = policy("app", "alphabetical: {}").replace("spec:\n  imageR", reflected)
    lane = Lane.create(folder, database, {"images/app.yaml": chosen, "apps/app.yaml": manifest(FIRST)})
    found = People(lane)
    name(found, FIRST)
    lane.run()
    return found


@pytest.fixture
def people(histories: Histories, tmp_path: Path, database: Database) -> People:
    """One app that follows the digest of `latest`, first at FIRST."""
    return histories.begin(_people, tmp_path, database)


def name(people: People, now: str) -> None:
    """`latest` names another digest from now on, as the registry and its event say."""
    lane = people.lane
    lane.registry.moved["latest"] = now
    with lane.telling_of("latest") as connection:
        record_push(connection, IMAGE, "latest", now, at=None, now=lane.now, source="registry", delivery_id=None)
        catalogue.set_digest(connection, IMAGE, "latest", now, asked_at=lane.now)


def let_in(people: People, *digests: str) -> None:
    """`latest` names these, one after the other, and each is merged."""
    for one in digests:
        people.run()
        name(people, one)
        people.opened()
        people.merge()
        assert written(people) == manifest(one)


def written(people: People, ref: str = "main") -> str:
    return people.lane.config.text(ref, "apps/app.yaml")


def _third(folder: Path, database: Database) -> People:
    found = _people(folder, database)
    let_in(found, SECOND, THIRD)
    return found


@pytest.fixture
def third(histories: Histories, tmp_path: Path, database: Database) -> People:
    """The same people after SECOND and THIRD were merged."""
    return histories.begin(_third, tmp_path, database)


def test_a_rollback_of_a_moving_tag_goes_to_the_digest_that_was_there_before(third: People) -> None:
    asked = third.back()
    (target,) = asked.targets
    assert (target.tag, target.digest) == ("latest", SECOND)
    pull = third.opened()
    assert pull.title == "Roll back app to an earlier digest of latest"
    assert written(third, pull.head) == manifest(SECOND)
    third.merge()
    assert written(third) == manifest(SECOND)
    assert third.state(asked.id) == "merged"
    assert third.run() == [], "it does not move forward again by itself"


def test_a_second_one_goes_further_back_and_never_to_the_digest_that_was_rolled_back(third: People) -> None:
    third.back()
    third.opened()
    third.merge()
    rows = {one.digest: one.state for one in reversed(third.lane.promotions())}
    assert (rows[THIRD], rows[SECOND]) == (PromotionState.REVERTED, PromotionState.MERGED)
    words = third.refused()
    assert "nothing to go back to" in words, "the first digest was never let in, so nobody knows of it"


def test_a_digest_that_came_after_it_was_asked_is_not_proposed_either(third: People) -> None:
    third.back()
    third.opened()
    third.merge()
    name(third, digest("fourth"))
    assert third.run() == [], "only a tag above all that were known then is, and it is the same tag"


def test_a_digest_that_the_registry_no_longer_has_is_passed_over(third: People) -> None:
    third.lane.registry.gone.add(SECOND)
    assert f"(latest: the registry has no {IMAGE}@{SECOND} any more)" in third.refused()
