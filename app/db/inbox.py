"""The inbox: one thread keeps the deliveries that wait in groups, one commit for all of a group."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import timedelta

import structlog

from app.core.errors import Unavailable
from app.db import deliveries
from app.db.database import Database
from app.db.deliveries import NewDelivery

_log = structlog.get_logger("fluxbridge.inbox")
_GROUP = 64
_RETRY_AFTER = timedelta(seconds=5)
_Waiting = tuple[NewDelivery, "Future[str]"]


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


class Inbox:
    """Keeps deliveries durably: `keep` returns only after the commit that holds the delivery."""

    def __init__(self, database: Database, *, on_kept: Callable[[], None] = lambda: None, capacity: int = 1000) -> None:
        self._database, self._on_kept, self._capacity = database, on_kept, capacity
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(capacity)
        self._thread: threading.Thread | None = None
        self._is_open = False
        self._door = threading.Lock()

    def start(self) -> None:
        """Begin to keep."""
        self._is_open = True
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more, keep what was taken, and end."""
        with self._door:
            self._is_open = False
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    async def keep(self, new: NewDelivery) -> str:
        """Keep a delivery; returns its id, or the id of the copy kept before. Raises Unavailable leaves."""
        return await asyncio.wrap_future(self._put(new))

    def keep_now(self, new: NewDelivery) -> str:
        """The same, for a caller outside the event loop."""
        return self._put(new).result()

    def _put(self, new: NewDelivery) -> "Future[str]":
        kept: Future[str] = Future()
        with self._door:
            if not self._is_open:
                raise InboxClosed
            try:
                self._queue.put_nowait((new, kept))
            except queue.Full:
                raise InboxFull(self._capacity) from None
        return kept

    def _run(self) -> None:
        while True:
            group = self._next_group()
            # A request that went away before its turn was promised nothing.
            items = [item for item in group if item is not None and item[1].set_running_or_notify_cancel()]
            if items:
                self._keep_group(items)
            if group[-1] is None:
                return

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
            ids = self._commit([new for new, _ in items])
        except Unavailable as error:
            _refuse(items, str(error))
        except Exception as error:  # noqa: BLE001 (the thread lives on: without it no webhook could be kept at all)
            if len(items) > 1:
                for item in items:
                    self._keep_group([item])
                return
            why = " ".join(str(error).split())[:300]
            _log.warning("a delivery could not be kept", source=items[0][0].source[:80], why=why)
            _refuse(items, type(error).__name__)
        else:
            for (_, kept), delivery_id in zip(items, ids, strict=True):
                kept.set_result(delivery_id)
            self._on_kept()

    def _commit(self, group: Sequence[NewDelivery]) -> Sequence[str]:
        with self._database.transaction() as connection:
            # Several processes claim by the database's clock, so that is what deliveries are due by.
            due_at = None if self._database.is_sqlite else self._database.lease_clock(connection)
            return deliveries.keep_all(connection, group, due_at=due_at)


def _refuse(items: Sequence[_Waiting], why: str) -> None:
    for _, kept in items:
        kept.set_exception(NotKept(why))
