"""Ports of programs that the tests start."""

import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

_PATIENCE_S = 20.0


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a program listens. Raises AssertionError with its log where it ends before or takes over 20 s."""
    ticking = threading.Event()
    for _ in range(int(_PATIENCE_S / 0.05)):
        assert process.poll() is None, log.read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        ticking.wait(0.05)
    raise AssertionError(log.read_text())
