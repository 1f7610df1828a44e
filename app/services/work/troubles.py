"""Troubles: what goes wrong again and again is told when it begins, once a minute while it lasts, and when it ends."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from app.core.errors import FluxbridgeError

_TOLD_EVERY_S = 60.0
# Of several threads those that only read go well on a full disk: one that goes well ends nothing by itself.
_OVER_AFTER_S = 10.0
_log = structlog.get_logger("fluxbridge.troubles")


@dataclass(slots=True)
class _Trouble:
    since: float
    told_at: float
    last_at: float
    times: int = 1


class Troubles:
    """The troubles of one process, by what does not work and by the kind of error; for any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._open: dict[tuple[str, str], _Trouble] = {}

    def note(self, what: str, error: Exception) -> None:
        """Something did not work. Of an error that is none of ours the log gets the traceback, once."""
        now, kind = self._clock(), type(error).__name__
        with self._lock:
            known = self._open.get((what, kind))
            if known is None:
                self._open[what, kind] = _Trouble(now, now, now)
            else:
                known.last_at, known.times = now, known.times + 1
                if now - known.told_at < _TOLD_EVERY_S:
                    return
                known.told_at = now
        if known is not None:
            _log.warning(f"{what} still does not work", why=str(error), kind=kind, times=known.times)
        elif isinstance(error, FluxbridgeError):
            _log.warning(f"{what} did not work; it is tried again", why=str(error), kind=kind)
        else:
            _log.error(f"{what} failed; it is tried again", exc_info=error)

    def went_well(self, what: str) -> None:
        """Something worked: what was wrong with it and has not been for a while is over."""
        if not self._open:
            return
        now = self._clock()
        with self._lock:
            over = [key for key, one in self._open.items() if key[0] == what and now - one.last_at >= _OVER_AFTER_S]
            ended = [(kind, self._open.pop((what, kind))) for _, kind in over]
        for kind, one in ended:
            _log.info(f"{what} works again", kind=kind, times=one.times, lasted_s=round(one.last_at - one.since))
