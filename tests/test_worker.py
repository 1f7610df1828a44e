"""The workers do what is due, put off what fails alone, and neither stop for a failure nor write what is not theirs."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import Refused, Unavailable
from app.core.images import ImageName
from app.db import deliveries, lanes
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.senders.sender import Keys, Origin
from app.services.systems import Source, Timing
from app.worker import Workers
from tests.db.facts import claim_next
from tests.end_to_end.bridge import deployment, policy
from tests.services.broken_database import BrokenDatabase
from tests.services.lanes import IMAGE, LANE, Lane
from tests.workers import (
    DAY,
    MINUTE,
    PATIENCE_S,
    Fetching,
    Gate,
    Listing,
    at_rest,
    due_lane,
    ended,
    fail_with,
    has_run,
    keep,
    now,
    row,
    wait_for,
    working,
)


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app with a tag to propose, in a lane that is due."""
    return due_lane(tmp_path, database)


def test_what_is_due_is_done(lane: Lane) -> None:
    delivery = keep(lane.database)
    with working(lane) as workers:
        wait_for(workers, lambda: has_run(lane) and ended(lane.database, delivery))
    assert [one.head for one in lane.open_pulls()] == [one.branch for one in lane.promotions()]
    assert len(lane.open_pulls()) == 1


def test_a_lane_that_nobody_knew_is_due_at_start(lane: Lane) -> None:
    lane.config.commit("next", {"apps/app.yaml": deployment("1.0.0")})
    systems = lane.systems
    repo = replace(systems.config_repos["fleet"], branches=("main", "next"), refs_every=DAY)
    systems = replace(systems, config_repos={"fleet": repo})
    workers = Workers(database=lane.database, systems=systems, clock=now, count=0)
    workers.start()
    workers.stop()
    found = row(lane, "fleet:next")
    assert found.due_at is not None
    assert found.due_at <= now()


FAILURES = [
    pytest.param(Unavailable("the remote does not answer"), "the remote does not answer", id="unavailable"),
    pytest.param(Refused("the token may not push"), "the token may not push", id="refused"),
    pytest.param(ZeroDivisionError("token=hunter2"), "ZeroDivisionError; see the log", id="unexpected"),
]


@pytest.mark.parametrize(("error", "told"), FAILURES)
def test_a_lane_that_fails_backs_off_and_keeps_its_error(lane: Lane, error: Exception, told: str) -> None:
    lane.repository = Fetching(lane.repository, fail_with(error))
    started = now()
    with working(lane) as workers:
        wait_for(workers, lambda: row(lane).last_error is not None)
        found = row(lane)
    assert (found.last_error, found.owner, found.last_run_at) == (told, None, None)
    assert found.attempts >= 1
    assert found.due_at is not None
    assert found.due_at >= started + timedelta(seconds=1)


SPANS = [
    pytest.param(2, timedelta(seconds=4), timedelta(seconds=8), id="third"),
    pytest.param(5, timedelta(seconds=32), timedelta(seconds=64), id="sixth"),
    pytest.param(100, timedelta(seconds=150), timedelta(seconds=300), id="hundredth"),
]


@pytest.mark.parametrize(("before", "least", "most"), SPANS)
def test_each_failure_in_a_row_waits_longer_up_to_five_minutes(
    lane: Lane, before: int, least: timedelta, most: timedelta
) -> None:
    fail_before(lane, before)
    lane.repository = Fetching(lane.repository, fail_with(Unavailable("down again")))
    started = now()
    with working(lane) as workers:
        wait_for(workers, lambda: row(lane).last_error == "down again")
    found = row(lane)
    assert found.attempts == before + 1
    assert found.due_at is not None
    assert started + least <= found.due_at + timedelta(milliseconds=1) <= now() + most


def fail_before(lane: Lane, times: int) -> None:
    """The lane has failed so often and is due again."""
    for _ in range(times):
        with lane.database.transaction() as connection:
            claim = lanes.claim_due(connection, owner="earlier", now=now(), lease=MINUTE)
            assert claim is not None
            lanes.fail(connection, claim, due_at=now() - MINUTE, error="down", counts=True)


def test_a_time_at_which_to_come_back_is_kept_to_and_not_counted(lane: Lane) -> None:
    told = Unavailable("the rate limit is used up", retry_after=timedelta(minutes=17))
    lane.repository = Fetching(lane.repository, fail_with(told))
    started = now()
    with working(lane) as workers:
        wait_for(workers, lambda: row(lane).last_error is not None)
    found = row(lane)
    assert (found.attempts, found.last_error) == (0, "the rate limit is used up")
    assert found.due_at is not None
    assert started + 17 * MINUTE <= found.due_at + timedelta(milliseconds=1) <= now() + 17 * MINUTE


