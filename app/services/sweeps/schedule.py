"""Run sweeps: those that are due, one after the other, and those that a person asks for now."""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from cronsim import CronSim
from sqlalchemy import Connection

from app.core.errors import Conflict, FluxbridgeError, NotFound
from app.core.nearest import among
from app.db import measures, schedules, storms
from app.db.database import Database
from app.db.schedules import SweepClaim
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.sweeps import OF_EACH_PROCESS, SWEEPS
from app.services.sweeps.sweep_run import BrokenOff, SweepRun
from app.services.systems import Clock, Systems

_JUST_NOW = timedelta(minutes=1)
_SOONER = timedelta(minutes=5)
_BREATH_S = 0.001
_log = structlog.get_logger("fluxbridge.sweeps")


class UnknownSweep(NotFound):
    """A sweep was asked for that there is not."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no sweep {name[:64]!r}: {among(name, SWEEPS)}")


class NoSuchStorm(NotFound):
    """A storm was accepted that there is not."""

    def __init__(self, key: str, waiting: Sequence[str]) -> None:
        told = f"there is: {', '.join(waiting)}" if waiting else "none waits there"
        super().__init__(f"no storm is called {key!r}; {told}")


class SweepBusy(Conflict):
    """A sweep was asked for that runs just now."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the sweep {name} is running just now: ask again when it has ended")


