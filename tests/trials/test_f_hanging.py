"""Work that hangs where no deadline reaches it is given up, counted and said; the others go on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from app.db import lanes, measures
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.services.reading.status import read_status
from app.services.systems import Systems, Timing
from app.worker import Workers
from tests.services.lanes import LANE, Lane
from tests.test_worker_leases import hinted, reading_back
from tests.workers import DAY, PATIENCE_S, Fetching, Gate, due_lane, ended, keep, now, row, wait_for, working

IMPATIENT = Timing(lease=timedelta(seconds=0.3), lane_deadline=timedelta(0), grace=timedelta(0))


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app with a tag to propose, in a lane that is due."""
    return due_lane(tmp_path, database)


@contextmanager
def hanging(lane: Lane, systems: Systems, gate: Gate) -> Iterator[tuple[Workers, threading.Semaphore]]:
    """One thread that hangs at a gate, and ticks of the thread that looks after leases."""
    ticks = threading.Semaphore(0)
    workers = Workers(database=lane.database, systems=systems, clock=now, count=1, measure_clock=ticks.release)
    workers.start()
    try:
        assert gate.reached.wait(PATIENCE_S)
        yield workers, ticks
    finally:
        gate.opened.set()
        workers.stop()


def given_up(database: Database) -> dict[str, int]:
    with database.transaction() as connection:
        return measures.every(connection).get("given_up", {})


def test_a_lane_that_hangs_is_given_up_and_the_deliveries_go_on(lane: Lane) -> None:
    gate = Gate()
    repo = replace(lane.systems.config_repos["fleet"], repository=Fetching(lane.repository, gate), refs_every=DAY)
    systems = replace(lane.systems, config_repos={"fleet": repo}, timing=IMPATIENT)
    with hanging(lane, systems, gate) as (workers, ticks):
        delivery = keep(lane.database)
        wait_for(workers, lambda: ended(lane.database, delivery))
        found = row(lane)
        for _ in range(6):
            assert ticks.acquire(timeout=PATIENCE_S)
        told = read_status(lane.database, now)
        assert (found.owner, found.attempts) == (None, 1)
        assert found.last_error is not None
        assert "it hangs in app.services.lane.reconcile._follow (line " in found.last_error
        assert (given_up(lane.database), told.given_up["lane"]) == ({"lane": 1}, 1)
        assert workers._leases.lanes() == (LANE,)
        gate.opened.set()
        wait_for(workers, lambda: not workers._leases.lanes())
    assert row(lane).last_run_at is None
    assert lane.open_pulls() == []
    with lane.database.transaction() as connection:
        connection.execute(update(lanes.lanes).values(due_at=now()))
    with working(lane) as others:
        wait_for(others, lambda: row(lane).last_run_at is not None)
    assert len(lane.open_pulls()) == 1


def test_a_delivery_that_hangs_is_given_up_and_the_others_go_on(lane: Lane) -> None:
    gate = Gate()
    first = hinted(lane.database)
    systems = replace(reading_back(lane, gate), timing=IMPATIENT)
    with hanging(lane, systems, gate) as (workers, _):
        other = keep(lane.database)
        wait_for(workers, lambda: ended(lane.database, other))
        told = read_status(lane.database, now)
        assert told.given_up == {"delivery": 1, "lane": 0, "telling": 0}
        assert told.deliveries[DeliveryState.WAITING] == 1
        assert not ended(lane.database, first)
