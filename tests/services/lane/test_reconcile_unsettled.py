"""What a run could not bring about is tried again ever more slowly, said, and delays nothing new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.ports import BranchUpdate, PushOutcome, PushResult
from app.db import lanes
from app.db.database import Database
from app.db.lanes import LaneRow
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import LANE, Lane

FILES = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """A tag to propose, in a repository that takes no branch of ours, for a person's stands in its place."""
    lane = Lane.create(tmp_path, database, FILES)
    lane.config.commit("fluxbridge", {"README.md": "not ours"})
    lane.push("1.1.0")
    return lane


@dataclass
class Moving:
    """A repository whose branches are moved by others whenever we push."""

    real: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def push(self, updates: Sequence[BranchUpdate]) -> Mapping[str, PushResult]:
        return {each.branch: PushResult(PushOutcome.STALE, "stale info") for each in updates}


def row(lane: Lane) -> LaneRow:
    with lane.database.transaction() as connection:
        found = lanes.find(connection, LANE)
    assert found is not None
    return found


def test_it_is_tried_again_ever_more_slowly_up_to_five_minutes(lane: Lane) -> None:
    waits = []
    for _ in range(12):
        lane.run()
        due_at = row(lane).due_at
        assert due_at is not None
        waits.append(due_at - lane.now)
    assert waits[0] <= timedelta(seconds=2)
    assert timedelta(seconds=8) <= waits[3] <= timedelta(seconds=16)
    assert all(timedelta(minutes=2.5) <= wait <= timedelta(minutes=5) for wait in waits[8:])
    assert row(lane).attempts == 12


def test_it_is_said_why(lane: Lane) -> None:
    lane.run()
    [promotion] = lane.promotions()
    assert promotion.state == "waiting"
    assert "the push of fluxbridge/main/all/" in promotion.reason
    assert "refs/heads/fluxbridge" in promotion.reason


def test_a_branch_that_others_move_once_is_no_news_and_each_time_is_said(lane: Lane) -> None:
    real, lane.repository = lane.repository, Moving(lane.repository)
    lane.config.delete_branch("fluxbridge")
    lane.run()
    assert "moved" not in lane.promotions()[0].reason
    assert (row(lane).attempts, lane.open_pulls()) == (1, [])
    lane.run()
    assert "is moved by others whenever it is pushed: stale info" in lane.promotions()[0].reason
    lane.repository = real
    lane.run()
    assert (row(lane).attempts, len(lane.open_pulls())) == (0, 1)


def test_what_is_new_is_not_delayed_by_it(lane: Lane) -> None:
    for _ in range(9):
        lane.run()
    with lane.database.transaction() as connection:
        lanes.raise_wanted(connection, [LANE], now=lane.now)
    assert row(lane).due_at == lane.now


def test_once_it_works_nothing_is_left_of_it(lane: Lane) -> None:
    lane.run()
    lane.config.delete_branch("fluxbridge")
    lane.run()
    assert row(lane).attempts == 0
    assert len(lane.open_pulls()) == 1
