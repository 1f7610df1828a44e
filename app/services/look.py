"""Look for what no webhook brought: what one look may take in, and what it found."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from app.core.errors import Conflict, FluxbridgeError, Unavailable
from app.db import held_back
from app.db.database import Database
from app.db.held_back import HeldBack
from app.services.ready_policies import ReadyPolicies
from app.services.systems import Clock, Systems

_MOST_TOLD = 200
_MOST_FAILURES_TOLD = 5
_SAMPLE = 5
_MOST_SILENCES = 3
_log = structlog.get_logger("fluxbridge.sweeps")


class BrokenOff(Conflict):
    """A look ends before its time: the process stops, or another one has taken the sweep over."""

    def __init__(self, sweep: str) -> None:
        super().__init__(f"the sweep {sweep} was broken off; it goes on where the process or another one begins anew")


@dataclass(slots=True, kw_only=True)
class Look:
    """One look of one sweep. With `is_dry` it writes nothing; with `is_confirmed` it takes in what would be held back.

    `go_on` is called between two steps and raises BrokenOff when there should be no further one.
    """

    sweep: str
    database: Database
    systems: Systems
    clock: Clock
    ready: ReadyPolicies
    on_lanes_due: Callable[[], None] = lambda: None
    is_dry: bool = False
    is_confirmed: bool = False
    go_on: Callable[[], None] = lambda: None
    found: int = 0
    told: list[str] = field(default_factory=list)
    held: list[HeldBack] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        """The present time."""
        return self.clock()

    def find(self, what: str, count: int = 1) -> None:
        """Count what was found, and tell it."""
        self.found += count
        if count and len(self.told) < _MOST_TOLD:
            self.told.append(what)

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Look at one thing: what goes wrong there is told and stops no other."""
        self.go_on()
        try:
            yield
        except BrokenOff:
            raise
        except FluxbridgeError as error:
            self.failures.append(f"{what}: {error}")
        except Exception as error:  # noqa: BLE001 (whatever it is, the others are looked at, and the log has it)
            _log.exception("a sweep could not look at something", sweep=self.sweep, at=what)
            self.failures.append(f"{what}: {type(error).__name__}; see the log")

    def each(self, system: str, steps: Mapping[str, Callable[[], None]]) -> bool:
        """Attempt many steps that ask one system; false when it was unavailable for one of them.

        A system that did not answer several times in a row is asked no more.
        """
        silences, is_whole = 0, True
        for number, (what, step) in enumerate(steps.items(), 1):
            has_answered = self._has_answered(what, step)
            silences = 0 if has_answered else silences + 1
            is_whole &= has_answered
            if silences == _MOST_SILENCES and number < len(steps):
                self.failures.append(f"{system}: {len(steps) - number} more were not asked for")
                break
        return is_whole

    def _has_answered(self, what: str, step: Callable[[], None]) -> bool:
        has_answered = True
        with self.attempt(what):
            try:
                step()
            except Unavailable:
                has_answered = False
                raise
        return has_answered

    def is_too_much(self, count: int) -> bool:
        """Tell whether so many new items of one thing wait for a person."""
        return count > self.systems.sweeps.max_new and not self.is_confirmed

    def hold(self, key: str, count: int, what: str, names: Sequence[str]) -> None:
        """Take nothing of a key in until a person confirms it or there is less of it."""
        sample = f"{what}: {', '.join(names[:_SAMPLE])}{', …' if count > _SAMPLE else ''}"
        held = HeldBack(sweep=self.sweep, key=key, found=count, sample=sample[:1000], held_at=self.now())
        self.held.append(held)
        if not self.is_dry:
            with self.database.transaction() as connection:
                held_back.hold(connection, held)

    def let_go_of_others(self, keys: Iterable[str]) -> None:
        """Hold back nothing of what is no longer looked at: all but these keys."""
        if not self.is_dry:
            with self.database.transaction() as connection:
                held_back.let_go_of_others(connection, self.sweep, keys)

    @property
    def error(self) -> str | None:
        """What went wrong, for people; None: nothing."""
        if not self.failures:
            return None
        more = len(self.failures) - _MOST_FAILURES_TOLD
        shown = [one[:300] for one in self.failures[:_MOST_FAILURES_TOLD]]
        shown += [f"and {more} more"] if more > 0 else []
        return f"{len(self.failures)} failed: {'; '.join(shown)}"
