"""The inbox: one thread keeps the deliveries that wait in groups, one commit for all of a group."""

import asyncio
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from app.core.errors import Unavailable
from app.db import deliveries
from app.db.database import Database
from app.db.deliveries import NewDelivery

_log = structlog.get_logger("fluxbridge.inbox")
_GROUP = 64
_RETRY_AFTER = timedelta(seconds=5)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A delivery that waits to be kept; `new` is None once nobody waits for it any more."""

    new: NewDelivery | None
    source: str
    size: int
    kept: "Future[str]" = field(default_factory=Future)


class InboxFull(Unavailable):
    """More webhooks wait to be kept than the limit allows."""

    def __init__(self, capacity: int) -> None:
        super().__init__(
            f"{capacity} deliveries wait to be kept already; send it again later", retry_after=_RETRY_AFTER
        )


class InboxClosed(Unavailable):
    """The server is stopping."""

    def __init__(self) -> None:
        super().__init__("the server is stopping; send it again later", retry_after=_RETRY_AFTER)


class NotKept(Unavailable):
    """The commit that should have kept a delivery failed."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the delivery was not kept: {why}; send it again later", retry_after=_RETRY_AFTER)


class InboxStalled(Unavailable):
    """The database has not answered for so long that what comes now would not be kept in time."""

    def __init__(self) -> None:
        super().__init__("the database does not answer; send it again later", retry_after=_RETRY_AFTER)


class Inbox:
    """Keeps deliveries durably: `keep` returns only after the commit that holds the delivery.

    `held_bytes` are the bytes of the bodies that wait here, by source. Senders give up after ten seconds: nobody waits
    for longer than `longest_wait_s`, and once a commit has taken `stalled_s`, what comes is refused at once.
    """

    def __init__(
        self,
        database: Database,
        *,
        on_kept: Callable[[], None] = lambda: None,
        capacity: int = 1000,
        longest_wait_s: float = 8.0,
        stalled_s: float = 5.0,
    ) -> None:
        self._database, self._on_kept, self._capacity = database, on_kept, capacity
        self._longest_wait_s, self._stalled_s = longest_wait_s, stalled_s
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(capacity)
        self._thread: threading.Thread | None = None
        self._is_open = False
        self._began: float | None = None
        self._door = threading.Lock()
        self._held: Counter[str] = Counter()

    @property
    def held_bytes(self) -> "Counter[str]":
        """The bytes of the bodies that wait here, by source."""
        with self._door:
            return +self._held

    def start(self) -> None:
        """Begin to keep."""
        self._is_open = True
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Take nothing more, keep what was taken, and end. A database that does not answer is not waited for."""
        with self._door:
            self._is_open = False
        if self._thread is not None:
            with suppress(queue.Full):
                self._queue.put(None, timeout=timeout_s)
            self._thread.join(timeout_s)
            self._thread = None

    async def keep(self, new: NewDelivery) -> str:
        """Keep a delivery; returns its id, or the id of the copy kept before. Raises Unavailable leaves.

        `held_bytes` counts it from the first step on until nothing here holds it any more.
        """
        waiting = self._put(new)
        try:
            async with asyncio.timeout(self._longest_wait_s):
                return await asyncio.wrap_future(waiting.kept)
        except TimeoutError as error:
            # It may be kept all the same; sent again, it is one.
            raise InboxStalled from error

    def check(self) -> None:
        """See that a delivery would be taken in now. Raises InboxClosed, InboxStalled or InboxFull."""
        if not self._is_open or self._thread is None or not self._thread.is_alive():
            raise InboxClosed
        began = self._began
        if began is not None and time.monotonic() - began > self._stalled_s:
            raise InboxStalled
        if self._queue.full():
            raise InboxFull(self._capacity)

    def _put(self, new: NewDelivery) -> _Waiting:
        waiting = _Waiting(new, new.source, len(new.body))
        with self._door:
            self.check()
            try:
                self._queue.put_nowait(waiting)
            except queue.Full:
                raise InboxFull(self._capacity) from None
            self._held[new.source] += waiting.size
        waiting.kept.add_done_callback(lambda _: self._let_go(waiting))
        return waiting

    def _let_go(self, waiting: _Waiting) -> None:
        waiting.new = None
        with self._door:
            self._held[waiting.source] -= waiting.size

    def _run(self) -> None:
        while True:
            group = self._next_group()
            # A request that went away before its turn was promised nothing.
            items = [item for item in group if item is not None and item.kept.set_running_or_notify_cancel()]
            if items:
                self._began = time.monotonic()
                self._keep_group(items)
                self._began = None
            if group[-1] is None:
                return
            # Held until the next one comes, they would not be counted.
            del group, items

    def _next_group(self) -> list[_Waiting | None]:
        group = [self._queue.get()]
        while len(group) < _GROUP and group[-1] is not None:
            try:
                group.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return group

    def _keep_group(self, items: list[_Waiting]) -> None:
        """Commit the group; what fails counts for none of it as kept. One that spoils it is kept apart."""
        try:
            ids = self._commit([item.new for item in items if item.new is not None])
        except Unavailable as error:
            _refuse(items, str(error))
        except Exception as error:  # noqa: BLE001 (the thread lives on: without it no webhook could be kept at all)
            if len(items) > 1:
                for item in items:
                    self._keep_group([item])
                return
            why = " ".join(str(error).split())[:300]
            _log.warning("a delivery could not be kept", source=items[0].source[:80], why=why)
            _refuse(items, type(error).__name__)
        else:
            for item, delivery_id in zip(items, ids, strict=True):
                item.kept.set_result(delivery_id)
            self._on_kept()

    def _commit(self, group: Sequence[NewDelivery]) -> Sequence[str]:
        with self._database.transaction(comes_first=True) as connection:
            # Several processes claim by the database's clock, so that is what deliveries are due by.
            return deliveries.keep_all(connection, group, due_at=self._database.server_now(connection))


def _refuse(items: Sequence[_Waiting], why: str) -> None:
    for item in items:
        item.kept.set_exception(NotKept(why))
