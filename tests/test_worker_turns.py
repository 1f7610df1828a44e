"""Who takes what, when and for how long: lanes, deliveries and sweeps between threads and processes."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.clients.deadline import seconds_left
from app.db import deliveries, lanes, schedules
from app.db.database import Database
from app.db.deliveries import DeliveryState, NewDelivery
from app.db.inbox import Inbox
from app.services.systems import Clock, SweepRules, Systems, Timing
from app.worker import Workers
from tests.db.facts import claim_next, keep_now
from tests.services.lanes import LANE, Lane
from tests.workers import (
    DAY,
    MINUTE,
    PATIENCE_S,
    Fetching,
    Gate,
    at_rest,
    due_lane,
    ended,
    has_run,
    keep,
    now,
    row,
    wait_for,
    working,
)

OTHER = "other:main"
HOUR = timedelta(hours=1)
LONG_S = 1e9


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app with a tag to propose, in a lane that is due."""
    return due_lane(tmp_path, database)


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Database]:
    """A database that several processes share, each with a clock of its own."""
    opened = Database(postgres_url)
    yield opened
    opened.close()


def test_a_lane_that_one_of_our_threads_still_runs_is_not_taken_again_after_its_lease(lane: Lane) -> None:
    gate, ticks, fetches = Gate(), threading.Semaphore(0), []

    def fetching() -> None:
        fetches.append(threading.get_ident())
        gate()

    repo = replace(lane.systems.config_repos["fleet"], repository=Fetching(lane.repository, fetching), refs_every=DAY)
    timing = Timing(lease=timedelta(seconds=0.3), lane_deadline=timedelta(0))
    systems = replace(lane.systems, config_repos={"fleet": repo}, timing=timing)
    workers = Workers(database=lane.database, systems=systems, clock=now, count=3, measure_clock=ticks.release)
    workers.start()
    try:
        assert gate.reached.wait(PATIENCE_S)
        for _ in range(8):
            assert ticks.acquire(timeout=PATIENCE_S)
            workers.wake()
        lease_until = row(lane).lease_until
        taken = len(fetches)
    finally:
        gate.opened.set()
        workers.stop()
    assert lease_until is not None
    assert lease_until < now()
    assert taken == 1


def test_one_thread_is_left_to_deliveries_however_many_lanes_are_due(lane: Lane) -> None:
    gate = Gate()
    fleet = replace(lane.systems.config_repos["fleet"], repository=Fetching(lane.repository, gate), refs_every=DAY)
    repos = {"fleet": fleet, "other": replace(fleet, name="other")}
    workers = Workers(database=lane.database, systems=replace(lane.systems, config_repos=repos), clock=now, count=2)
    workers.start()
    try:
        assert gate.reached.wait(PATIENCE_S)
        for number in range(4):
            kept = keep(lane.database, f"retired{number}")
            workers.wake()
            wait_for(workers, lambda kept=kept: ended(lane.database, kept))  # type: ignore[misc]
        assert {row(lane, LANE).last_run_at, row(lane, OTHER).last_run_at} == {None}
    finally:
        gate.opened.set()
        workers.stop()


def test_while_many_deliveries_wait_a_lane_that_ran_just_now_waits_for_them(tmp_path: Path, sqlite_url: str) -> None:
    database = Database(sqlite_url)
    lane = due_lane(tmp_path, database)
    began = now()
    for number in range(60):
        keep(database, f"retired{number}")
    waiting: list[int] = []

    def fetching() -> None:
        with database.transaction() as connection:
            waiting.append(deliveries.counts_by_state(connection).get(DeliveryState.WAITING, 0))
            if len(waiting) < 5:
                lanes.raise_wanted(connection, [LANE], now=began)

    repo = replace(lane.systems.config_repos["fleet"], repository=Fetching(lane.repository, fetching), refs_every=DAY)
    systems = replace(lane.systems, config_repos={"fleet": repo})
    workers = Workers(database=database, systems=systems, clock=lambda: began, count=1)
    workers.start()
    try:
        wait_for(workers, lambda: len(waiting) == 5)
    finally:
        workers.stop()
        database.close()
    assert waiting[0] > 50
    assert waiting[1:] == [0] * 4