@dataclass(slots=True, kw_only=True)
class Sweeps:
    """The sweeps as one process runs them, each under its schedule's lease.

    While one runs, a thread of its own keeps the lease; `renew` may be called by anyone besides. Those of each process
    are run here whatever others do, and need no lease.
    """

    database: Database
    systems: Systems
    clock: Clock
    owner: str
    ready: ReadyPolicies = field(default_factory=ReadyPolicies)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _running: dict[str, SweepClaim] = field(default_factory=dict)
    _lost: set[SweepClaim] = field(default_factory=set)
    _own_next: dict[str, datetime] = field(default_factory=dict)

    def ensure(self) -> None:
        """Make every sweep known: each is due now, unless it ended well a moment ago or waits for a person."""
        with self.database.transaction() as connection:
            now = self._now(connection)
            schedules.forget_others(connection, SWEEPS.keys())
            ended = {row.name: row.last_ended_at for row in schedules.every(connection) if row.last_error is None}
            for name in SWEEPS:
                last = ended.get(name)
                later = self._next_at(name, now)
                is_done = last is not None and last > now - _JUST_NOW
                next_at = later if is_done or later is None else now
                schedules.ensure(connection, name, None if name in OF_EACH_PROCESS else next_at)
        own = OF_EACH_PROCESS & self.systems.sweeps.schedules.keys()
        self._own_next = dict.fromkeys(own, self.clock())

    def next_at(self) -> datetime | None:
        """When the next sweep that nobody runs is due."""
        with self.database.transaction() as connection:
            shared = schedules.next_due_at(connection)
        return min(filter(None, [shared, *self._own_next.values()]), default=None)

    def run_due(self) -> bool:
        """Run the sweep that has been due longest to its end; false when none is due or the process stops."""
        if self._stopping.is_set():
            return False
        with self.database.transaction() as connection:
            lease = self.systems.timing.lease
            claim = schedules.claim_due(connection, owner=self.owner, now=self._now(connection), lease=lease)
        if claim is None:
            return self._run_own()
        with self._keeping([claim]):
            run = self._run(claim)
        _log_failures(run)
        return True

    def run_now(
        self,
        names: Sequence[str] = (),
        *,
        is_dry: bool = False,
        is_confirmed: bool = False,
        accepted: Collection[str] = (),
    ) -> Sequence[SweepRun]:
        """Run these sweeps in this thread, by default all that have a schedule, and tell what each found.

        With `is_dry` nothing is written. A storm is taken in where its key is `accepted`, and all are when
        `is_confirmed`. Raises UnknownSweep, NoSuchStorm, SweepBusy.
        """
        for name in names:
            if name not in SWEEPS:
                raise UnknownSweep(name)
        wanted = [name for name in SWEEPS if name in (names or self.systems.sweeps.schedules)]
        self._see_accepted(wanted, accepted)
        if is_dry:
            return [self._sweep(name, is_dry=True, is_confirmed=is_confirmed, accepted=accepted) for name in wanted]
        claims = self._claim_all(wanted)
        with self._keeping(claims):
            runs = [self._run(claim, is_confirmed=is_confirmed, accepted=accepted) for claim in claims]
        return [run for run in runs if run is not None]

    def renew(self) -> None:
        """Prolong the leases of what runs here; what another process has taken over meanwhile is broken off."""
        for claim in list(self._running.values()):
            with self.database.transaction() as connection:
                lease = self.systems.timing.lease
                is_kept = schedules.renew(connection, claim, now=self._now(connection), lease=lease)
            if not is_kept:
                self._lost.add(claim)

    def stop(self) -> None:
        """Break off what runs here after its present step, and give it back."""
        self._stopping.set()

    def _run_own(self) -> bool:
        """Run a sweep of this process that is due by its own clock; false when none is or the process stops."""
        began = self.clock()
        name = next((name for name, next_at in self._own_next.items() if next_at <= began), None)
        if name is None:
            return False
        try:
            run = self._sweep(name)
        except BrokenOff:
            return False
        now = self.clock()
        with self.database.transaction() as connection:
            schedules.note(connection, name, started_at=began, ended_at=now, found=run.found, error=run.remark)
            _count(connection, run)
        next_at = self._next_after(run, now)
        if next_at is not None:
            self._own_next[name] = next_at
        _log_failures(run)
        return True

    def _claim_all(self, names: Sequence[str]) -> Sequence[SweepClaim]:
        """All or none."""
        claims: list[SweepClaim] = []
        with self.database.transaction() as connection:
            now, lease = self._now(connection), self.systems.timing.lease
            for name in sorted(names):
                schedules.know(connection, name)
                claim = schedules.claim(connection, name, owner=self.owner, now=now, lease=lease)
                if claim is None:
                    raise SweepBusy(name)
                claims.append(claim)
        return sorted(claims, key=lambda claim: list(SWEEPS).index(claim.name))

    def _see_accepted(self, names: Sequence[str], accepted: Collection[str]) -> None:
        if not accepted:
            return
        with self.database.transaction() as connection:
            waiting = [one.key for one in storms.every(connection) if one.sweep in names]
        for key in accepted:
            if key not in waiting:
                raise NoSuchStorm(key, waiting)

    def _run(self, claim: SweepClaim, *, is_confirmed: bool = False, accepted: Collection[str] = ()) -> SweepRun | None:
        """Run one sweep and write down how it ended; None when it was broken off."""
        try:
            run = self._sweep(claim.name, claim, is_confirmed=is_confirmed, accepted=accepted)
        except BrokenOff as error:
            _log.warning("a sweep was broken off", sweep=claim.name, why=str(error))
            with self.database.transaction() as connection:
                schedules.release(connection, claim)
            return None
        with self.database.transaction() as connection:
            now = self._now(connection)
            is_mine = schedules.finish(
                connection,
                claim,
                now=now,
                next_at=None if claim.name in OF_EACH_PROCESS else self._next_after(run, now),
                found=run.found,
                error=run.remark,
            )
            if is_mine:
                _count(connection, run)
        self._running.pop(claim.name, None)
        return run

    def _sweep(
        self,
        name: str,
        claim: SweepClaim | None = None,
        *,
        is_dry: bool = False,
        is_confirmed: bool = False,
        accepted: Collection[str] = (),
    ) -> SweepRun:
        run = SweepRun(
            sweep=name,
            database=self.database,
            systems=self.systems,
            clock=self.clock,
            ready=self.ready,
            is_dry=is_dry,
            is_confirmed=is_confirmed,
            accepted=accepted,
            go_on=lambda: self._go_on(name, claim),
        )
        # What goes wrong before its first step is told as well.
        with run.attempt(name):
            SWEEPS[name](run)
        return run

    def _go_on(self, name: str, claim: SweepClaim | None) -> None:
        # The pause lets those have the database that wait for it: SQLite has one connection.
        if self._stopping.wait(_BREATH_S) or claim in self._lost:
            raise BrokenOff(name)

    @contextmanager
    def _keeping(self, claims: Sequence[SweepClaim]) -> Iterator[None]:
        """Renew the leases of these claims until they have ended."""
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(ended,), name="sweep-leases", daemon=True)
        self._running |= {claim.name: claim for claim in claims}
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()
            for claim in claims:
                self._running.pop(claim.name, None)
                self._lost.discard(claim)

    def _keep(self, ended: threading.Event) -> None:
        while not ended.wait(self.systems.timing.lease.total_seconds() / 3):
            try:
                self.renew()
            except FluxbridgeError as error:
                _log.warning("the lease of a sweep could not be renewed", why=str(error))
            except Exception:  # noqa: BLE001 (the next renewal may work)
                _log.exception("the lease of a sweep could not be renewed")

    def _next_after(self, run: SweepRun, now: datetime) -> datetime | None:
        """By its schedule; what could not be looked at is looked at again sooner."""
        by_schedule = self._next_at(run.sweep, now)
        if by_schedule is None or run.error is None:
            return by_schedule
        return min(by_schedule, now + _SOONER)

    def _next_at(self, name: str, now: datetime) -> datetime | None:
        """When a sweep is due after `now` by its schedule; None: only when a person asks."""
        schedule = self.systems.sweeps.schedules.get(name)
        return next(CronSim(schedule, now.astimezone(UTC))) if schedule is not None else None

    def _now(self, connection: Connection) -> datetime:
        return self.database.server_now(connection) or self.clock()


def _count(connection: Connection, run: SweepRun) -> None:
    outcome = "ok" if run.error is None else "failed"
    measures.add(connection, "sweep_found", run.sweep, run.found)
    measures.add(connection, "sweeps", f"{run.sweep}:{outcome}")


def _log_failures(run: SweepRun | None) -> None:
    if run is not None and run.error is not None:
        _log.warning("a sweep met failures", sweep=run.sweep, why=run.error)
