"""Moments: the n-th time that something happens, where a server is killed."""

import threading
from collections.abc import Callable

_LATEST_S = 4


class Moment:
    """The n-th time that something happens from now on: then `strike` is called, once, where it happens."""

    def __init__(self, kind: str, count: int, strike: Callable[[], None]) -> None:
        self._kind, self._left, self._strike = kind, count, strike
        self._lock = threading.Lock()
        self.has_come = threading.Event()

    def note(self, kind: str) -> None:
        with self._lock:
            if kind != self._kind or self.has_come.is_set():
                return
            self._left -= 1
            if self._left > 0:
                return
            self._strike()
            self.has_come.set()

    def wait(self) -> None:
        """Wait for it; where it does not come, any moment is as good."""
        if not self.has_come.wait(_LATEST_S):
            with self._lock:
                if not self.has_come.is_set():
                    self._strike()
                    self.has_come.set()
