"""What a registry lets us ask: pauses that it asks for, and pulls that it counts."""

import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from app.clients.registry.errors import RegistryUnavailable

# Others tell limits of other things by the same headers, without a window.
_COUNT = re.compile(r"([0-9]{1,9})\s*;\s*w=([0-9]{1,9})")
_RESERVE = 0.1
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(hours=1)
_DIGITS_SINCE_1970 = 10


@dataclass(frozen=True, slots=True)
class _Pulls:
    """How many pulls a window of time has, and how many of them are left."""

    limit: int
    left: int
    window_s: int

    @property
    def are_short(self) -> bool:
        """Whether only the reserve is left, a tenth: it is for the clusters that pull from the same address."""
        return self.left <= max(1, int(_RESERVE * self.limit))

    @property
    def pause(self) -> timedelta:
        """In which the window, which rolls, gives back about a tenth of them."""
        return min(max(timedelta(seconds=_RESERVE * self.window_s), _SHORTEST), _LONGEST)


class Limits:
    """Stands before each request to one registry. For threads at once.

    Docker Hub counts each GET of a manifest as a pull, and tells with every manifest how many are left, as in
    `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`. A HEAD, which is what we ask, is told them and
    counts as none. What counts is put off while no more than the reserve is left, so that we never take from a cluster
    the pull that starts a pod. Where a registry answers 429 and when to come back, nothing at all is asked before.
    Source: https://docs.docker.com/docker-hub/usage/pulls/
    """

    def __init__(self, host: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._host, self._clock = host, clock
        self._lock = threading.Lock()
        self._until = self._pulls_until = float("-inf")
        self._pulls: _Pulls | None = None

    def require(self, method: str, url: httpx.URL) -> None:
        """Raise RegistryUnavailable where a request has to wait."""
        with self._lock:
            now, pulls = self._clock(), self._pulls
            left_s, pulls_left_s = self._until - now, self._pulls_until - now
        if left_s > 0:
            raise RegistryUnavailable(
                self._host, "it wants to be left alone for a while", retry_after=timedelta(seconds=left_s)
            )
        if pulls is not None and pulls_left_s > 0 and is_pull(method, url):
            raise RegistryUnavailable(
                self._host,
                f"{pulls.left} of {pulls.limit} pulls are left, which are kept for others; "
                "an account of its own under auth has more",
                retry_after=timedelta(seconds=pulls_left_s),
            )

    def learn(self, answer: httpx.Response) -> None:
        """Keep what an answer of the registry says of the next ones."""
        pulls = _pulls_of(answer)
        with self._lock:
            if pulls is not None:
                self._pulls = pulls
                self._pulls_until = self._clock() + pulls.pause.total_seconds() if pulls.are_short else float("-inf")
            if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS and (wait := retry_after(answer)):
                self._until = max(self._until, self._clock() + min(wait, _LONGEST).total_seconds())


def is_pull(method: str, url: httpx.URL) -> bool:
    """Whether Docker Hub counts a request as a pull."""
    return method == "GET" and "/manifests/" in url.path


def retry_after(answer: httpx.Response) -> timedelta | None:
    """How long to wait: seconds, a date, or Docker Hub's `x-ratelimit-reset` and a number that counts from 1970.

    Times are compared with the answer's own date, never with our clock.
    """
    text = answer.headers.get("retry-after", "")
    if _is_number(text) and len(text) < 7:
        return timedelta(seconds=int(text))
    for until in (text, answer.headers.get("x-ratelimit-reset", "")):
        with suppress(TypeError, ValueError):
            is_counted = _is_number(until) and len(until) == _DIGITS_SINCE_1970
            at = datetime.fromtimestamp(int(until), UTC) if is_counted else parsedate_to_datetime(until)
            return max(at - parsedate_to_datetime(answer.headers.get("date", "")), timedelta())
    pulls = _pulls_of(answer) if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS else None
    return pulls.pause if pulls else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _pulls_of(answer: httpx.Response) -> _Pulls | None:
    limit, left = (_COUNT.match(answer.headers.get(name, "")) for name in ("ratelimit-limit", "ratelimit-remaining"))
    if limit is None or left is None:
        return None
    return _Pulls(int(limit[1]), int(left[1]), int(limit[2]))
