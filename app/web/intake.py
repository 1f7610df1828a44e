"""Room for the bodies of webhooks: what is being read is counted before it is read, and who is slow gives way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from app.core.errors import Unavailable
from app.web.errors import BodyTooLarge, BodyTooSlow

_RETRY_AFTER = timedelta(seconds=5)


class TooMuchToRead(Unavailable):
    """There is no room to read another body, or this one came slowly while others waited for room."""

    def __init__(self) -> None:
        super().__init__("more webhooks come in than there is room for; send it again later", retry_after=_RETRY_AFTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """How many bodies are read at once, how long each may take, and the bytes of all that are read or wait.

    One that has been read for `grace_s` gives way to others: a body that was sent at once has come by then.
    """

    most_reading: int = 256
    most_bytes: int = 64 * 1024 * 1024
    body_s: float = 30.0
    grace_s: float = 1.0


@dataclass(slots=True, eq=False)
class Place:
    """Room for one body."""

    size: int
    limits: IntakeLimits
    slow: "dict[Place, None]"
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    has_given_way: bool = False
    _timeout: asyncio.Timeout | None = None

    async def read(self, stream: AsyncIterator[bytes], limit: int) -> bytes:
        """Read a body of at most `limit` bytes. Raises BodyTooLarge, BodyTooSlow, TooMuchToRead."""
        self._timeout = asyncio.timeout(self.limits.body_s)
        self.slow[self] = None
        try:
            async with self._timeout:
                body = bytearray()
                async for chunk in stream:
                    if len(body) + len(chunk) > limit:
                        raise BodyTooLarge(limit)
                    body += chunk
        except TimeoutError as error:
            raise (TooMuchToRead() if self.has_given_way else BodyTooSlow(self.limits.body_s)) from error
        finally:
            self.slow.pop(self, None)
        return bytes(body)

    def give_way(self) -> None:
        """Stop reading."""
        self.has_given_way = True
        if self._timeout is not None:
            self._timeout.reschedule(asyncio.get_running_loop().time())


class Intake:
    """Hands out room; `held_bytes` tells how much the inbox holds. Lives on one event loop.

    `peak_bytes` is the most that was ever reserved.
    """

    def __init__(self, limits: IntakeLimits, held_bytes: Callable[[], int]) -> None:
        self._limits, self._held_bytes = limits, held_bytes
        self._places: set[Place] = set()
        self._reading_bytes = 0
        self.peak_bytes = 0
        # In the order in which they began to be read.
        self._slow: dict[Place, None] = {}

    @property
    def reserved_bytes(self) -> int:
        """The bytes of all bodies that are being read or wait to be kept."""
        return self._reading_bytes + self._held_bytes()

    @contextmanager
    def place(self, size: int) -> Iterator[Place]:
        """Room for a body of at most `size` bytes, given back at the end. Raises TooMuchToRead.

        Where there is none, those give way that have been read for longest, if they are slow.
        """
        while not self._has_room(size):
            self._make_room()
        place = Place(size, self._limits, self._slow)
        self._places.add(place)
        self._reading_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.reserved_bytes)
        try:
            yield place
        finally:
            self._give_back(place)

    def _has_room(self, size: int) -> bool:
        return len(self._places) < self._limits.most_reading and self.reserved_bytes + size <= self._limits.most_bytes

    def _make_room(self) -> None:
        slowest = next(iter(self._slow), None)
        if slowest is None or asyncio.get_running_loop().time() - slowest.began < self._limits.grace_s:
            raise TooMuchToRead
        del self._slow[slowest]
        self._give_back(slowest)
        slowest.give_way()

    def _give_back(self, place: Place) -> None:
        if place in self._places:
            self._places.remove(place)
            self._reading_bytes -= place.size
