"""Room for the bodies of webhooks: taken by the bytes that arrive, and shared among sources."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from app.core.errors import Unavailable
from app.web.errors import BodyTooLarge, BodyTooSlow

_RETRY_AFTER = timedelta(seconds=5)


def _now() -> float:
    return asyncio.get_running_loop().time()


class TooMuchToRead(Unavailable):
    """There is no room for more bytes of this source, or this body came slowly while others waited for room."""

    def __init__(self) -> None:
        super().__init__("more webhooks come in than there is room for; send it again later", retry_after=_RETRY_AFTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """The bytes of all bodies that are read or wait to be kept, and how long each may take to arrive.

    One that has been read for `grace_s` gives way to others of its source: what was sent at once has come by then.
    """

    most_bytes: int = 64 * 1024 * 1024
    body_s: float = 30.0
    grace_s: float = 1.0


class Intake:
    """Hands out room; `held_bytes` tells how much of each source the inbox holds. Lives on one event loop.

    An announcement takes no room, only bytes that have come. A source may take what nobody else needs, but no more
    than half of all; where there is no room, what other sources send without a proof makes place for one that has less
    than its equal share. `peak_bytes` is the most that was ever taken.
    """

    def __init__(self, limits: IntakeLimits, held_bytes: Callable[[], "Counter[str]"], *, sources: int) -> None:
        self.limits, self._held_bytes = limits, held_bytes
        self._share = limits.most_bytes // max(1, sources)
        self._most_of_one = limits.most_bytes // 2 if sources > 1 else limits.most_bytes
        self._reading: Counter[str] = Counter()
        # In the order in which they began to be read.
        self._unproven: dict[Place, None] = {}
        self.peak_bytes = 0

    @property
    def taken_bytes(self) -> int:
        """The bytes of all bodies that are being read or wait to be kept."""
        return self._reading.total() + self._held_bytes().total()

    @contextmanager
    def place(self, source: str, *, is_proven: bool) -> Iterator["Place"]:
        """Where a body is read, and what it took is given back. `is_proven`: its head has proven who sends it."""
        place = Place(source, self, is_proven=is_proven)
        if not is_proven:
            self._unproven[place] = None
        try:
            yield place
        finally:
            self._unproven.pop(place, None)
            self.give_back(place)

    def take(self, place: "Place", count: int) -> None:
        """Take room for bytes that have come. Raises TooMuchToRead where nobody has to make any."""
        while (gives_way := self._who_gives_way(place, count)) is not None:
            self._unproven.pop(gives_way)
            self.give_back(gives_way)
            gives_way.give_way()
        place.size += count
        self._reading[place.source] += count
        self.peak_bytes = max(self.peak_bytes, self.taken_bytes)

    def arrived(self, place: "Place") -> None:
        """A body is here in full: nobody takes its room any more."""
        self._unproven.pop(place, None)

    def give_back(self, place: "Place") -> None:
        """Let go of what a place has taken."""
        self._reading[place.source] -= place.size
        place.size = 0

    def _who_gives_way(self, place: "Place", count: int) -> "Place | None":
        """The place that has to end so that there is room; None where there is. Raises TooMuchToRead."""
        held = self._held_bytes()
        own = self._reading[place.source] + held[place.source] + count
        if own <= self._most_of_one and self._reading.total() + held.total() + count <= self.limits.most_bytes:
            return None
        if own <= self._share:
            greedy = (source for source, taken in (self._reading + held).most_common() if taken > self._share)
            victims = (victim for source in greedy if (victim := self._oldest(source)) is not None)
            if (first := next(victims, None)) is not None:
                return first
        victim = self._oldest(place.source)
        is_slow = victim is not None and _now() - victim.began >= self.limits.grace_s
        if victim is None or victim is place or not is_slow:
            raise TooMuchToRead
        return victim

    def _oldest(self, source: str) -> "Place | None":
        return next((one for one in self._unproven if one.source == source and one.size), None)


@dataclass(slots=True, eq=False)
class Place:
    """Where one body is read."""

    source: str
    intake: Intake
    is_proven: bool
    size: int = 0
    began: float = field(default_factory=_now)
    has_given_way: bool = False
    _timeout: asyncio.Timeout | None = None

    async def read(self, stream: AsyncIterator[bytes], limit: int) -> bytes:
        """Read a body of at most `limit` bytes. Raises BodyTooLarge, BodyTooSlow, TooMuchToRead."""
        body_s = self.intake.limits.body_s
        self._timeout = asyncio.timeout(body_s)
        body = bytearray()
        try:
            async with self._timeout:
                async for chunk in stream:
                    if len(body) + len(chunk) > limit:
                        raise BodyTooLarge(limit)
                    if not self.has_given_way:
                        self.intake.take(self, len(chunk))
                        body += chunk
        except TimeoutError as error:
            raise (TooMuchToRead() if self.has_given_way else BodyTooSlow(body_s)) from error
        if self.has_given_way:
            raise TooMuchToRead
        self.intake.arrived(self)
        return bytes(body)

    def give_way(self) -> None:
        """Stop reading."""
        self.has_given_way = True
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(_now())
