"""Ask the database for whoever wants to know, one question at a time, however many ask and however long it takes."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Found = TypeVar("Found")


class Fresh(Generic[Found]):
    """What `ask` finds, asked again once it is older than `for_s`; on a thread that nobody waits for at the end.

    Who wants to know it while it is being asked gets what was found before, where that is no older than five times as
    long: however many want to know, they do not wait together.
    """

    def __init__(self, ask: Callable[[], Found], *, for_s: float, name: str) -> None:
        self._ask, self._for_s, self._name = ask, for_s, name
        self._lock = threading.Lock()
        self._asked: Future[Found] | None = None
        self._before: Future[Found] | None = None
        self._began = self._began_before = 0.0

    async def found(self, within_s: float) -> Found:
        """What was found lately, or is found now. Raises TimeoutError, and what `ask` raises."""
        async with asyncio.timeout(within_s):
            return await asyncio.shield(asyncio.wrap_future(self._begin()))

    def _begin(self) -> Future[Found]:
        with self._lock:
            now = time.monotonic()
            if self._asked is None or (self._asked.done() and now - self._began > self._for_s):
                self._before, self._began_before = self._asked, self._began
                self._asked, self._began = Future(), now
                threading.Thread(target=self._run, args=[self._asked], name=self._name, daemon=True).start()
            elif self._before is not None and not self._asked.done() and now - self._began_before <= 5 * self._for_s:
                return self._before
            return self._asked

    def _run(self, asked: Future[Found]) -> None:
        try:
            asked.set_result(self._ask())
        except Exception as error:  # noqa: BLE001 (told where it is asked for)
            asked.set_exception(error)
