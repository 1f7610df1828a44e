"""Turns: who may use the one connection to a SQLite file."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class NoTurn(Exception):
    """The turn did not come in time."""


class Turns:
    """One at a time: those who come first, then the others, each in the order in which they asked.

    A lock alone would do for one at a time, but who gives it back and asks again at once would get it every time.
    """

    def __init__(self) -> None:
        self._door = threading.Lock()
        self._is_taken = False
        self._first: deque[threading.Event] = deque()
        self._others: deque[threading.Event] = deque()

    @contextmanager
    def turn(self, *, comes_first: bool, timeout_s: float) -> Iterator[None]:
        """Have one's turn. Raises NoTurn when it has not come in time."""
        self._take(self._first if comes_first else self._others, timeout_s)
        try:
            yield
        finally:
            self._pass_on()

    def _take(self, line: deque[threading.Event], timeout_s: float) -> None:
        with self._door:
            if not self._is_taken:
                self._is_taken = True
                return
            called = threading.Event()
            line.append(called)
        if called.wait(timeout_s):
            return
        with self._door:
            if called.is_set():  # called just now, too late to be told
                return
            line.remove(called)
        raise NoTurn

    def _pass_on(self) -> None:
        with self._door:
            line = self._first or self._others
            if line:
                line.popleft().set()
            else:
                self._is_taken = False
