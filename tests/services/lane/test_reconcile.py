"""A lane run makes Git agree with the facts, also when it was broken off or somebody came between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import Unavailable
from app.core.ports import BranchUpdate, PullRequest, PullRequestDraft, PushResult
from app.core.promotion.planning import plan
from app.db import holds, promotion_events, pushed_heads
from app.db.database import Database
from app.db.promotion_events import Link
from app.db.promotions import PromotionState
from app.services.heads.view import view_at
from app.services.lane.follow_up import Followed
from app.services.lane.reconcile import NoBaseBranch, read_state, reconcile
from app.services.lane.record_plan import record_outcomes
from app.services.lane.run import LostLane
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import LANE, Lane

_FILES = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app without stages."""
    return Lane.create(tmp_path, database, _FILES)


@dataclass
class FailingForge:
    """A forge that fails in one method, before or after the real one has acted."""

    real: Any
    method: str
    has_acted: bool = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        if name != self.method:
            return found

        def fail(*given: Any, **named: Any) -> Any:
            if self.has_acted:
                found(*given, **named)
            raise Unavailable("the forge broke off")

        return fail


@dataclass
class Interrupted:
    """A mirror before whose push somebody else moves the branch."""

    real: Any
    lane: Lane

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def push(self, updates: Sequence[BranchUpdate]) -> Mapping[str, PushResult]:
        """Somebody is quicker."""
        for update in updates:
            self.lane.config.commit(update.branch, {"theirs.txt": "mine"}, message="Quicker")
        found: Mapping[str, PushResult] = self.real.push(updates)
        return found


def _states(lane: Lane) -> dict[str, PromotionState]:
    return {one.tag: one.state for one in lane.promotions()}


def test_a_second_run_over_the_same_state_changes_nothing(lane: Lane) -> None:
    lane.push("1.1.0")
    lane.run()
    before = (lane.open_pulls(), lane.config.git("for-each-ref"))
    lane.run()
    assert (lane.open_pulls(), lane.config.git("for-each-ref")) == before


@pytest.mark.parametrize("has_acted", [pytest.param(False, id="before"), pytest.param(True, id="after")])
def test_broken_off_at_opening_the_next_run_leaves_exactly_one_pull_request(lane: Lane, *, has_acted: bool) -> None:
    lane.push("1.1.0")
    real = lane.forge
    lane.forge = FailingForge(real, "open_pull_request", has_acted)
    run = lane.claim()
    with pytest.raises(Unavailable):
        reconcile(run)
    pushed = lane.config.git("for-each-ref", "refs/heads/fluxbridge")
    assert pushed, "the branch was pushed before the pull request was to be opened"
    lane.forge = real
    lane.now += timedelta(hours=2)
    lane.run()
    assert len(lane.open_pulls()) == 1
    assert lane.config.git("for-each-ref", "refs/heads/fluxbridge") == pushed
    assert _states(lane) == {"1.1.0": PromotionState.PROPOSED}


def test_somebody_who_moves_our_branch_between_fetch_and_push_keeps_it(lane: Lane) -> None:
    lane.push("1.1.0")
    real = lane.repository
    lane.repository = Interrupted(real, lane)
    lane.run()
    assert lane.open_pulls() == []
    lane.repository = real
    lane.run()
    lane.run()
    branch = lane.config.git("for-each-ref", "--format=%(refname:short)", "refs/heads/fluxbridge").decode().strip()
    assert lane.config.text(branch, "theirs.txt") == "mine"
    promotion = lane.promotions()[0]
    assert "theirs" in promotion.reason


def test_a_run_whose_lane_was_taken_over_writes_nothing(lane: Lane) -> None:
    lane.push("1.1.0")
    late = lane.claim("late")
    lane.claim("quick", later=timedelta(minutes=5))
    with pytest.raises(LostLane):
        reconcile(late)
    assert lane.open_pulls() == []
    assert lane.promotions() == []


