"""How much GitHub still lets us ask, and how much of that is left to others with the same token."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import requests

from app.clients.forges.github.errors import GitHubRateLimited, time_until_reset

_RESERVE_PERCENT = 10
_READING = frozenset({"GET", "HEAD"})


class Limits:
    """Stands before each request of one connection: keeps a reserve of the hourly limit, and tells of each write.

    GitHub counts by token, and says with each answer what is left of it: several processes that all stop at the
    reserve stay below the limit together. `clock` counts seconds and never goes back.
    """

    def __init__(
        self, repository: str, *, spend: Callable[[int], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._repository, self._spend, self._clock = repository, spend, clock
        self._closed_until = -math.inf
        self._left = ""
        self._taken = 0

    def watch(self, session: requests.Session) -> None:
        """Stand before each request of a session, and hear each answer.

        A session calls `auth` for each request that it makes ready; whoever uses it sets the Authorization header.
        """
        session.auth = self.let_pass
        session.hooks["response"].append(self.hear)

    @contextmanager
    def spending(self, count: int) -> Iterator[None]:
        """Take at once all the writes that belong together, so that none of them is left out for want of budget.

        Raises GitHubRateLimited, or what `spend` raises; for one caller at a time.
        """
        self._require_open()
        self._spend(count)
        self._taken = count
        try:
            yield
        finally:
            self._taken = 0

    def let_pass(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Raises GitHubRateLimited, or what `spend` raises."""
        self._require_open()
        if request.method not in _READING:
            if self._taken:
                self._taken -= 1
            else:
                self._spend(1)
        return request

    def _require_open(self) -> None:
        wait_s = self._closed_until - self._clock()
        if wait_s > 0:
            problem = f"has {self._left} requests of this hour left, which are kept in reserve: rate limit"
            raise GitHubRateLimited(self._repository, problem, retry_after=timedelta(seconds=math.ceil(wait_s)))

    def hear(self, answer: requests.Response, *_: object, **__: object) -> None:
        """Note what an answer says is left; one that says nothing (a proxy's, an own GitHub's) changes nothing."""
        limit = _count(answer.headers.get("x-ratelimit-limit", ""))
        remaining = _count(answer.headers.get("x-ratelimit-remaining", ""))
        if limit is None or remaining is None:
            return
        self._left = f"{remaining} of {limit}"
        if limit and remaining * 100 <= limit * _RESERVE_PERCENT:
            self._closed_until = self._clock() + time_until_reset(answer.headers).total_seconds()


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
