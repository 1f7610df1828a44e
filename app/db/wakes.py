"""Wakes: who commits work wakes its own process, and the others on one PostgreSQL, for there may be some to do."""

import threading
from collections.abc import Callable

import psycopg
import structlog
from sqlalchemy import URL, Connection, text

from app.core.errors import FluxbridgeError

_CHANNEL = "fluxbridge"
_TOLD = "fluxbridge wakes"
_LOOK_UP_S = 1.0
_RETRY_S = 2.0
_log = structlog.get_logger("fluxbridge.wakes")


def tell(connection: Connection) -> None:
    """Wake the workers of all processes once this transaction is committed; many times in one is once."""
    connection.info[_TOLD] = True
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": _CHANNEL})


def was_told(connection: Connection) -> bool:
    """Whether somebody is to be woken after this transaction; once asked, the next one begins anew."""
    return connection.info.pop(_TOLD, False) is True


def _is_pooled(connection: "psycopg.Connection[tuple[object, ...]]") -> bool:
    """Tell whether a pooler stands in between: it answers a login with a process id of its own."""
    told = connection.execute("SELECT pg_backend_pid()").fetchone()
    return told is not None and told[0] != connection.info.backend_pid


class Listener:
    """Hears what other processes tell; `url` is asked for each connection, for its password may change.

    What is told while it is not connected is lost: polling finds that work.
    """

    def __init__(self, url: Callable[[], URL], on_wake: Callable[[], None]) -> None:
        self._url, self._on_wake = url, on_wake

    def listen(self, stopping: threading.Event) -> None:
        """Hear until told to stop, connecting anew whenever the connection is lost."""
        while not stopping.is_set():
            try:
                self._hear(stopping)
            except (psycopg.Error, FluxbridgeError) as error:
                # The library's own text may quote the connection string.
                _log.warning("not listening for other processes; polling goes on", why=type(error).__name__)
                stopping.wait(_RETRY_S)

    def _hear(self, stopping: threading.Event) -> None:
        url = self._url().set(drivername="postgresql")
        with psycopg.connect(
            url.render_as_string(hide_password=False),
            autocommit=True,
            connect_timeout=5,
            prepare_threshold=None,
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
        ) as connection:
            if _is_pooled(connection):
                _log.info("the database is behind a pooler, which passes no wakes on; other processes' work is polled")
                self._on_wake()
                stopping.wait()
                return
            connection.execute(f"LISTEN {_CHANNEL}")
            self._on_wake()
            while not stopping.is_set():
                for _ in connection.notifies(timeout=_LOOK_UP_S, stop_after=1):
                    self._on_wake()
