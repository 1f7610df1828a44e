"""The worker loops: interpret deliveries, reconcile lanes, sweep on a schedule, keep leases alive."""

import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from app.core.errors import FluxbridgeError, Refused, Unavailable
from app.db import deliveries, lanes
from app.db.database import Database
from app.db.lanes import LaneClaim
from app.services.interpret import Interpreter
from app.services.lane_run import LaneRun, LostLane
from app.services.ready_policies import ReadyPolicies
from app.services.reconcile import reconcile
from app.services.scans import Scans
from app.services.sweep import Sweeper
from app.services.systems import Clock, ConfigRepo, Systems

_POLL_S = 1.0
_LONGEST_BACKOFF = timedelta(minutes=5)
_log = structlog.get_logger("fluxbridge.worker")


@dataclass(slots=True, kw_only=True)
class Workers:
    """The threads that do the work of one process; `wake` tells them that there is some.

    `stepped` is notified after each step, for those who wait for an effect.
    """

    database: Database
    systems: Systems
    clock: Clock
    count: int
    measure_clock: Callable[[], None] = lambda: None
    owner: str = field(default_factory=lambda: f"worker-{uuid.uuid4().hex[:12]}")
    scans: Scans = field(default_factory=Scans)
    ready: ReadyPolicies = field(default_factory=ReadyPolicies)
    stepped: threading.Condition = field(default_factory=threading.Condition)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _due: threading.Condition = field(default_factory=threading.Condition)
    _running: dict[str, tuple[LaneClaim, datetime]] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Make every configured lane known (one that never ran is due) and start the threads."""
        now = self.clock()
        with self.database.transaction() as connection:
            if self.database.is_sqlite:
                deliveries.release_all(connection)
                lanes.release_all(connection)
            for repo in self.systems.config_repos.values():
                for branch in repo.branches:
                    lanes.ensure(connection, repo.name, branch, now)
        loops = [self._work] * self.count + [self._renew, self._sweep_repositories]
        for number, loop in enumerate(loops):
            self._start_thread(loop, f"fluxbridge-{number}")
        for repo in self.systems.config_repos.values():
            self._start_thread(partial(self._watch, repo), f"watch-{repo.name}")

    def stop(self, timeout_s: float = 10) -> None:
        """Let the present steps end and stop; what is not done by then is taken over after its lease."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(timeout_s)

    def wake(self) -> None:
        """Say that there may be work now."""
        with self._due:
            self._due.notify_all()

    def _start_thread(self, loop: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=loop, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                is_busy = self._interpret_one() or self._reconcile_one()
                pause_s = 0.0 if is_busy else self._pause_s()
            except Exception:  # noqa: BLE001 (whatever a step raises, the thread must live on)
                _log.exception("a worker step failed; it is tried again")
                is_busy, pause_s = False, _POLL_S
            self._tell_step()
            if not is_busy:
                with self._due:
                    self._due.wait(pause_s)

    def _tell_step(self) -> None:
        with self.stepped:
            self.stepped.notify_all()

    def _pause_s(self) -> float:
        """Wait no longer than until the next lane is due: quiet times are shorter than the poll."""
        if self._stopping.is_set():
            return 0.0
        with self.database.transaction() as connection:
            due_at = lanes.next_due_at(connection)
        if due_at is None:
            return _POLL_S
        return min(_POLL_S, max(0.01, (due_at - self.clock()).total_seconds()))

    def _interpret_one(self) -> bool:
        lease = self.systems.timing.lease
        with self.database.transaction() as connection:
            claim = deliveries.claim_next(connection, owner=self.owner, now=self._now(connection), lease=lease)
        if claim is None:
            return False
        interpreter = Interpreter(self.database, self.systems, self.clock, self.wake, self.ready)
        interpreter.interpret(claim)
        return True

    def _reconcile_one(self) -> bool:
        with self.database.transaction() as connection:
            claim = lanes.claim_due(
                connection,
                owner=f"{self.owner}/{threading.get_ident()}",
                now=self._now(connection),
                lease=self.systems.timing.lease,
                excluding=tuple(self._running),
            )
        if claim is None:
            return False
        self._running[claim.key] = (claim, self.clock())
        try:
            self._run_lane(claim)
        finally:
            self._running.pop(claim.key, None)
        return True

    def _run_lane(self, claim: LaneClaim) -> None:
        repo = self.systems.config_repos.get(claim.repo)
        if repo is None or claim.branch not in repo.branches:
            with self.database.transaction() as connection:
                lanes.retire(connection, claim)
            return
        run = LaneRun(
            claim=claim,
            repo=repo,
            systems=self.systems,
            database=self.database,
            scans=self.scans,
            ready=self.ready,
            clock=self.clock,
        )
        try:
            reconcile(run)
            _log.info("lane reconciled", lane=claim.key, notes=run.notes)
        except LostLane as error:
            _log.warning("lane lost", lane=claim.key, why=str(error))
        except FluxbridgeError as error:
            _log.warning("lane put off", lane=claim.key, why=str(error), kind=type(error).__name__)
            self._fail(claim, error)
        except Exception as error:
            self._fail(claim, error)
            raise

    def _fail(self, claim: LaneClaim, error: Exception) -> None:
        """A lane never dies: it backs off alone, up to five minutes, or until the forge says to come back."""
        wait = _backoff(claim.attempts)
        counts = True
        if isinstance(error, Unavailable) and error.retry_after is not None:
            wait, counts = error.retry_after, False
        told = str(error) if isinstance(error, FluxbridgeError) else f"{type(error).__name__}; see the log"
        with self.database.transaction() as connection:
            lanes.fail(connection, claim, due_at=self.clock() + wait, error=told[:2000], counts=counts)

    def _renew(self) -> None:
        """Keep the leases of running lanes alive, each until its deadline: a run that hangs must not keep its lane."""
        lease = self.systems.timing.lease
        while not self._stopping.wait(lease.total_seconds() / 3):
            _attempt(self.measure_clock, "measuring the database's clock")
            for claim, started in list(self._running.values()):
                if self.clock() - started > self.systems.timing.lane_deadline:
                    continue
                try:
                    with self.database.transaction() as connection:
                        lanes.renew(connection, claim, now=self._now(connection), lease=lease)
                except FluxbridgeError as error:
                    _log.warning("a lease could not be renewed", lane=claim.key, why=str(error))

    def _watch(self, repo: ConfigRepo) -> None:
        sweeper = self._sweeper()
        while not self._stopping.is_set():
            _attempt(lambda: sweeper.look_at_branches(repo), f"watching {repo.name}")
            self._stopping.wait(repo.look_every.total_seconds())

    def _sweep_repositories(self) -> None:
        sweeper = self._sweeper()
        failures = 0
        while not self._stopping.is_set():
            is_well = _attempt(sweeper.list_wanted, "listing repositories")
            failures = 0 if is_well else failures + 1
            self._stopping.wait(0.2 if is_well else _backoff(failures).total_seconds())

    def _sweeper(self) -> Sweeper:
        return Sweeper(self.database, self.systems, self.clock, self.wake, self.ready)

    def _now(self, connection: Connection) -> datetime:
        return self.database.lease_clock(connection) if not self.database.is_sqlite else self.clock()


def _attempt(step: Callable[[], object], what: str) -> bool:
    try:
        step()
    except (Unavailable, Refused) as error:
        _log.warning(f"{what} did not work", why=str(error))
        return False
    except Exception:  # noqa: BLE001 (the loop goes on and tries again)
        _log.exception(f"{what} failed")
        return False
    return True


def _backoff(attempts: int) -> timedelta:
    """Two, four, eight … seconds up to five minutes, with jitter so that lanes do not come back together."""
    capped = min(timedelta(seconds=2 ** min(attempts + 1, 9)), _LONGEST_BACKOFF)
    return capped * random.uniform(0.5, 1)  # noqa: S311 (spreading retries needs no secrecy)
