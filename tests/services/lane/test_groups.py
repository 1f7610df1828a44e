"""A group's pull request carries many promotions: what becomes of it becomes of each, and no more than each."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import Unavailable
from app.core.ports import PullRequest, PullRequestState
from app.db import holds
from app.db.database import Database
from app.db.promotions import PromotionState
from tests.end_to_end.bridge import deployment, policy
from tests.services.interruptions import Interrupted, break_off
from tests.services.lanes import LANE, Lane

_SHOP = 'groups: {shop: {policies: ["flux-system/*"]}}\n'
_FILES = {".fluxbridge.yaml": _SHOP}
for _name in ("api", "web"):
    _FILES |= {f"images/{_name}.yaml": policy(_name), f"apps/{_name}.yaml": deployment("1.0.0", name=_name)}
API, WEB = "flux-system/api", "flux-system/web"


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """Two policies over one image, in one group."""
    return Lane.create(tmp_path, database, _FILES)


def proposed(lane: Lane) -> PullRequest:
    """A tag is pushed; returns the one pull request that is opened for both."""
    lane.push("1.1.0")
    lane.run()
    (pull,) = lane.open_pulls()
    return pull


def states(lane: Lane) -> dict[tuple[str, str], PromotionState]:
    """Where the newest promotion of each policy and tag stands."""
    return {(one.policy, one.tag): one.state for one in reversed(lane.promotions())}


def held(lane: Lane) -> list[tuple[str | None, tuple[str, ...] | None]]:
    """Which tags of which policies are held."""
    with lane.database.transaction() as connection:
        return sorted((one.policy, one.tags) for one in holds.active(connection, LANE))


def test_both_move_in_one_commit_with_a_trail_to_each_promotion(lane: Lane) -> None:
    pull = proposed(lane)
    assert (pull.head, pull.title) == ("fluxbridge/main/all/shop", "Promote shop: app 1.1.0, app 1.1.0")
    assert {lane.config.text(pull.head, f"apps/{name}.yaml") for name in ("api", "web")} == {
        deployment("1.1.0", name="api"),
        deployment("1.1.0", name="web"),
    }
    message = lane.config.git("log", "-1", "--format=%B", pull.head).decode()
    assert [one.id for one in lane.promotions() if f"Fluxbridge-Promotion: {one.id}\n" not in message] == []
    assert {one.pull_request for one in lane.promotions()} == {pull.number}


def test_merging_it_lets_both_in(lane: Lane) -> None:
    proposed(lane)
    lane.merge_open()
    assert states(lane) == {(API, "1.1.0"): PromotionState.MERGED, (WEB, "1.1.0"): PromotionState.MERGED}


def test_closing_it_holds_the_tag_of_each_and_reopening_lifts_all(lane: Lane) -> None:
    pull, forge = proposed(lane), lane.forge
    forge.close(pull.number, by="mira")  # type: ignore[attr-defined]
    lane.run()
    assert held(lane) == [(API, ("1.1.0",)), (WEB, ("1.1.0",))]
    assert (set(states(lane).values()), lane.open_pulls()) == ({PromotionState.CLOSED}, [])
    lane.now += timedelta(seconds=1)
    forge.reopen(pull.number, by="mira")  # type: ignore[attr-defined]
    lane.run()
    assert held(lane) == []
    assert [one.number for one in lane.open_pulls()] == [pull.number]
    assert set(states(lane).values()) == {PromotionState.PROPOSED}


def test_taking_one_of_them_back_in_git_reverts_and_holds_only_that_one(lane: Lane) -> None:
    proposed(lane)
    lane.merge_open()
    lane.config.commit("main", {"apps/api.yaml": deployment("1.0.0", name="api")})
    lane.run()
    assert states(lane)[API, "1.1.0"] is PromotionState.REVERTED
    assert states(lane)[WEB, "1.1.0"] is PromotionState.MERGED
    assert held(lane) == [(API, ("1.1.0",))]


@pytest.mark.parametrize("method", ["open_pull_request", "push"])
def test_a_run_that_is_broken_off_is_taken_up_by_the_next(lane: Lane, method: str) -> None:
    lane.push("1.1.0")
    real_forge, real_repository = lane.forge, lane.repository
    broken: Any = Interrupted(
        real_forge if method == "open_pull_request" else real_repository, method, break_off, is_after=True
    )
    if method == "open_pull_request":
        lane.forge = broken
    else:
        lane.repository = broken
    with pytest.raises(Unavailable):
        lane.run()
    lane.forge, lane.repository = real_forge, real_repository
    lane.now += timedelta(hours=2)
    lane.run()
    (pull,) = lane.open_pulls()
    assert {(one.state, one.pull_request) for one in lane.promotions()} == {(PromotionState.PROPOSED, pull.number)}


def test_what_was_opened_and_merged_before_it_was_written_down_counts_for_both(lane: Lane) -> None:
    lane.push("1.1.0")
    real: Any = lane.forge
    lane.forge = Interrupted(real, "open_pull_request", break_off, is_after=True)
    with pytest.raises(Unavailable):
        lane.run()
    lane.forge = real
    lane.now += timedelta(hours=2)
    (pull,) = lane.open_pulls()
    real.merge(pull.number, by="mira")
    for _ in range(2):
        lane.run()
    assert {(one.state, one.merged_by) for one in lane.promotions()} == {(PromotionState.MERGED, "mira")}


def test_policies_that_become_a_group_leave_their_own_pull_requests_for_the_groups(
    tmp_path: Path, database: Database
) -> None:
    lane = Lane.create(tmp_path, database, {**_FILES, ".fluxbridge.yaml": "limits: {open: 5}\n"})
    lane.push("1.1.0")
    lane.run()
    alone = sorted(one.number for one in lane.open_pulls())
    lane.config.commit("main", {".fluxbridge.yaml": _SHOP})
    lane.run()
    lane.run()
    (pull,) = lane.open_pulls()
    assert (len(alone), pull.head) == (2, "fluxbridge/main/all/shop")
    forge: Any = lane.forge
    assert [forge.pull_request(one).state for one in alone] == [PullRequestState.CLOSED] * 2
    assert (held(lane), set(states(lane).values())) == ([], {PromotionState.PROPOSED})
