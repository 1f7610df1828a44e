"""One run a lane at a time, nothing wanted is forgotten, and only the owner writes."""

import threading
from datetime import datetime

import pytest

from app.db import lanes
from app.db.database import Database
from app.db.lanes import LaneClaim, LaneRow
from tests.db.facts import IMAGE, LEASE, MINUTE, NOW, OTHER_IMAGE, SECOND
from tests.db.threads import at_once

LANE = lanes.key_of("fleet", "main")


@pytest.fixture(autouse=True)
def _known_lane(database: Database) -> None:
    with database.transaction() as connection:
        lanes.ensure(connection, "fleet", "main", NOW)


def test_a_lane_that_never_ran_is_due_at_start(database: Database) -> None:
    assert _claim(database).key == LANE


def test_a_lane_that_ran_is_not_due_at_start(database: Database) -> None:
    _settle(database, _claim(database))
    with database.transaction() as connection:
        lanes.ensure(connection, "fleet", "main", NOW + MINUTE)
    assert _row(database).due_at is None


def test_many_processes_may_start_at_once(database: Database) -> None:
    def start() -> None:
        with database.transaction() as connection:
            lanes.ensure(connection, "fleet", "next", NOW)

    at_once(*[start] * 5)
    with database.transaction() as connection:
        assert [row.branch for row in lanes.every(connection)] == ["main", "next"]


def test_a_wish_makes_an_idle_lane_due_at_once(database: Database) -> None:
    _settle(database, _claim(database))
    _want(database, NOW + MINUTE)
    assert _row(database).due_at == NOW + MINUTE


def test_a_wish_puts_no_other_off(database: Database) -> None:
    _settle(database, _claim(database))
    for second in range(30):
        _want(database, NOW + second * SECOND)
    assert _row(database).due_at == NOW


def test_a_wish_hastens_a_look_that_was_planned_for_later(database: Database) -> None:
    _settle(database, _claim(database), next_look_at=NOW + 60 * MINUTE)
    assert _row(database).due_at == NOW + 60 * MINUTE
    _want(database, NOW + MINUTE)
    assert _row(database).due_at == NOW + MINUTE


@pytest.mark.parametrize("counts", [True, False], ids=["failed", "rate limited"])
def test_a_lane_that_backs_off_keeps_its_time(database: Database, *, counts: bool) -> None:
    with database.transaction() as connection:
        claim = lanes.claim_due(connection, owner="a", now=NOW, lease=LEASE)
        assert claim is not None
        assert lanes.fail(connection, claim, due_at=NOW + 5 * MINUTE, error="forge down", counts=counts)
    _want(database, NOW + SECOND)
    row = _row(database)
    assert (row.due_at, row.attempts, row.last_error) == (NOW + 5 * MINUTE, int(counts), "forge down")


def test_a_wish_for_an_unknown_lane_changes_nothing(database: Database) -> None:
    with database.transaction() as connection:
        lanes.raise_wanted(connection, ["fleet:gone"], now=NOW)
        assert lanes.find(connection, "fleet:gone") is None


def test_one_worker_at_a_time_runs_a_lane(database: Database) -> None:
    claims = at_once(*[lambda: _try_claim(database, NOW)] * 6)
    assert len([claim for claim in claims if claim is not None]) == 1


def test_a_lane_that_this_process_still_runs_is_left_out(database: Database) -> None:
    with database.transaction() as connection:
        assert lanes.claim_due(connection, owner="a", now=NOW, lease=LEASE, excluding=[LANE]) is None


def test_a_lane_is_taken_over_only_after_its_lease_and_the_first_owner_writes_nothing(database: Database) -> None:
    lost = _claim(database)
    assert _try_claim(database, NOW + LEASE) is None
    taken = _try_claim(database, NOW + LEASE + SECOND, owner="b")
    assert taken is not None
    assert taken.fence == lost.fence + 1
    with database.transaction() as connection:
        assert not lanes.still_owned(connection, lost)
        assert not lanes.renew(connection, lost, now=NOW, lease=LEASE)
        assert not lanes.fail(connection, lost, due_at=NOW, error="late", counts=True)
        assert lanes.still_owned(connection, taken)
    assert not _settle(database, lost)
    assert _settle(database, taken)


def test_a_renewed_lease_keeps_others_away(database: Database) -> None:
    claim = _claim(database)
    with database.transaction() as connection:
        assert lanes.renew(connection, claim, now=NOW + LEASE, lease=LEASE)
    assert _try_claim(database, NOW + 2 * LEASE) is None


