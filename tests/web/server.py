"""An application on a real uvicorn, in a thread, on a free port of loopback."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from app.web.connections import Connections

_START_TIMEOUT_S = 10


@contextmanager
def serving(app: FastAPI, connections: Connections | None = None) -> Iterator[str]:
    """Serve an application; gives its base URL. `connections` counts and limits them."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    started = threading.Event()
    counted = connections or Connections(most=500, head_s=30)
    protocol = counted.protocol(app.state.on_malformed)
    config = uvicorn.Config(app, http=protocol, access_log=False, log_config=None, lifespan="on")
    server = _Server(config, started)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        assert started.wait(_START_TIMEOUT_S), "uvicorn did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(_START_TIMEOUT_S)
        listener.close()


class _Server(uvicorn.Server):
    """Says when it is listening."""

    def __init__(self, config: uvicorn.Config, listening: threading.Event) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening.set()
