"""The bell that tells threads of work, and looking for work no more often than it may be there."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Work = TypeVar("Work")


class Bell:
    """Tells threads that there may be work. Who asked for `rings` before it looked for work misses none after it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.rings = 0

    def ring(self) -> None:
        """Wake everyone who waits."""
        with self._changed:
            self.rings += 1
            self._changed.notify_all()

    def wait(self, since: int, timeout_s: float) -> None:
        """Wait until it rings, at once when it has rung since then."""
        with self._changed:
            self._changed.wait_for(lambda: self.rings != since, timeout_s)


class Finder(Generic[Work]):
    """Looks for work of one kind, for one thread at a time.

    All threads hear the bell, and the database would be asked by each: where one of them found nothing, the others look
    again when it rings, or when it is time.
    """

    def __init__(self, bell: Bell, find: Callable[[], Work | None], rest_s: Callable[[], float]) -> None:
        self._bell, self._find, self._rest_s = bell, find, rest_s
        self._door = threading.Lock()
        self._rings_at_none: int | None = None
        self._until = 0.0

    def take(self) -> Work | None:
        """Work, where there is some; after nothing was found, `rest_s` says for how long there is none."""
        with self._door:
            rings = self._bell.rings
            if rings == self._rings_at_none and time.monotonic() < self._until:
                return None
            found = self._find()
            if found is None:
                self._until = time.monotonic() + self._rest_s()
            self._rings_at_none = rings if found is None else None
            return found

    def left_s(self) -> float:
        """How long there is none, as far as is known."""
        return max(0.0, self._until - time.monotonic())


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of work: the step that does some of it, false where there is none, and what looks for it."""

    step: Callable[[], bool]
    finder: Finder[Any]


@dataclass(frozen=True, slots=True)
class Taker:
    """A thread that takes work of some kinds; started once more where it hangs."""

    name: str
    kinds: Sequence[Kind]
