"""The worker loops: interpret deliveries, reconcile lanes, tell others, sweep on a schedule, keep leases alive."""

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from app.clients.deadline import ending_within
from app.core.errors import FluxbridgeError, Unavailable
from app.core.ports import RateLimited
from app.db import clock_jumps, delivery_claims, forge_budgets, lanes, outbox, owed_answers, schedules
from app.db.database import Database
from app.db.delivery_claims import ClaimedDelivery
from app.db.lanes import LaneClaim
from app.db.outbox import ClaimedTelling
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.heads.scans import Scans
from app.services.intake.interpret import Interpreter
from app.services.intake.pile import Pile
from app.services.lane.reconcile import reconcile
from app.services.lane.run import LaneRun, LostLane
from app.services.sweeps.schedule import Sweeps
from app.services.sweeps.watch import Watch
from app.services.systems import Clock, ConfigRepo, Systems
from app.services.telling.outbox import Sender
from app.services.work.bell import Bell, Finder, Kind, Taker
from app.services.work.leases import Leases
from app.services.work.put_off import put_off_lane
from app.services.work.troubles import Troubles

_POLL_S = 1.0
_LONGEST_EXCHANGE = timedelta(minutes=1)
_LONGEST_PUT_OFF = timedelta(hours=1)
_STEP = "a worker step"
# One that waits for a system which does not answer keeps the others' tellings from nobody.
_TELLERS = 2
_LATER_WHERE_MANY_WAIT = timedelta(seconds=10)
_log = structlog.get_logger("fluxbridge.worker")