def test_a_lane_that_works_again_has_no_error(lane: Lane) -> None:
    fail_before(lane, 3)
    with working(lane) as workers:
        wait_for(workers, lambda: has_run(lane))
    assert (row(lane).last_error, row(lane).attempts) == (None, 0)


@pytest.mark.parametrize("error", [Unavailable("down"), ZeroDivisionError()], ids=["unavailable", "unexpected"])
def test_a_lane_that_fails_stops_nothing_else(lane: Lane, error: Exception) -> None:
    lane.repository = Fetching(lane.repository, fail_with(error))
    with working(lane) as workers:
        wait_for(workers, lambda: row(lane).last_error is not None)
        delivery = keep(lane.database)
        workers.wake()
        wait_for(workers, lambda: ended(lane.database, delivery))


@pytest.mark.parametrize(("repo", "branch"), [("gone", "main"), ("fleet", "old")], ids=["repository", "branch"])
def test_a_lane_that_is_no_longer_configured_goes_idle(lane: Lane, repo: str, branch: str) -> None:
    with lane.database.transaction() as connection:
        lanes.ensure(connection, repo, branch, now() - DAY)
    key = lanes.key_of(repo, branch)
    with working(lane) as workers:
        wait_for(workers, lambda: row(lane, key).due_at is None)
    found = row(lane, key)
    assert (found.owner, found.last_error, found.last_run_at) == (None, "no longer configured", None)


def test_idle_workers_stop_within_seconds(lane: Lane) -> None:
    lane.repository = Fetching(lane.repository, lambda: None)
    with working(lane, count=4) as workers:
        wait_for(workers, lambda: has_run(lane))
        started = time.monotonic()
        workers.stop()
        assert time.monotonic() - started < 5
        assert not [thread for thread in workers._threads if thread.is_alive()]


def test_a_run_that_has_begun_is_brought_to_its_end_before_the_workers_stop(lane: Lane) -> None:
    gate = Gate()
    lane.repository = Fetching(lane.repository, gate)
    with working(lane) as workers:
        assert gate.reached.wait(PATIENCE_S)
        stopping = threading.Thread(target=workers.stop)
        stopping.start()
        assert workers._stopping.wait(PATIENCE_S)
        gate.opened.set()
        stopping.join(PATIENCE_S)
    assert has_run(lane)
    assert len(lane.open_pulls()) == 1


def test_what_a_dead_process_left_is_taken_over_at_once_where_no_other_can_be_alive(lane: Lane) -> None:
    """A SQLite file has one process; on PostgreSQL the owner may well be alive, so its lease is waited for."""
    delivery = keep(lane.database)
    with lane.database.transaction() as connection:
        assert lanes.claim_due(connection, owner="dead", now=now(), lease=DAY)
        assert claim_next(connection, owner="dead", now=now(), lease=DAY)
    with working(lane, count=1 if lane.database.is_sqlite else 0) as workers:
        if lane.database.is_sqlite:
            wait_for(workers, lambda: has_run(lane) and ended(lane.database, delivery))
    assert (row(lane).owner == "dead") is not lane.database.is_sqlite


def test_a_run_that_lost_its_lane_writes_nothing(lane: Lane) -> None:
    real, was_lost = lane.repository, threading.Event()

    def take_over() -> None:
        with lane.database.transaction() as connection:
            lanes.release_all(connection)
            assert lanes.claim_due(connection, owner="quick", now=now(), lease=DAY)
        was_lost.set()

    lane.repository = Fetching(real, take_over)
    with working(lane) as workers:
        wait_for(workers, lambda: was_lost.is_set() and not workers._leases.lanes())
    found = row(lane)
    assert (found.owner, found.last_error, found.last_run_at, found.plan) == ("quick", None, None, None)
    assert (lane.open_pulls(), lane.promotions()) == ([], [])


def ticking(lane: Lane, timing: Timing, ticks: threading.Semaphore) -> tuple[datetime | None, datetime | None]:
    """When the lease of a hanging run ends, at first and after some renewals."""
    gate = Gate()
    repo = replace(lane.systems.config_repos["fleet"], repository=Fetching(lane.repository, gate), refs_every=DAY)
    systems = replace(lane.systems, config_repos={"fleet": repo}, timing=timing)
    workers = Workers(database=lane.database, systems=systems, clock=now, count=1, measure_clock=ticks.release)
    workers.start()
    try:
        assert gate.reached.wait(PATIENCE_S)
        first = row(lane).lease_until
        for _ in range(4):
            assert ticks.acquire(timeout=PATIENCE_S)
        return first, row(lane).lease_until
    finally:
        gate.opened.set()
        workers.stop()


