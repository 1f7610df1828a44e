"""Others are told by threads of their own: nobody waits for who does not answer, and nothing is lost."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import Unavailable
from app.db import outbox
from app.db.database import Database
from app.services.systems import Timing
from app.services.telling.call_receivers import tell_flux
from app.worker import Workers
from tests.services.lanes import Lane
from tests.workers import PATIENCE_S, Gate, due_lane, has_run, now, wait_for, working

COMMITS = ("a" * 40, "b" * 40)


@dataclass
class Heard:
    """A Receiver that notes what it hears; before that something of the test's happens."""

    name: str
    before: Callable[[], None] = lambda: None
    revisions: list[str] = field(default_factory=list)
    was_called: threading.Event = field(default_factory=threading.Event)

    def call(self, revision: str) -> None:
        self.before()
        self.revisions.append(revision)
        self.was_called.set()


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app with a tag to propose, in a lane that is due."""
    return due_lane(tmp_path, database)


def tell(lane: Lane, *receivers: Heard, commit: str = COMMITS[0]) -> None:
    repo = replace(lane.systems.config_repos["fleet"], receivers=receivers)
    with lane.database.transaction() as connection:
        tell_flux(connection, repo, branch="main", commit=commit, now=now())


def ended(lane: Lane) -> set[str]:
    with lane.database.transaction() as connection:
        return {row.target for row in outbox.every(connection, limit=9) if row.ended_at is not None}


def test_who_does_not_answer_keeps_neither_lanes_nor_others_waiting(lane: Lane) -> None:
    gate = Gate()
    hanging, well = Heard("hanging", gate), Heard("well")
    tell(lane, hanging)
    with working(lane, receivers=(hanging, well)) as workers:
        assert gate.reached.wait(PATIENCE_S)
        tell(lane, hanging, well, commit=COMMITS[1])
        workers.wake()
        wait_for(workers, lambda: has_run(lane) and ended(lane) == {"fleet/well"})
        assert well.revisions == [f"main@sha1:{COMMITS[1]}"]
        assert hanging.revisions == []
        gate.opened.set()
        wait_for(workers, lambda: ended(lane) == {"fleet/hanging", "fleet/well"})
    # The older call was on its way when the newer one took its place.
    assert hanging.revisions == [f"main@sha1:{one}" for one in COMMITS]


def test_what_a_process_had_not_sent_when_it_ended_the_next_one_sends(lane: Lane) -> None:
    gate = Gate()
    hanging = Heard("prod-eu", gate)
    tell(lane, hanging)
    with working(lane, receivers=(hanging,)) as workers:
        assert gate.reached.wait(PATIENCE_S)
        workers.stop(timeout_s=0.1)
        after = Heard("prod-eu")
        with working(lane, receivers=(after,)):
            assert after.was_called.wait(PATIENCE_S)
        gate.opened.set()
    assert after.revisions == [f"main@sha1:{COMMITS[0]}"]


def errors_of(lane: Lane, *, but: str) -> list[str | None]:
    """How the tellings fared last, but those to one target."""
    with lane.database.transaction() as connection:
        return [row.error for row in outbox.every(connection, limit=9) if row.target != but]


def test_what_hangs_beyond_its_deadline_is_put_off_and_another_thread_takes_its_place(lane: Lane) -> None:
    gates = [Gate(), Gate()]
    hanging = [Heard(f"hanging-{number}", gate) for number, gate in enumerate(gates)]
    well = Heard("well")
    tell(lane, *hanging)
    systems = replace(
        lane.systems,
        config_repos={"fleet": replace(lane.systems.config_repos["fleet"], receivers=(*hanging, well))},
        timing=Timing(lease=timedelta(seconds=0.3), lane_deadline=timedelta(seconds=0.1), grace=timedelta()),
    )
    renewals = threading.Semaphore(0)
    workers = Workers(database=lane.database, systems=systems, clock=now, count=1, measure_clock=renewals.release)
    workers.start()
    try:
        assert all(gate.reached.wait(PATIENCE_S) for gate in gates)
        tell(lane, well)
        workers.wake()
        assert well.was_called.wait(PATIENCE_S)
        while not all(error is not None and "hangs in" in error for error in errors_of(lane, but="fleet/well")):
            # The first that was given up has made room for the third; the second follows with a later renewal.
            assert renewals.acquire(timeout=PATIENCE_S)
    finally:
        for gate in gates:
            gate.opened.set()
        workers.stop()


def test_a_receiver_that_comes_back_is_called_by_itself(lane: Lane) -> None:
    failures: list[Any] = [Unavailable("is not there", retry_after=timedelta(0))]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    receiver = Heard("prod-eu", fail_once)
    tell(lane, receiver)
    with working(lane, receivers=(receiver,)) as workers:
        wait_for(workers, lambda: ended(lane) == {"fleet/prod-eu"})
    assert receiver.revisions == [f"main@sha1:{COMMITS[0]}"]
