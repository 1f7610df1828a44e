"""How many requests our GitHub takes within an hour."""

import threading
import time
from collections.abc import Mapping

_HOUR_S = 3600


class HourlyLimit:
    """Counts requests and says what is left, as GitHub's headers do; `start_hour` begins to count anew."""

    def __init__(self, limit: int = 15_000) -> None:
        self._lock = threading.Lock()
        self.start_hour(limit)

    def start_hour(self, limit: int, *, used: int = 0, seconds_left: int = _HOUR_S) -> None:
        with self._lock:
            self._limit, self._used = limit, used
            self._reset = int(time.time()) + seconds_left

    def take(self) -> bool:
        """Count one request; False where none was left."""
        with self._lock:
            self._used += 1
            return self._used <= self._limit

    def headers(self) -> Mapping[str, str]:
        with self._lock:
            return {
                "X-RateLimit-Limit": str(self._limit),
                "X-RateLimit-Remaining": str(max(self._limit - self._used, 0)),
                "X-RateLimit-Reset": str(self._reset),
                "X-RateLimit-Used": str(self._used),
                "X-RateLimit-Resource": "core",
            }