def test_a_sweep_that_a_dead_process_left_is_run_at_once_where_no_other_can_be_alive(
    tmp_path: Path, sqlite_url: str
) -> None:
    database = Database(sqlite_url)
    lane = due_lane(tmp_path, database)
    with database.transaction() as connection:
        schedules.know(connection, "pull_requests")
        assert schedules.claim(connection, "pull_requests", owner="dead", now=now(), lease=HOUR)
    rules = SweepRules(schedules={"pull_requests": "0 0 1 1 *"})
    repo = replace(lane.systems.config_repos["fleet"], refs_every=DAY)
    systems = replace(lane.systems, config_repos={"fleet": repo}, sweeps=rules)
    workers = Workers(database=database, systems=systems, clock=now, count=1)

    def is_swept() -> bool:
        with database.transaction() as connection:
            return any(one.last_ended_at for one in schedules.every(connection))

    workers.start()
    try:
        wait_for(workers, is_swept)
    finally:
        workers.stop()
        database.close()


def test_a_run_has_a_deadline(lane: Lane) -> None:
    left: list[float] = []
    lane.repository = Fetching(lane.repository, lambda: left.append(seconds_left(LONG_S)))
    with working(lane) as workers:
        wait_for(workers, lambda: has_run(lane))
    assert 0 < left[0] <= Timing().lane_deadline.total_seconds()


def test_a_look_at_the_branches_has_a_deadline(lane: Lane) -> None:
    left: list[float] = []
    looked = threading.Event()

    def look() -> Mapping[str, str]:
        left.append(seconds_left(LONG_S))
        looked.set()
        return {}

    at_rest(lane.database)
    with working(lane, refs=look):
        assert looked.wait(PATIENCE_S)
    assert 0 < left[0] <= 60


def work_off(database: Database, kept: str, clock: Clock) -> None:
    """Let a process with this clock work until a delivery has ended."""
    workers = Workers(database=database, systems=Systems(), clock=clock, count=1)
    workers.start()
    try:
        wait_for(workers, lambda: ended(database, kept))
    finally:
        workers.stop()


def received(at: datetime, external_id: str = "1") -> NewDelivery:
    return NewDelivery(source="retired", kind="flux", external_id=external_id, headers={}, body=b"{}", received_at=at)


def accept(database: Database, new: NewDelivery) -> str:
    """Keep a delivery as a web process does."""
    inbox = Inbox(database)
    inbox.start()
    try:
        return keep_now(inbox, new)
    finally:
        inbox.stop()


def test_a_process_whose_clock_is_slow_works_off_what_others_keep(shared: Database) -> None:
    work_off(shared, accept(shared, received(now())), lambda: now() - HOUR)


def test_what_a_process_keeps_whose_clock_is_fast_is_worked_off_at_once(shared: Database) -> None:
    work_off(shared, accept(shared, received(now() + HOUR)), now)


def test_a_process_whose_clock_is_fast_takes_nothing_from_others(shared: Database) -> None:
    theirs = accept(shared, received(now() - MINUTE, "theirs"))
    with shared.transaction() as connection:
        at = shared.server_now(connection)
        assert at is not None
        assert claim_next(connection, owner="another", now=at, lease=10 * MINUTE)
        lanes.ensure(connection, "fleet", "main", at)
        assert lanes.claim_due(connection, owner="another", now=at, lease=10 * MINUTE)
    work_off(shared, accept(shared, received(now(), "ours")), lambda: now() + HOUR)
    with shared.transaction() as connection:
        found, held = deliveries.find(connection, theirs), lanes.find(connection, LANE)
    assert found is not None
    assert found.state is DeliveryState.WAITING
    assert held is not None
    assert held.owner == "another"
