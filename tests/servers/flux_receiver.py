"""Flux's notification-controller on loopback, as far as Receivers of type generic-hmac go."""

import hashlib
import hmac
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PATIENCE_S = 20.0
_LARGEST_BODY = 3 * 1024 * 1024


@dataclass(slots=True)
class ReceiverServer:
    """One Receiver. `bodies` are those that it accepted; `answers` are given, one each, instead of looking.

    `redirect_to` is the Location of those that redirect.
    """

    token: str
    name: str = "fluxbridge"
    namespace: str = "flux-system"
    answers: list[HTTPStatus] = field(default_factory=list)
    redirect_to: str = ""
    bodies: list[bytes] = field(default_factory=list)
    requests: int = 0
    port: int = 0
    _came: threading.Condition = field(default_factory=threading.Condition)

    @property
    def path(self) -> str:
        """Its status.webhookPath."""
        return "/hook/" + hashlib.sha256(f"{self.token}{self.name}{self.namespace}".encode()).hexdigest()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def wait_for_requests(self, count: int) -> None:
        """Wait until it was called so often, accepted or not."""
        with self._came:
            assert self._came.wait_for(lambda: self.requests >= count, _PATIENCE_S), self.requests

    def answer(self, target: str, headers: Mapping[str, str], body: bytes) -> HTTPStatus:
        """Look at a request as Flux does, in its order."""
        with self._came:
            self.requests += 1
            status = self.answers.pop(0) if self.answers else self._judge(target, headers, body)
            if status == HTTPStatus.OK:
                self.bodies.append(body)
            self._came.notify_all()
        return status

    def _judge(self, target: str, headers: Mapping[str, str], body: bytes) -> HTTPStatus:
        if target != self.path:
            return HTTPStatus.NOT_FOUND
        if len(body) > _LARGEST_BODY:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        algorithm, _, given = headers.get("X-Signature", "").partition("=")
        if algorithm not in {"sha1", "sha256", "sha512"}:
            return HTTPStatus.BAD_REQUEST
        made = hmac.new(self.token.encode(), body, algorithm).hexdigest()
        return HTTPStatus.OK if hmac.compare_digest(made, given) else HTTPStatus.BAD_REQUEST


@contextmanager
def receiver_server(token: str) -> Iterator[ReceiverServer]:
    """A Receiver that listens."""
    receiver = ReceiverServer(token)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _answering_for(receiver))
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answering_for(receiver: ReceiverServer) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        """Flux takes any method; ours is POST."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.answer(self.path, dict(self.headers), body)
            self.send_response(status)
            if receiver.redirect_to:
                self.send_header("Location", receiver.redirect_to)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    return Answering