def test_a_renewal_after_the_end_of_the_run_changes_nothing(database: Database) -> None:
    claim = _claim(database)
    _settle(database, claim)
    with database.transaction() as connection:
        assert not lanes.renew(connection, claim, now=NOW, lease=LEASE)
    _want(database, NOW)
    assert _try_claim(database, NOW) is not None


def test_a_run_that_saw_everything_leaves_the_lane_until_the_next_look(database: Database) -> None:
    assert _settle(database, _claim(database), next_look_at=NOW + MINUTE)
    row = _row(database)
    assert (row.due_at, row.next_look_at, row.last_run_at, row.last_head, row.plan) == (
        NOW + MINUTE,
        NOW + MINUTE,
        NOW,
        "head",
        "{}",
    )
    assert (row.owner, row.lease_until, row.attempts) == (None, None, 0)


def test_what_is_wanted_during_a_run_makes_the_lane_due_again(database: Database) -> None:
    claim = _claim(database)
    _want(database, NOW + SECOND)
    assert _settle(database, claim, next_look_at=NOW + 60 * MINUTE)
    assert _row(database).due_at == NOW


def test_what_is_wanted_while_the_run_ends_is_not_forgotten(database: Database) -> None:
    """The lost wake-up: `settle` waits for the lane's row while another transaction raises what is wanted."""
    raising, may_commit = threading.Event(), threading.Event()

    def raise_slowly() -> None:
        with database.transaction() as connection:
            lanes.raise_wanted(connection, [LANE], now=NOW)
            raising.set()
            assert may_commit.wait(10)

    def settle_meanwhile(claim: LaneClaim) -> None:
        assert raising.wait(10)
        threading.Timer(0.3, may_commit.set).start()
        assert _settle(database, claim)

    claim = _claim(database)
    at_once(raise_slowly, lambda: settle_meanwhile(claim))
    assert _row(database).due_at is not None


def test_a_process_that_is_alone_takes_every_lane_back(database: Database) -> None:
    lost = _claim(database)
    with database.transaction() as connection:
        lanes.release_all(connection)
    assert _claim(database).fence > lost.fence
    assert not _settle(database, lost)


def test_the_next_due_time_is_told(database: Database) -> None:
    with database.transaction() as connection:
        assert lanes.next_due_at(connection) == NOW
    claim = _claim(database)
    with database.transaction() as connection:
        assert lanes.next_due_at(connection) is None
    _settle(database, claim, next_look_at=NOW + MINUTE)
    with database.transaction() as connection:
        assert lanes.next_due_at(connection) == NOW + MINUTE


def test_a_lane_that_is_no_longer_configured_rests(database: Database) -> None:
    claim = _claim(database)
    with database.transaction() as connection:
        assert lanes.retire(connection, claim)
    assert _try_claim(database, NOW + 60 * MINUTE) is None


def test_a_lane_that_is_configured_again_is_due(database: Database) -> None:
    _settle(database, _claim(database))
    with database.transaction() as connection:
        lanes.raise_wanted(connection, [LANE], now=NOW)
    claim = _try_claim(database, NOW + 60 * MINUTE)
    assert claim is not None
    with database.transaction() as connection:
        lanes.retire(connection, claim)
        lanes.ensure(connection, "fleet", "main", NOW)
    assert _try_claim(database, NOW) is not None


def test_the_lanes_of_an_image_are_those_whose_last_run_used_it(database: Database) -> None:
    with database.transaction() as connection:
        lanes.replace_images(connection, LANE, [IMAGE, OTHER_IMAGE])
        lanes.replace_images(connection, "fleet:next", [IMAGE])
        lanes.replace_images(connection, LANE, [OTHER_IMAGE])
        assert list(lanes.lanes_of_image(connection, IMAGE)) == ["fleet:next"]
        assert list(lanes.lanes_of_image(connection, OTHER_IMAGE)) == [LANE]


def _try_claim(database: Database, now: datetime, *, owner: str = "a") -> LaneClaim | None:
    with database.transaction() as connection:
        return lanes.claim_due(connection, owner=owner, now=now, lease=LEASE)


def _claim(database: Database) -> LaneClaim:
    claim = _try_claim(database, NOW)
    assert claim is not None
    return claim


def _want(database: Database, now: datetime) -> None:
    with database.transaction() as connection:
        lanes.raise_wanted(connection, [LANE], now=now)


def _settle(database: Database, claim: LaneClaim, *, next_look_at: datetime | None = None) -> bool:
    with database.transaction() as connection:
        return lanes.settle(connection, claim, now=NOW, next_look_at=next_look_at, last_head="head", plan="{}")


def _row(database: Database) -> LaneRow:
    with database.transaction() as connection:
        row = lanes.find(connection, LANE)
    assert row is not None
    return row