@pytest.mark.parametrize(
    ("deadline", "is_renewed"), [(10 * MINUTE, True), (timedelta(0), False)], ids=["within", "beyond"]
)
def test_the_lease_of_a_run_is_renewed_until_its_deadline(lane: Lane, deadline: timedelta, *, is_renewed: bool) -> None:
    timing = Timing(lease=timedelta(seconds=0.3), lane_deadline=deadline)
    first, later = ticking(lane, timing, threading.Semaphore(0))
    assert first is not None
    assert later is not None
    assert (later > first) is is_renewed


def test_workers_outlive_a_database_that_is_away(lane: Lane) -> None:
    broken = BrokenDatabase(lane.database)
    with working(lane, count=2, database=broken) as workers:
        wait_for(workers, lambda: has_run(lane))
        broken.is_down = True
        before = broken.failures
        workers.wake()
        wait_for(workers, lambda: broken.failures >= before + 4)
        broken.is_down = False
        delivery = keep(lane.database)
        wait_for(workers, lambda: ended(lane.database, delivery))


class LosesClaims(BrokenDatabase):
    """A database that loses the first commit after a lane was taken."""

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with self.real.transaction() as connection:
            yield connection
            if not self.failures and (found := lanes.find(connection, LANE)) is not None and found.owner is not None:
                self._fail()


def test_a_lane_whose_claim_was_lost_is_taken_again(lane: Lane) -> None:
    losing = LosesClaims(lane.database)
    with working(lane, database=losing) as workers:
        wait_for(workers, lambda: has_run(lane))
    assert losing.failures == 1


def test_a_delivery_that_fails_unexpectedly_is_put_off_and_stops_no_worker(lane: Lane) -> None:
    odd = Source(name="odd", kind="of no sender", origin=Origin("odd"), keys=Keys)
    failing, other = keep(lane.database, "odd", kind=odd.kind), keep(lane.database)
    systems = replace(lane.systems, sources={"odd": odd})
    workers = Workers(database=lane.database, systems=systems, clock=now, count=1)
    workers.start()
    try:
        wait_for(workers, lambda: ended(lane.database, other) and has_run(lane))
    finally:
        workers.stop()
    with lane.database.transaction() as connection:
        found = deliveries.find(connection, failing)
    assert found is not None
    assert (found.state, found.error) == (DeliveryState.WAITING, "KeyError while interpreting")


def test_a_branch_that_moves_is_noticed_without_a_webhook_though_one_look_failed(lane: Lane) -> None:
    has_failed, has_moved, looks = threading.Event(), threading.Event(), [0]

    def look() -> Mapping[str, str]:
        looks[0] += 1
        if looks[0] == 3:
            has_failed.set()
            raise Unavailable("the remote does not answer once")
        return {"main": ("b" if has_moved.is_set() else "a") * 40}

    def is_settled() -> bool:
        due_at = row(lane).due_at
        return has_failed.is_set() and has_run(lane) and due_at is not None and due_at > now() + MINUTE

    with working(lane, refs=look, refs_every=timedelta(milliseconds=10)) as workers:
        wait_for(workers, is_settled)
        before = row(lane).last_run_at
        has_moved.set()
        wait_for(workers, lambda: row(lane).last_run_at != before)


def test_a_lane_that_moved_while_nobody_watched_is_run_at_start(lane: Lane) -> None:
    at_rest(lane.database)
    before = row(lane).last_run_at
    with working(lane) as workers:
        wait_for(workers, lambda: row(lane).last_run_at != before)
    assert len(lane.open_pulls()) == 1


def test_a_repository_that_a_lane_waits_for_is_listed_and_the_lane_runs_again(lane: Lane) -> None:
    api = ImageName(IMAGE.registry, "team/api")
    files = {"images/api.yaml": policy("api", path=api.path), "apps/api.yaml": deployment("2.0.0", name="api")}
    lane.config.commit("main", {**files, "apps/api.yaml": deployment("2.0.0", name="api", path=api.path)})
    with working(lane, registry=Listing(["2.0.0", "2.1.0"])) as workers:
        wait_for(workers, lambda: len(lane.open_pulls()) == 2)
    assert {one.tag for one in lane.promotions()} == {"1.1.0", "2.1.0"}