def test_every_pushed_commit_was_written_down_before_the_push(lane: Lane, database: Database) -> None:
    lane.push("1.1.0")
    lane.run()
    pull = lane.open_pulls()[0]
    with database.transaction() as connection:
        head = pushed_heads.find(connection, LANE, pull.head_sha)
    assert head is not None
    assert (head.branch, head.base_sha) == (pull.head, lane.config.head("main"))


def test_the_history_of_a_lane_is_one_whole_chain(lane: Lane, database: Database) -> None:
    for tag in ("1.1.0", "1.2.0", "1.3.0"):
        lane.push(tag)
        lane.run()
    with database.transaction() as connection:
        assert promotion_events.check_chains(connection, Link(LANE), limit=10_000) == ([], None)
        assert promotion_events.count(connection) > 5


def test_a_forge_that_shows_a_missed_no_is_heard(lane: Lane, database: Database) -> None:
    lane.push("1.1.0")
    real: Any = lane.forge
    lane.forge = FailingForge(real, "open_pull_request")
    with pytest.raises(Unavailable):
        reconcile(lane.claim())
    branch = lane.config.git("for-each-ref", "--format=%(refname:short)", "refs/heads/fluxbridge").decode().strip()
    opened: PullRequest = real.open_pull_request(PullRequestDraft(head=branch, base="main", title="x", body="y"))
    real.close(opened.number, by="mira")
    lane.forge = real
    lane.now += timedelta(hours=2)
    lane.run()
    assert lane.open_pulls() == []
    with database.transaction() as connection:
        assert [(hold.who, hold.tags) for hold in holds.active(connection, LANE)] == [("mira", ("1.1.0",))]
    assert _states(lane) == {"1.1.0": PromotionState.CLOSED}


def test_a_lane_whose_base_branch_is_missing_says_so(lane: Lane) -> None:
    lane.config.delete_branch("main")
    with pytest.raises(NoBaseBranch, match="has no branch 'main'"):
        lane.run()


def test_files_that_cannot_be_read_are_reported_and_stop_nothing(lane: Lane) -> None:
    broken = 'a: [1 # {"$imagepolicy": "flux-system:app"}\n'
    lane.config.commit("main", {"apps/broken.yaml": broken})
    lane.push("1.1.0")
    lane.run()
    assert len(lane.open_pulls()) == 1
    assert lane.config.text(lane.open_pulls()[0].head, "apps/broken.yaml") == broken


def test_merged_before_a_newer_tag_was_pushed_the_older_one_is_what_was_let_in(lane: Lane) -> None:
    lane.push("1.1.0")
    lane.run()
    number = lane.open_pulls()[0].number
    forge: Any = lane.forge
    lane.push("1.2.0")
    run = lane.claim()
    view = view_at(lane.repository, lane.scans, lane.config.head("main") or "")
    state = read_state(run, view, run.judge.by_stored_choice(view, run.lane), Followed({}, {}, {}, {}))
    record_outcomes(run, plan(state, lane.now))
    forge.merge(number, by="mira")
    lane.now += timedelta(hours=2)
    lane.run()
    merged = next(one for one in lane.promotions() if one.state is PromotionState.MERGED)
    assert (merged.tag, merged.pull_request, merged.merged_by) == ("1.1.0", number, "mira")
    assert _states(lane)["1.2.0"] is PromotionState.PROPOSED


def test_a_merge_and_its_revert_between_two_runs_stay_reverted(lane: Lane) -> None:
    lane.push("1.1.0")
    lane.run()
    forge: Any = lane.forge
    forge.merge(lane.open_pulls()[0].number, by="mira")
    lane.config.commit("main", {"apps/app.yaml": deployment("1.0.0")}, message="Revert")
    lane.run()
    lane.run()
    assert lane.open_pulls() == []
    assert _states(lane)["1.1.0"] is PromotionState.REVERTED
