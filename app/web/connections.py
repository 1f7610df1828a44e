"""How many connections there may be: one that keeps us waiting gives way, so that none can be kept out."""

import asyncio
import json
from http import HTTPStatus

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.web.errors import PROBLEM_JSON

_RETRY_AFTER_S = 5
# So many more are let in to be told to come back; beyond, they are cut off.
_REFUSED_AT_ONCE = 64
# So many more, where others can give way, so that what came with them is read before it is decided who does.
_UNREAD_AT_ONCE = 256


class Connections:
    """The connections of one server; those that keep us waiting in the order of their waiting.

    A head has to come, and an answer that fills the buffers to be read, within `head_s`; how long a body may take is
    not decided here.
    """

    def __init__(self, *, most: int, head_s: float) -> None:
        self._most, self._head_s = most, head_s
        self._open: set[H11Protocol] = set()
        self._waiting: dict[H11Protocol, asyncio.TimerHandle | None] = {}

    def protocol(self) -> type[H11Protocol]:
        """Uvicorn's protocol, as `Config(http=…)` takes it, with its connections counted here."""
        connections = self

        class Counted(H11Protocol):
            """Uvicorn's own, telling of its connection's state."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                connections.admit(self)

            def connection_lost(self, exc: Exception | None) -> None:
                connections.forget(self)
                super().connection_lost(exc)

            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                connections.look(self)

            def on_response_complete(self) -> None:
                super().on_response_complete()
                connections.look(self)

            def pause_writing(self) -> None:
                super().pause_writing()
                connections.look(self)

            def resume_writing(self) -> None:
                super().resume_writing()
                connections.look(self)

        return Counted

    def admit(self, one: H11Protocol) -> None:
        """Take a new connection in, in the place of the one that has waited longest where there is no other."""
        if len(self._open) >= self._most:
            if self._waiting:
                self._make_room(_UNREAD_AT_ONCE - 1)
                one.loop.call_later(0, self._make_room)
            elif len(self._open) < self._most + _REFUSED_AT_ONCE:
                one.app = _refuse
            else:
                one.transport.abort()
                return
        self._open.add(one)
        self.look(one)

    def _make_room(self, beyond: int = 0) -> None:
        """Let those give way that have waited longest, until there are only so many beyond the most."""
        while len(self._open) > self._most + beyond and self._waiting:
            self._drop(next(iter(self._waiting)))

    def forget(self, one: H11Protocol) -> None:
        """A connection has ended."""
        self._open.discard(one)
        self._stop_waiting(one)

    def look(self, one: H11Protocol) -> None:
        """See whether a connection waits for a head or a reader, so that it is dropped after a while, or for a body."""
        awaits_head = one.cycle is None or one.cycle.response_complete
        awaits_body = one.cycle is not None and one.cycle.more_body and not one.cycle.response_complete
        awaits_reader = one.flow.write_paused
        if one not in self._open or not (awaits_head or awaits_body or awaits_reader):
            self._stop_waiting(one)
        elif not (awaits_head or awaits_reader):
            # It keeps its place in the order: one that begins anew again and again must not be the newest each time.
            self._cancel(self._waiting.get(one))
            self._waiting[one] = None
        elif self._waiting.get(one) is None:
            self._waiting[one] = one.loop.call_later(self._head_s, self._drop, one)

    def _stop_waiting(self, one: H11Protocol) -> None:
        self._cancel(self._waiting.pop(one, None))

    def _cancel(self, timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()

    def _drop(self, one: H11Protocol) -> None:
        self.forget(one)
        one.transport.abort()


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as our errors do, without a look at the request."""
    del scope, receive
    status = HTTPStatus.SERVICE_UNAVAILABLE
    problem = {
        "type": "urn:fluxbridge:problem:unavailable",
        "title": status.phrase,
        "status": status,
        "detail": "there are too many connections; come back later",
        "instance": "",
    }
    body = json.dumps(problem).encode()
    headers = {
        "content-type": PROBLEM_JSON,
        "content-length": str(len(body)),
        "retry-after": str(_RETRY_AFTER_S),
        "connection": "close",
    }
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