@dataclass(slots=True, kw_only=True)
class Workers:
    """The threads that do the work of one process; `wake` tells them that there is some.

    `listen` hears of other processes' work until its event is set; `has_gone_back` tells whether the clock was ahead.
    `stepped` is notified after each step, for those who wait for an effect.
    """

    database: Database
    systems: Systems
    clock: Clock
    count: int
    measure_clock: Callable[[], None] = lambda: None
    has_gone_back: Callable[[], bool] = lambda: False
    listen: Callable[[threading.Event], None] | None = None
    owner: str = field(default_factory=lambda: f"worker-{uuid.uuid4().hex[:12]}")
    scans: Scans = field(default_factory=Scans)
    ready: ReadyPolicies = field(default_factory=ReadyPolicies)
    stepped: threading.Condition = field(default_factory=threading.Condition)
    bell: Bell = field(default_factory=Bell)
    troubles: Troubles = field(default_factory=Troubles)
    _pile: Pile = field(init=False)
    _deliveries: Finder[Sequence[ClaimedDelivery]] = field(init=False)
    _lanes: Finder[LaneClaim] = field(init=False)
    _tellings: Finder[ClaimedTelling] = field(init=False)
    _leases: Leases = field(init=False)
    _sweeps: Sweeps = field(init=False)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _takers: dict[threading.Thread, Taker] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing runs and nothing is held yet."""
        self._leases = Leases(self.database, self.clock, self.systems.timing)
        self._pile = Pile(
            database=self.database,
            interpreter=Interpreter(self.database, self.systems, self.clock, self.ready),
            leases=self._leases,
            owner=self.owner,
            lease=self.systems.timing.lease,
            in_time=lambda: ending_within(self.systems.timing.lane_deadline),
            is_stopping=self._stopping.is_set,
            on_low=self.wake,
        )
        self._deliveries = Finder(self.bell, self._pile.take, lambda: _POLL_S)
        self._lanes = Finder(self.bell, self._claim_lane, self._until_next_lane_s)
        self.database.when_told(self.wake)
        self._tellings = Finder(self.bell, self._claim_telling, lambda: _POLL_S)
        self._sweeps = Sweeps(
            database=self.database,
            systems=self.systems,
            clock=self.clock,
            owner=self.owner,
            ready=self.ready,
        )

    def start(self) -> None:
        """Make every configured lane known (one that never ran is due) and start the threads."""
        now = self.clock()
        with self.database.transaction() as connection:
            if self.database.is_sqlite:
                delivery_claims.release_all(connection)
                lanes.release_all(connection)
                schedules.release_all(connection)
                outbox.release_all(connection)
                owed_answers.release_all(connection, now)
            clock_jumps.correct(connection, now, most_ahead=_LONGEST_PUT_OFF)
            for repo in self.systems.config_repos.values():
                for branch in repo.branches:
                    lanes.ensure(connection, repo.name, branch, now)
        interpreting = Kind(self._interpret_some, self._deliveries)
        reconciling = Kind(self._reconcile_one, self._lanes)
        for number in range(self.count):
            # Long runs of many lanes leave one thread to the deliveries.
            kinds = (interpreting, reconciling) if number > 0 or self.count == 1 else (interpreting,)
            self._start_taker(Taker(f"fluxbridge-{number}", kinds))
        for number in range(_TELLERS):
            self._start_taker(Taker(f"outbox-{number}", (Kind(self._tell_one, self._tellings),)))
        self._start_thread(self._renew, "leases")
        self._start_thread(self._list_wanted, "listings")
        self._start_thread(self._run_sweeps, "sweeps")
        for repo in self.systems.config_repos.values():
            self._start_thread(partial(self._watch, repo), f"watch-{repo.name}")
        if self.listen is not None:
            self._start_thread(partial(self.listen, self._stopping), "listener")

    def begin_stop(self) -> None:
        """Begin nothing more; safe in a signal handler."""
        self._stopping.set()
        self._sweeps.stop()
        self.wake()

    def stop(self, timeout_s: float = 8) -> None:
        """Let the present steps end; what has not ended after so many seconds in all is given back."""
        self.begin_stop()
        until = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._leases.release()

    def wake(self) -> None:
        """Say that there may be work now."""
        self.bell.ring()

    def _start_thread(self, loop: Callable[[], None], name: str) -> None:
        self._begin(threading.Thread(target=loop, name=name, daemon=True))

    def _begin(self, thread: threading.Thread) -> None:
        self._threads.append(thread)
        thread.start()

    def _start_taker(self, taker: Taker) -> None:
        thread = threading.Thread(target=partial(self._work, taker.kinds), name=taker.name, daemon=True)
        self._takers[thread] = taker
        self._begin(thread)

    def _work(self, kinds: Sequence[Kind]) -> None:
        """Take work of these kinds by turns, so that none keeps another waiting."""
        for first in itertools.cycle(range(len(kinds))):
            if self._stopping.is_set() or threading.current_thread() not in self._takers:
                return
            rings = self.bell.rings
            try:
                is_busy = any(kind.step() for kind in (*kinds[first:], *kinds[:first]))
                pause_s = 0.0 if is_busy else min(kind.finder.left_s() for kind in kinds)
            except Exception as error:  # noqa: BLE001 (whatever a step raises, the thread must live on)
                self.troubles.note(_STEP, error)
                is_busy, pause_s, rings = False, _POLL_S, self.bell.rings
            else:
                self.troubles.went_well(_STEP)
            self._tell_step()
            if not is_busy and not self._stopping.is_set():
                self.bell.wait(rings, pause_s)

    def _tell_step(self) -> None:
        with self.stepped:
            self.stepped.notify_all()

    def _until_next_lane_s(self) -> float:
        """How long until the next lane is due, which may be sooner than the poll."""
        with self.database.transaction() as connection:
            due_at = lanes.next_due_at(connection, self._not_now(connection))
        if due_at is None:
            return _POLL_S
        return min(_POLL_S, max(0.01, (due_at + self._later() - self.clock()).total_seconds()))

    def _later(self) -> timedelta:
        """How much later lanes are taken: while many deliveries wait, the next of them undoes what a run does."""
        return _LATER_WHERE_MANY_WAIT if self._pile.is_high else timedelta()

    def _interpret_some(self) -> bool:
        claims = self._deliveries.take()
        if claims is None:
            return False
        self._pile.work_off(claims)
        return True

    def _claim_lane(self) -> LaneClaim | None:
        with self.database.transaction() as connection:
            return lanes.claim_due(
                connection,
                owner=f"{self.owner}/{threading.get_ident()}",
                now=self._leases.now(connection),
                lease=self.systems.timing.lease,
                later=self._later(),
                excluding=self._not_now(connection),
            )

    def _reconcile_one(self) -> bool:
        claim = self._lanes.take()
        if claim is None:
            return False
        with self._leases.holding(claim), ending_within(self.systems.timing.lane_deadline):
            self._run_lane(claim)
        return True

    def _claim_telling(self) -> ClaimedTelling | None:
        with self.database.transaction() as connection:
            return outbox.claim_due(
                connection,
                owner=f"{self.owner}/{threading.get_ident()}",
                now=self._leases.now(connection),
                lease=self.systems.timing.lease,
                excluding=self._leases.targets(),
            )

    def _tell_one(self) -> bool:
        claim = self._tellings.take()
        if claim is None:
            return False
        with self._leases.holding(claim), ending_within(_LONGEST_EXCHANGE):
            Sender(self.database, self.systems, self.clock).send(claim)
        return True

    def _not_now(self, connection: Connection) -> tuple[str, ...]:
        """The lanes not to be taken: a thread of ours still runs them, or their forge wants to be left alone."""
        blocked = forge_budgets.blocked(connection, self.clock())
        resting = (
            lanes.key_of(repo.name, branch)
            for repo in self.systems.config_repos.values()
            if repo.forge_budget in blocked
            for branch in repo.branches
        )
        return (*self._leases.lanes(), *resting)

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
            self._fail(claim, repo, error)
        except Exception as error:
            self._fail(claim, repo, error)
            raise

    def _fail(self, claim: LaneClaim, repo: ConfigRepo, error: Exception) -> None:
        """A lane never dies: it backs off alone, up to five minutes, or until the forge says to come back."""
        after = error.retry_after if isinstance(error, Unavailable) else None
        told = str(error) if isinstance(error, FluxbridgeError) else f"{type(error).__name__}; see the log"
        now = self.clock()
        with self.database.transaction() as connection:
            until = put_off_lane(connection, claim, told, now=now, after=after)
            if isinstance(error, RateLimited):
                forge_budgets.block(connection, repo.forge_budget, until=until, why=told[:2000], now=now)

    def _renew(self) -> None:
        while not self._stopping.wait(self.systems.timing.lease.total_seconds() / 3):
            self._attempt(self.measure_clock, "measuring the database's clock")
            self._attempt(self._leases.renew, "renewing leases")
            self._attempt(self._replace_hanging, "giving up what hangs")
            self._attempt(self._heed_clock, "looking after a clock that was ahead")

    def _replace_hanging(self) -> None:
        """Let others take the place of threads that hang, so that each costs no more than what it hangs in."""
        for thread in self._leases.give_up_hanging():
            taker = self._takers.pop(thread, None)
            if taker is not None:
                self._start_taker(taker)

    def _heed_clock(self) -> None:
        """Let a clock that was ahead for a time, here or where a webhook was taken, cost nothing."""
        has_gone_back, now = self.has_gone_back(), self.clock()
        with self.database.transaction() as connection:
            hastened = clock_jumps.hasten_deliveries(connection, now)
            corrected = clock_jumps.correct(connection, now, most_ahead=timedelta()) if has_gone_back else 0
        if has_gone_back:
            self._sweeps.ensure()
        if hastened or corrected:
            _log.warning("the clock was ahead for a time", deliveries_hastened=hastened, times_corrected=corrected)
            self.wake()

    def _watch(self, repo: ConfigRepo) -> None:
        watch = self._new_watch()
        while not self._stopping.is_set():
            with ending_within(_LONGEST_EXCHANGE):
                self._attempt(lambda: watch.watch_branches(repo), f"watching {repo.name}")
            self._stopping.wait(repo.refs_every.total_seconds())

    def _list_wanted(self) -> None:
        watch = self._new_watch()
        while not self._stopping.is_set():
            rings = self.bell.rings
            is_well = self._attempt(watch.list_wanted, "listing repositories")
            if self._attempt(watch.ask_owed, "asking registries what they owe") and is_well:
                self.bell.wait(rings, _POLL_S)
            else:
                self._stopping.wait(_POLL_S)

    def _run_sweeps(self) -> None:
        """Run each sweep when its schedule says so, all of them at the start: nobody knows what was missed."""
        is_known = False
        while not self._stopping.is_set():
            is_known = is_known or self._attempt(self._sweeps.ensure, "making sweeps known")
            while is_known and self._attempt(self._sweeps.run_due, "a sweep"):
                pass
            self._stopping.wait(_POLL_S)

    def _new_watch(self) -> Watch:
        return Watch(self.database, self.systems, self.clock, self.ready)

    def _attempt(self, step: Callable[[], object], what: str) -> bool:
        """Tell whether a step went well and did not say that there was nothing to do."""
        try:
            is_well = step() is not False
        except Exception as error:  # noqa: BLE001 (the loop goes on and tries again)
            self.troubles.note(what, error)
            return False
        self.troubles.went_well(what)
        return is_well
