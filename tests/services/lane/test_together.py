"""A release of one build is a unit: proposed, closed, reopened, merged and taken back as such."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.db import holds
from app.db.database import Database
from app.db.promotions import PromotionState
from app.services.reading.policy_explained import Question, explain_policy
from tests.services.lane.shops import NAMES, PLACES, brought, built, in_two_files, pushed, released, shop
from tests.services.lanes import LANE, Lane

FIRST = {"api": "1.1.0", "job": "1.1.0-3", "web": "1.1.0"}


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """Three policies that move by build."""
    return shop(tmp_path, database)


def states(lane: Lane) -> dict[tuple[str, str], PromotionState]:
    """Where the newest promotion of each policy and tag stands."""
    return {(one.policy, one.tag): one.state for one in reversed(lane.promotions())}


def held(lane: Lane) -> list[tuple[str | None, tuple[str, ...] | None]]:
    """Which tags of which policies are held."""
    with lane.database.transaction() as connection:
        return sorted((one.policy, one.tags) for one in holds.active(connection, LANE))


def test_a_release_of_three_images_is_one_pull_request_over_two_files(lane: Lane) -> None:
    (pull,) = released(lane, 7, FIRST)
    assert pull.head == "fluxbridge/main/all/shop"
    assert brought(lane, pull.head) == in_two_files(FIRST)
    assert states(lane) == {(PLACES[name], tag): PromotionState.PROPOSED for name, tag in FIRST.items()}


def test_what_was_pushed_waits_for_the_build_that_published_it(lane: Lane) -> None:
    pushed(lane, FIRST)
    lane.run()
    assert lane.open_pulls() == []
    assert set(states(lane).values()) == {PromotionState.WAITING}
    built(lane, 7, FIRST)
    lane.run()
    assert len(lane.open_pulls()) == 1


def test_the_next_release_takes_the_place_of_the_whole(lane: Lane) -> None:
    (first,) = released(lane, 7, FIRST)
    second = {"api": "1.2.0", "job": "1.2.0-1", "web": "1.2.0"}
    (pull,) = released(lane, 8, second)
    assert (pull.number, brought(lane, pull.head)) == (first.number, in_two_files(second))
    assert {states(lane)[PLACES[name], tag] for name, tag in FIRST.items()} == {PromotionState.SUPERSEDED}


def test_closing_it_holds_every_member_and_reopening_lifts_all(lane: Lane) -> None:
    (pull,) = released(lane, 7, FIRST)
    forge: Any = lane.forge
    forge.close(pull.number, by="mira")
    lane.run()
    assert held(lane) == [(PLACES[name], (FIRST[name],)) for name in NAMES]
    assert (lane.open_pulls(), set(states(lane).values())) == ([], {PromotionState.CLOSED})
    lane.now += timedelta(seconds=1)
    forge.reopen(pull.number, by="mira")
    lane.run()
    assert (held(lane), [one.number for one in lane.open_pulls()]) == ([], [pull.number])
    assert set(states(lane).values()) == {PromotionState.PROPOSED}


def test_a_refused_member_does_not_come_back_with_another_release(lane: Lane) -> None:
    (pull,) = released(lane, 7, FIRST)
    forge: Any = lane.forge
    forge.close(pull.number, by="mira")
    lane.run()
    assert released(lane, 8, {"api": "1.2.0", "web": FIRST["web"]}) == []
    (api,) = [one for one in lane.promotions() if (one.policy, one.tag) == (PLACES["api"], "1.2.0")]
    assert api.state is PromotionState.WAITING
    assert "1.2.0 waits for flux-system/web of the group shop: 1.1.0: held: pull request 1 was closed" in api.reason


def test_merged_and_one_member_taken_back_the_release_waits_for_the_next_one(lane: Lane) -> None:
    released(lane, 7, FIRST)
    lane.merge_open()
    assert set(states(lane).values()) == {PromotionState.MERGED}
    lane.config.commit("main", in_two_files({**FIRST, "web": "1.0.0"}))
    lane.run()
    assert states(lane)[PLACES["web"], "1.1.0"] is PromotionState.REVERTED
    assert (held(lane), lane.open_pulls()) == ([(PLACES["web"], ("1.1.0",))], [])
    second = {"api": "1.2.0", "job": "1.2.0-1", "web": "1.2.0"}
    (pull,) = released(lane, 8, second)
    assert brought(lane, pull.head) == in_two_files(second)


def test_a_member_that_the_build_did_not_publish_stays(lane: Lane) -> None:
    (pull,) = released(lane, 7, {"api": "1.1.0", "job": "1.1.0"})
    assert brought(lane, pull.head) == in_two_files({"api": "1.1.0", "job": "1.1.0", "web": "1.0.0"})


def test_one_tag_for_all_is_found_below_what_each_chooses_and_explain_says_what_the_group_adds(lane: Lane) -> None:
    rules = 'groups: {shop: {policies: ["flux-system/*"], together: same-tag}}\n'
    lane.config.commit("main", {".fluxbridge.yaml": rules})
    for tags in ({"api": "1.3.0", "job": "1.2.0", "web": "1.3.0"}, {"api": "1.2.0", "web": "1.2.0"}):
        pushed(lane, tags)
    lane.run()
    (pull,) = lane.open_pulls()
    assert brought(lane, pull.head) == in_two_files(dict.fromkeys(NAMES, "1.2.0"))
    question = Question(namespace="flux-system", name="web")
    explained = explain_policy(lane.database, lane.systems, question, scans=lane.scans, now=lane.now)
    [stage] = explained.stages
    assert stage.summary == "1.3.0 may enter"
    assert (stage.kept_back or "").startswith("waiting: 1.3.0 waits for flux-system/job of the group shop: ")


def test_an_image_that_was_published_and_is_not_there_yet_keeps_its_release_back(lane: Lane) -> None:
    pushed(lane, {"api": "1.1.0"})
    built(lane, 7, {"api": "1.1.0", "web": "1.1.0"})
    lane.run()
    assert lane.open_pulls() == []
    pushed(lane, {"web": "1.1.0"})
    lane.run()
    (pull,) = lane.open_pulls()
    assert brought(lane, pull.head) == in_two_files({"api": "1.1.0", "job": "1.0.0", "web": "1.1.0"})
