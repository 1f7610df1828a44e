"""Listens where our server did, keeps every byte that it is told, and answers what it is made to answer."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Answer = Callable[[bytes], bytes]
_MOST_BYTES = 65536
_NONCE = re.compile(rb"nonce=([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class Impostor:
    """What listens, and what each of those who connected has said."""

    port: int
    heard: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def impostor(answer: Answer, *, port: int = 0) -> Iterator[Impostor]:
    """Listen on this port of loopback, and answer each request with these bytes; none: hang up."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        here = Impostor(listener.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(listener, here.heard, answer), daemon=True)
        thread.start()
        try:
            yield here
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def http_answer(body: bytes, *headers: str) -> bytes:
    """A good answer in HTTP with this body."""
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode() + body


def nonce_in(request: bytes) -> str:
    """The nonce of a request for a proof."""
    found = _NONCE.search(request)
    return found[1].decode() if found else ""


def relayed_to(url: str) -> Answer:
    """Pass each request on to a server, and its answer back."""
    host, port = url.removeprefix("http://").rsplit(":", 1)

    def relay(request: bytes) -> bytes:
        with socket.create_connection((host, int(port)), timeout=10) as there:
            there.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < _length(answer):
                answer += there.recv(_MOST_BYTES)
            return answer

    return relay


def _length(answer: bytes) -> int:
    found = re.search(rb"(?i)content-length: (\d+)", answer)
    return int(found[1]) if found else 0


def _accept(listener: socket.socket, heard: list[bytes], answer: Answer) -> None:
    # Ends when the listener is shut down.
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            heard.append(b"")
            with connection, suppress(OSError):
                connection.settimeout(10)
                while request := connection.recv(_MOST_BYTES):
                    heard[-1] += request
                    told = answer(request)
                    if not told:
                        break
                    connection.sendall(told)
