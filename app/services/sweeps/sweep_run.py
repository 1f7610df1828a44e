"""One run of one sweep: what it may take in, and what it found."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from app.core.errors import Conflict, FluxbridgeError, Unavailable
from app.core.ports import RateLimited
from app.db import storms, sweep_marks
from app.db.database import Database
from app.db.storms import Storm
from app.db.tables import milliseconds
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.systems import Clock, ConfigRepo, Systems
from app.services.work.left_alone import asking_forge

_MOST_TOLD = 200
_MOST_FAILURES_TOLD = 5
_SAMPLE = 5
_MOST_SILENCES = 3
_SILENT = "silent"
_SILENT_FOR = timedelta(days=30)
_log = structlog.get_logger("fluxbridge.sweeps")


class BrokenOff(Conflict):
    """A run ends before its time: the process stops, or another one has taken the sweep over."""

    def __init__(self, sweep: str) -> None:
        super().__init__(f"the sweep {sweep} was broken off; it goes on where the process or another one begins anew")


@dataclass(slots=True, kw_only=True)
class SweepRun:
    """One run of one sweep. With `is_dry` it writes nothing; with `is_confirmed` it takes storms in.

    A person has `accepted` the storms of these keys, and nothing else.
    `go_on` is called between two steps and raises BrokenOff when there should be no further one.
    """

    sweep: str
    database: Database
    systems: Systems
    clock: Clock
    ready: ReadyPolicies
    is_dry: bool = False
    is_confirmed: bool = False
    accepted: Collection[str] = ()
    go_on: Callable[[], None] = lambda: None
    found: int = 0
    told: list[str] = field(default_factory=list)
    storms: list[Storm] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        """The present time."""
        return self.clock()

    def find(self, what: str, count: int = 1) -> None:
        """Count what was found, and tell it."""
        self.found += count
        if count and len(self.told) < _MOST_TOLD:
            self.told.append(what)

    def leave_out(self, what: str) -> None:
        """Tell what was not taken in, and why: nothing failed, and another run finds it so again."""
        if len(self.left_out) < _MOST_TOLD and what not in self.left_out:
            self.left_out.append(what)

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Attempt one thing: what goes wrong there is told and stops no other."""
        self.go_on()
        try:
            yield
        except BrokenOff:
            raise
        except FluxbridgeError as error:
            self.failures.append(f"{what}: {error}")
        except Exception as error:  # noqa: BLE001 (whatever it is, the others are looked at, and the log has it)
            _log.exception("a sweep could not attempt something", sweep=self.sweep, at=what)
            self.failures.append(f"{what}: {type(error).__name__}; see the log")

    def each(self, system: str, steps: Mapping[str, Callable[[], None]]) -> None:
        """Attempt many steps that ask one system.

        A system that did not answer several times in a row is asked no more, and one that wants to be left alone at
        once. What it did not answer comes last the next time, so that it never stands before the others for good.
        """
        silences = 0
        silent_since = self._silent_since(steps)
        for number, what in enumerate(sorted(steps, key=lambda what: silent_since.get(what, 0)), 1):
            silence = self._silence(what, steps[what])
            silences = 0 if silence is None else silences + 1
            wants_rest = isinstance(silence, RateLimited)
            if not wants_rest and (silence is not None or what in silent_since):
                self._keep_silence(what, is_silent=silence is not None)
            if (wants_rest or silences == _MOST_SILENCES) and number < len(steps):
                self.failures.append(f"{system}: {len(steps) - number} more were not asked for")
                break

    @contextmanager
    def asking_forge(self, repo: ConfigRepo) -> Iterator[None]:
        """Ask a forge only while it is not left alone, and leave it alone once it wants that. Raises RateLimited."""
        with asking_forge(self.database, self.clock, repo, is_dry=self.is_dry):
            yield

    def _silence(self, what: str, step: Callable[[], None]) -> Unavailable | None:
        """How a system did not answer; None where it did, whatever it said."""
        silence: Unavailable | None = None
        with self.attempt(what):
            try:
                step()
            except Unavailable as error:
                silence = error
                raise
        return silence

    def _silent_since(self, steps: Iterable[str]) -> Mapping[str, int]:
        with self.database.transaction() as connection:
            return sweep_marks.of(connection, f"{self.sweep}.{_SILENT}", steps)

    def _keep_silence(self, what: str, *, is_silent: bool) -> None:
        if self.is_dry:
            return
        sweep, now = f"{self.sweep}.{_SILENT}", self.now()
        with self.attempt(what), self.database.transaction() as connection:
            if is_silent:
                sweep_marks.put(connection, sweep, what, milliseconds(now), now=now)
                sweep_marks.forget_before(connection, sweep, now - _SILENT_FOR)
            else:
                sweep_marks.forget(connection, sweep, what)

    def is_accepted(self, key: str) -> bool:
        """Tell whether a person takes in a storm of this key."""
        return self.is_confirmed or key in self.accepted

    @contextmanager
    def at(self, key: str) -> Iterator["SweepRun"]:
        """This run as it is at one thing: confirmed where a person accepts it; what it finds counts here."""
        its = replace(self, is_confirmed=self.is_accepted(key), found=0)
        try:
            yield its
        finally:
            self.found += its.found

    def is_too_much(self, count: int) -> bool:
        """Tell whether so many new items of one thing wait for a person."""
        return count > self.systems.sweeps.max_new and not self.is_confirmed

    def note_storm(self, key: str, count: int, what: str, names: Sequence[str]) -> None:
        """Take nothing of a key in until a person confirms it or there is less of it."""
        sample = f"{what}: {', '.join(names[:_SAMPLE])}{', …' if count > _SAMPLE else ''}"
        storm = Storm(sweep=self.sweep, key=key, found=count, sample=sample[:1000], since=self.now())
        self.storms.append(storm)
        if not self.is_dry:
            with self.database.transaction() as connection:
                storms.note(connection, storm)

    def end_other_storms(self, keys: Iterable[str]) -> None:
        """Forget the storms of what is asked for no more: all but those of these keys."""
        if not self.is_dry:
            with self.database.transaction() as connection:
                storms.end_others(connection, self.sweep, keys)

    @property
    def error(self) -> str | None:
        """What went wrong, for people; None: nothing."""
        return _first_few(self.failures, "failed")

    @property
    def remark(self) -> str | None:
        """What went wrong or was left out, for people; None: nothing."""
        return "; ".join(filter(None, [self.error, _first_few(self.left_out, "left out")])) or None


def _first_few(told: Sequence[str], how: str) -> str | None:
    if not told:
        return None
    more = len(told) - _MOST_FAILURES_TOLD
    shown = [one[:300] for one in told[:_MOST_FAILURES_TOLD]]
    shown += [f"and {more} more"] if more > 0 else []
    return f"{len(told)} {how}: {'; '.join(shown)}"
