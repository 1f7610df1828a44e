"""Leases last as long as the work, are given back when it cannot be ended, and forges are left alone when they ask."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.core.errors import Unavailable
from app.core.facts import BuildFinished
from app.core.ports import BuildSeen, RateLimited
from app.db import deliveries, forge_budgets, lanes, measures
from app.db.database import Database
from app.db.deliveries import NewDelivery
from app.senders.sender import Keys, Origin
from app.services.systems import Source, Systems, Timing
from app.services.work.bell import Bell
from app.worker import Workers
from tests.services.broken_database import BrokenDatabase
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
    fail_with,
    has_run,
    keep,
    make_due,
    now,
    row,
    wait_for,
    working,
)

SHORT = Timing(lease=timedelta(seconds=0.3))


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app with a tag to propose, in a lane that is due."""
    return due_lane(tmp_path, database)


class AskedJenkins:
    """A controller that stops at a gate before it says that a build is still running."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def build(self, job: str, number: int) -> BuildFinished | None:
        del job, number
        self.gate()
        return None

    def newest_builds(self, patterns: Sequence[str], *, on_left_out: object = None) -> Mapping[str, int]:
        del on_left_out
        raise AssertionError(patterns)

    def builds_after(self, job: str, number: int, *, limit: int) -> Sequence[BuildSeen]:
        raise AssertionError(job, number, limit)


def hinted(database: Database) -> str:
    """Keep a delivery whose build has to be read back from Jenkins."""
    body = b'{"name":"app","url":"job/app/","build":{"number":1,"phase":"FINALIZED","status":"SUCCESS"}}'
    new = NewDelivery(
        source="ci", kind="jenkins-notification", external_id="1", headers={}, body=body, received_at=now() - MINUTE
    )
    with database.transaction() as connection:
        return deliveries.keep(connection, new)


def reading_back(lane: Lane, gate: Gate) -> Systems:
    source = Source(name="ci", kind="jenkins-notification", origin=Origin("ci", jenkins="main"), keys=Keys)
    return replace(
        lane.systems, sources={"ci": source}, jenkins={"main": AskedJenkins(gate)}, config_repos={}, timing=SHORT
    )


def lease_of(database: Database, delivery: str) -> tuple[object, object, str]:
    table = deliveries.deliveries
    with database.transaction() as connection:
        found = connection.execute(select(table).where(table.c.id == delivery)).one()
    return found.owner, found.lease_until, found.state


def test_a_delivery_that_takes_longer_than_its_lease_is_kept_from_others(lane: Lane) -> None:
    gate, ticks = Gate(), threading.Semaphore(0)
    delivery = hinted(lane.database)
    workers = Workers(
        database=lane.database, systems=reading_back(lane, gate), clock=now, count=1, measure_clock=ticks.release
    )
    workers.start()
    try:
        assert gate.reached.wait(PATIENCE_S)
        first = lease_of(lane.database, delivery)[1]
        for _ in range(6):
            assert ticks.acquire(timeout=PATIENCE_S)
        owner, later, _ = lease_of(lane.database, delivery)
    finally:
        gate.opened.set()
        workers.stop()
    assert owner == workers.owner
    assert isinstance(first, type(later))
    assert later > first  # type: ignore[operator]


def test_a_delivery_that_cannot_be_ended_in_time_is_given_back_and_written_no_more(lane: Lane) -> None:
    gate = Gate()
    delivery = hinted(lane.database)
    workers = Workers(database=lane.database, systems=reading_back(lane, gate), clock=now, count=1)
    workers.start()
    assert gate.reached.wait(PATIENCE_S)
    workers.stop(timeout_s=0)
    given_back = lease_of(lane.database, delivery)
    gate.opened.set()
    workers.stop()
    assert given_back == (None, None, "waiting")
    assert lease_of(lane.database, delivery) == given_back


def test_a_run_that_cannot_be_ended_in_time_is_given_back_and_writes_no_more(lane: Lane) -> None:
    gate = Gate()
    lane.repository = Fetching(lane.repository, gate)
    with working(lane) as workers:
        assert gate.reached.wait(PATIENCE_S)
        workers.stop(timeout_s=0)
        found = row(lane)
        gate.opened.set()
    assert (found.owner, found.lease_until, found.claimed_at, found.attempts) == (None, None, None, 0)
    assert found.due_at is not None
    assert found.due_at <= now()
    after = row(lane)
    assert (after.last_run_at, after.plan, after.last_error) == (None, None, None)
    assert lane.open_pulls() == []


def _is_not_there() -> Mapping[str, str]:
    raise Unavailable("not looked at")


@contextmanager
def two_lanes(lane: Lane, budgets: tuple[str, str]) -> Iterator[Workers]:
    """The lane, whose forge is limited, beside one of another config repository whose run is well."""
    fleet = replace(lane.systems.config_repos["fleet"], refs_every=DAY)
    limited = Fetching(lane.repository, fail_with(RateLimited("the rate limit is used up", retry_after=17 * MINUTE)))
    repos = {
        "fleet": replace(fleet, repository=limited, forge_budget=budgets[0]),
        # Nothing makes it due but the test: the worker that finds one row locked takes the next.
        "other": replace(fleet, name="other", forge_budget=budgets[1], refs=_is_not_there),
    }
    systems = replace(lane.systems, config_repos=repos)
    workers = Workers(database=lane.database, systems=systems, clock=now, count=1)
    with lane.database.transaction() as connection:
        lanes.ensure(connection, "other", "main", now() + MINUTE)
    workers.start()
    try:
        wait_for(workers, lambda: row(lane).last_error is not None)
        with lane.database.transaction() as connection:
            lanes.raise_wanted(connection, ["other:main"], now=now())
        workers.wake()
        yield workers
    finally:
        workers.stop()


def test_a_rate_limit_delays_every_lane_of_its_forge_and_counts_as_no_failure(lane: Lane) -> None:
    with two_lanes(lane, ("github", "github")) as workers:
        started = now()
        steps = [0]

        def has_stepped() -> bool:
            steps[0] += 1
            return steps[0] > 3

        wait_for(workers, has_stepped)
        with lane.database.transaction() as connection:
            blocked = forge_budgets.blocked(connection, now())
    assert started + 16 * MINUTE < blocked["github"] <= now() + 17 * MINUTE
    assert row(lane).attempts == 0
    assert (row(lane, "other:main").last_run_at, row(lane, "other:main").owner) == (None, None)


def test_the_lanes_of_another_forge_go_on(lane: Lane) -> None:
    with two_lanes(lane, ("github", "local")) as workers:
        wait_for(workers, lambda: row(lane, "other:main").last_run_at is not None)
    assert row(lane).last_run_at is None


def test_failed_runs_are_counted_over_all_processes(lane: Lane) -> None:
    lane.repository = Fetching(lane.repository, fail_with(ZeroDivisionError()))
    with working(lane) as workers:
        wait_for(workers, lambda: row(lane).last_error is not None)
    with lane.database.transaction() as connection:
        counted = measures.every(connection)["retries"]
    assert counted == {"lane": row(lane).attempts}


def test_deliveries_are_worked_off_while_every_lane_is_busy(lane: Lane) -> None:
    gate = Gate()
    lane.repository = Fetching(lane.repository, gate)
    with working(lane, count=2) as workers:
        assert gate.reached.wait(PATIENCE_S)
        new = NewDelivery(
            source="retired", kind="flux", external_id="1", headers={}, body=b"{}", received_at=now() - MINUTE
        )
        with lane.database.transaction() as connection:
            kept = deliveries.keep(connection, new)
        workers.wake()
        wait_for(workers, lambda: lease_of(lane.database, kept)[2] == "unusable")
        assert not has_run(lane)
        gate.opened.set()


def test_who_looked_before_the_bell_rang_does_not_wait() -> None:
    bell = Bell()
    before = bell.rings
    bell.ring()
    bell.wait(before, PATIENCE_S)
    waiting = threading.Thread(target=bell.wait, args=(bell.rings, PATIENCE_S))
    waiting.start()
    bell.ring()
    waiting.join(PATIENCE_S / 2)
    assert not waiting.is_alive()


def test_a_lane_given_back_is_taken_by_the_next_process_at_once(lane: Lane) -> None:
    at_rest(lane.database)
    make_due(lane.database)
    gate = Gate()
    real = lane.repository
    lane.repository = Fetching(real, gate)
    with working(lane) as workers:
        assert gate.reached.wait(PATIENCE_S)
        workers.stop(timeout_s=0)
        lane.repository = real
        with working(lane) as others:
            wait_for(others, lambda: row(lane).plan not in {None, "{}"})
        gate.opened.set()
    assert row(lane, LANE).owner is None
    assert len(lane.open_pulls()) == 1


def test_a_delivery_that_one_of_our_threads_still_works_on_is_not_taken_again_after_its_lease(lane: Lane) -> None:
    gate, ticks = Gate(), threading.Semaphore(0)
    delivery = hinted(lane.database)
    systems = replace(reading_back(lane, gate), timing=replace(SHORT, lane_deadline=timedelta(0)))
    workers = Workers(database=lane.database, systems=systems, clock=now, count=2, measure_clock=ticks.release)
    workers.start()
    try:
        assert gate.reached.wait(PATIENCE_S)
        for _ in range(8):
            assert ticks.acquire(timeout=PATIENCE_S)
        _, until, _ = lease_of(lane.database, delivery)
        assert isinstance(until, datetime)
        assert until < now()
        table = deliveries.deliveries
        with lane.database.transaction() as connection:
            tries = connection.execute(select(table.c.tries).where(table.c.id == delivery)).scalar_one()
    finally:
        gate.opened.set()
        workers.stop()
    assert tries == 1


class FailsToRenew(BrokenDatabase):
    """A database that breaks in an unforeseen way while leases are renewed."""

    breaks = False

    @contextmanager
    def transaction(self, **options: Any) -> Iterator[Any]:
        if self.breaks and threading.current_thread().name == "leases":
            self.breaks = False
            self.failures += 1
            raise ZeroDivisionError
        with self.real.transaction(**options) as connection:
            yield connection


def test_leases_are_renewed_on_after_whatever_went_wrong(lane: Lane) -> None:
    gate, ticks = Gate(), threading.Semaphore(0)
    broken = FailsToRenew(lane.database)
    repo = replace(lane.systems.config_repos["fleet"], repository=Fetching(lane.repository, gate), refs_every=DAY)
    systems = replace(lane.systems, config_repos={"fleet": repo}, timing=SHORT)
    workers = Workers(
        database=broken,  # type: ignore[arg-type]
        systems=systems,
        clock=now,
        count=1,
        measure_clock=ticks.release,
    )
    workers.start()
    try:
        assert gate.reached.wait(PATIENCE_S)
        broken.breaks = True
        for _ in range(4):
            assert ticks.acquire(timeout=PATIENCE_S)
        assert broken.failures == 1
        first = row(lane).lease_until
        for _ in range(4):
            assert ticks.acquire(timeout=PATIENCE_S)
        later = row(lane).lease_until
    finally:
        gate.opened.set()
        workers.stop()
    assert first is not None
    assert later is not None
    assert later > first


def test_what_breaks_unexpectedly_keeps_none_of_those_taken_with_it_from_being_worked_off(lane: Lane) -> None:
    def breaks() -> None:
        raise ZeroDivisionError

    systems = reading_back(lane, breaks)  # type: ignore[arg-type]
    before = [keep(lane.database, f"a{number}") for number in range(6)]
    broken = hinted(lane.database)
    after = [keep(lane.database, f"d{number}") for number in range(6)]
    workers = Workers(database=lane.database, systems=systems, clock=now, count=1)
    workers.start()
    try:
        wait_for(workers, lambda: all(ended(lane.database, one) for one in (*before, *after)))
    finally:
        workers.stop()
    with lane.database.transaction() as connection:
        found = deliveries.find(connection, broken)
    assert found is not None
    assert (found.state, found.error) == ("waiting", "ZeroDivisionError while interpreting")
