"""Several worker processes on one PostgreSQL: one dies, one sleeps past its lease, and nobody has to do anything."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app.compose.machine import utc_now
from app.db import lanes
from app.db.database import Database, DatabaseUnavailable
from app.db.lanes import LaneClaim
from tests.faults.extent import IS_LONG, ROUNDS, timeout
from tests.faults.processes import Worker
from tests.faults.waiting import until
from tests.faults.worlds import LEASE_S, World, world

pytestmark = timeout
# On a busy machine the work itself takes a while.
_LATE_S = LEASE_S + (5 if IS_LONG else 20)
_NO_TIME = timedelta(0)


@dataclass(slots=True)
class Replicas:
    """A web process and three of workers over one lane; versions are pushed one after another."""

    here: World
    version: int = 0

    def push(self) -> None:
        """Push the next version of every app."""
        self.version += 1
        self.here.senders.give(self.here.fleet.push_all(self.version))

    def strike_holder(self, number: signal.Signals, *, service: str) -> Callable[[], Worker]:
        """Send a signal to the worker that next asks git for this service, while it asks; returns who that was."""
        struck: list[Worker] = []

        def on_git() -> None:
            asked = self.here.github.git_requests[-1]
            if struck or not (asked.path + asked.query).endswith(service):
                return
            holders = [one for one in self.here.fluxbridge.workers if one.process.poll() is None and one.runs_git]
            if len(holders) == 1:
                struck.append(holders[0])
                holders[0].signal(number)

        self.here.github.on_git = on_git
        return lambda: struck[0]

    def finish(self, since: float) -> None:
        """Wait until all is done, which is soon after the lease of whoever had the work."""
        self.here.senders.wait()
        self.here.fluxbridge.settle(patience_s=max(1.0, since + _LATE_S - time.monotonic()))


@pytest.fixture
def replicas(tmp_path: Path, postgres_url: str) -> Iterator[Replicas]:
    """All processes run, and nothing is proposed."""
    with world(tmp_path, postgres_url, apps=3) as here:
        here.fluxbridge.start("--no-workers")
        here.fluxbridge.start_workers(3)
        here.fluxbridge.settle()
        yield Replicas(here)


def test_one_is_killed_and_one_wakes_after_its_lease_and_all_is_done_once(replicas: Replicas) -> None:
    """The sleeper is stopped before it pushed anything, and others go two versions on before it wakes."""
    killed = replicas.strike_holder(signal.SIGKILL, service="git-receive-pack")
    began = time.monotonic()
    replicas.push()
    replicas.finish(began)
    assert killed().process.returncode == -signal.SIGKILL
    replicas.here.check()
    for _ in range(max(1, ROUNDS // 5)):
        stopped = replicas.strike_holder(signal.SIGSTOP, service="git-upload-pack")
        for _ in range(2):
            began = time.monotonic()
            replicas.push()
            replicas.finish(began)
        heads = replicas.here.github.repository.git("for-each-ref", "refs/heads")
        stopped().signal(signal.SIGCONT)
        _wait_for_loss(stopped())
        assert replicas.here.github.repository.git("for-each-ref", "refs/heads") == heads
        replicas.here.check()


def _wait_for_loss(sleeper: Worker) -> None:
    until(
        "the one that slept to see that its lane is lost",
        lambda: sleeper.said("lane lost"),
        told=lambda: sleeper.log.read_text()[-4000:],
    )


def test_one_that_freezes_in_a_transaction_keeps_others_waiting_for_seconds_only(postgres_url: str) -> None:
    with closing(Database(postgres_url)) as frozen, closing(Database(postgres_url)) as other:
        with other.transaction() as connection:
            lanes.ensure(connection, "fleet", "main", utc_now())

        def claim() -> LaneClaim | None:
            with other.transaction() as connection:
                lease = timedelta(seconds=LEASE_S)
                return lanes.claim_due(connection, owner="other", now=utc_now(), lease=lease)

        def freeze() -> None:
            with frozen.transaction() as connection:
                lanes.raise_wanted(connection, ["fleet:main"], now=utc_now())
                assert claim() is None
                until("another to get the lane", claim, patience_s=_LATE_S)
                connection.execute(text("SELECT 1"))

        with pytest.raises(DatabaseUnavailable):
            freeze()
