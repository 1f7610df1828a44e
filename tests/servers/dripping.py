"""A server that never comes to an end: it sends a byte now and then, and so keeps every timeout of a read away."""

import socket
import threading
from types import TracebackType
from typing import Self

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = HEAD + b"Content-Length: 100000\r\n\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_EVERY_S = 0.02
_PATIENCE_S = 20.0


class DrippingServer:
    """Answers each connection with `first` at once, and then with `drop` again and again until it is stopped.

    `connections` counts those that came.
    """

    def __init__(self, first: bytes = BODY, drop: bytes = b" ") -> None:
        self._first, self._drop = first, drop
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self.connections = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(_PATIENCE_S)

    def _start(self, run: object, *args: object) -> None:
        assert callable(run)
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._drip, connected)

    def _drip(self, connected: socket.socket) -> None:
        with connected:
            try:
                connected.recv(65536)
                connected.sendall(self._first)
                while not self._stopped.wait(_EVERY_S):
                    connected.sendall(self._drop)
            except OSError:
                return
