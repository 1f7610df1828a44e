"""Rests: a system that fell silent is left alone for a while, for each call would hold a thread until it times out."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from app.clients.deadline import seconds_left
from app.core.errors import Unavailable

_SHORTEST_S = 2.0
_LONGEST_S = 60.0


class Rests:
    """Stands before each call to one system. For threads at once.

    `silence` is the error of a call that got no answer at all; any other end is an answer. After a silence calls raise
    what `resting` makes of the rest that is left: for two seconds, then for twice as long after each further silence,
    up to a minute. When a rest is over, one call tries, and the others rest until it has ended. `clock` counts seconds
    and never goes back.
    """

    def __init__(
        self,
        *,
        silence: type[Unavailable],
        resting: Callable[[timedelta], Unavailable],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._silence, self._resting, self._clock = silence, resting, clock
        self._lock = threading.Lock()
        self._span_s = 0.0
        self._until = 0.0
        self._round = 0
        self._is_tried = False

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Let one call pass, and learn from how it ends. Raises what `resting` makes."""
        mine = self._begin()
        try:
            yield
        except self._silence:
            # What ran out may have been our own time.
            self._end(mine, is_silent=bool(seconds_left(1)))
            raise
        except BaseException:
            self._end(mine, is_silent=False)
            raise
        self._end(mine, is_silent=False)

    def _begin(self) -> int:
        with self._lock:
            left_s = self._until - self._clock()
            if self._span_s and (left_s > 0 or self._is_tried):
                raise self._resting(timedelta(seconds=max(left_s, _SHORTEST_S) if self._is_tried else left_s))
            self._is_tried = True
            return self._round

    def _end(self, mine: int, *, is_silent: bool) -> None:
        with self._lock:
            if not is_silent:
                self._span_s = 0.0
            elif mine == self._round:
                # Calls of one round time out together: that is one silence.
                self._span_s = min(max(2 * self._span_s, _SHORTEST_S), _LONGEST_S)
                self._until = self._clock() + self._span_s
                self._round += 1
            else:
                return
            self._is_tried = False
