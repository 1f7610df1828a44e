"""A relay before a server on loopback, by which the server seems to be gone, or to be there and say nothing."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    """Passes connections on to a port. While it is `silent` nothing passes; while it is `gone` nobody answers."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._passes = threading.Event()
        self._passes.set()
        self._open: set[socket.socket] = set()
        self._listener = _listening(0)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept, self._listener)

    def be_silent(self) -> None:
        """Take everything and pass nothing on, as a machine does that has stopped."""
        self._passes.clear()

    def be_gone(self) -> None:
        """Cut every connection and refuse new ones, as a server does that was stopped."""
        _shut(self._listener)
        for one in list(self._open):
            _shut(one)
        self._passes.set()

    def be_back(self) -> None:
        """Be as before."""
        self._passes.set()
        if self._listener.fileno() == -1:
            self._listener = _listening(self.port)
            self._start(self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open |= {client, server}
                self._start(self._pass_on, client, server)
                self._start(self._pass_on, server, client)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                self._passes.wait()
                sink.sendall(chunk)
        for one in (source, sink):
            _shut(one)
            self._open.discard(one)

    def _start(self, step: object, *arguments: socket.socket) -> None:
        assert callable(step)
        threading.Thread(target=step, args=arguments, daemon=True).start()


@contextmanager
def relaying(target: int) -> Iterator[Relay]:
    """A relay that is cut at the end."""
    relay = Relay(target)
    try:
        yield relay
    finally:
        relay.be_gone()


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
