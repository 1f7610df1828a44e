"""How many connections there may be: one that keeps us waiting gives way, so that none can be kept out."""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus

import h11
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

    def protocol(self, on_malformed: Callable[[], None]) -> type[H11Protocol]:
        """Uvicorn's protocol, as `Config(http=…)` takes it, with its connections counted here.

        `on_malformed` is called for each that ends because of what came over it and is no HTTP.
        """
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

            def send_400_response(self, msg: str) -> None:
                del msg
                on_malformed()
                _refuse_malformed(self)

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


def _problem(status: HTTPStatus, kind: str, detail: str, **headers: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """An answer as our errors give it, as headers and body, where no request is looked at; the connection ends."""
    problem = {
        "type": f"urn:fluxbridge:problem:{kind}",
        "title": status.phrase,
        "status": status,
        "detail": detail,
        "instance": "",
    }
    body = json.dumps(problem).encode()
    told = {"content-type": PROBLEM_JSON, "content-length": str(len(body)), **headers, "connection": "close"}
    return [(name.encode(), value.encode()) for name, value in told.items()], body


_TOO_MANY = _problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "unavailable",
    "there are too many connections; come back later",
    **{"retry-after": str(_RETRY_AFTER_S)},
)
_MALFORMED = _problem(
    HTTPStatus.BAD_REQUEST,
    "invalid",
    "what was sent is no HTTP/1.1 request: see that its head is well-formed and below 64 KiB, its chunks have their "
    "sizes, and that plain HTTP is spoken here (TLS is the proxy's)",
)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without a look at the request."""
    del scope, receive
    headers, body = _TOO_MANY
    await send({"type": "http.response.start", "status": HTTPStatus.SERVICE_UNAVAILABLE, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _refuse_malformed(one: H11Protocol) -> None:
    """Answer what cannot be read, but where an answer has begun, and end the connection."""
    if one.cycle is not None and not one.cycle.response_complete:
        # Whoever reads this request's body hears that no more of it comes, and answers nobody.
        one.cycle.disconnected = True
        one.cycle.message_event.set()
    if one.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
        headers, body = _MALFORMED
        start = h11.Response(status_code=HTTPStatus.BAD_REQUEST, headers=headers, reason=b"Bad Request")
        for event in (start, h11.Data(data=body), h11.EndOfMessage()):
            one.transport.write(one.conn.send(event) or b"")
    one.transport.close()
