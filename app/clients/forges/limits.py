"""How much a forge still lets us ask, and how much of that is left to others with the same token."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import requests

from app.clients.forges.answers import pause_until
from app.clients.forges.errors import ForgeRateLimited, Hosted

_RESERVE_PERCENT = 10
_READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class LimitHeaders:
    """What a forge calls the headers by which it tells its limit, what is left of it, and when it counts anew.

    That is in seconds since 1970. It counts for each `span`.
    """

    limit: str
    remaining: str
    reset: str
    span: str = "hour"


def without_budget(count: int) -> None:
    """Every write is free."""
    del count


class Limits:
    """Stands before each request of one connection: keeps a reserve of the hourly limit, and tells of each write.

    A forge counts by token, and says with each answer what is left of it: several processes that all stop at the
    reserve stay below the limit together. `clock` counts seconds and never goes back. `headers` are None where a forge
    tells nothing of its limits.
    """

    def __init__(
        self,
        at: Hosted,
        *,
        spend: Callable[[int], None],
        headers: LimitHeaders | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at, self._spend, self._headers, self._clock = at, spend, headers, clock
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

        Raises ForgeRateLimited, or what `spend` raises; for one caller at a time.
        """
        self._require_open()
        self._spend(count)
        self._taken = count
        try:
            yield
        finally:
            self._taken = 0

    def let_pass(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Raises ForgeRateLimited, or what `spend` raises."""
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
            span = self._headers.span if self._headers else "hour"
            problem = f"has {self._left} requests of this {span} left, which are kept in reserve: rate limit"
            raise ForgeRateLimited(self._at, problem, retry_after=timedelta(seconds=math.ceil(wait_s)))

    def hear(self, answer: requests.Response, *_: object, **__: object) -> None:
        """Note what an answer says is left; one that says nothing (a proxy's, an own GitHub's) changes nothing."""
        told = self._headers and _told(answer.headers, self._headers)
        if not told:
            return
        limit, remaining, wait = told
        self._left = f"{remaining} of {limit}"
        if limit and remaining * 100 <= limit * _RESERVE_PERCENT:
            self._closed_until = self._clock() + wait.total_seconds()


def _told(answer: Mapping[str, str], named: LimitHeaders) -> tuple[int, int, timedelta] | None:
    limit, remaining = (_count(answer.get(name, "")) for name in (named.limit, named.remaining))
    if limit is None or remaining is None:
        return None
    return limit, remaining, pause_until(answer.get(named.reset), answer)


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
