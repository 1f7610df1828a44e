"""The database: one SQLite file for one process, or PostgreSQL for many. One step is one transaction."""

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.errors import FluxbridgeError, Refused, Unavailable
from app.db import migrations

_POOL_WAIT_S = 10
_BUSY_MS = 5000


class DatabaseLocked(Refused):
    """Another process holds the SQLite file."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} belongs to another running process: stop it, talk to it through its API, "
            "or use PostgreSQL for several processes"
        )


class UnknownDatabase(Refused):
    """The URL names a kind of database that cannot serve."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"{kind} cannot serve: use a SQLite file, or postgresql+psycopg://USER@HOST/NAME")


class NestedTransaction(FluxbridgeError):
    """A thread that is in a transaction asked for a second one: a mistake of the program."""

    def __init__(self) -> None:
        super().__init__("this thread is in a transaction already; pass its connection on instead")


class DatabaseUnavailable(Unavailable):
    """The database did not answer or refused to write."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the database did not take it: {why}")


class Database:
    """Gives transactions. A SQLite file is locked against other processes as long as this is open."""

    def __init__(self, url: URL | str) -> None:
        self._url = _served(make_url(url))
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._lock: IO[str] | None = self._lock_file() if self.is_sqlite else None
        self._engine = self._create_engine()
        self._thread = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, committed at the end. Raises DatabaseUnavailable when the database fails."""
        if getattr(self._thread, "is_busy", False):
            raise NestedTransaction
        self._thread.is_busy = True
        try:
            with self._engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise DatabaseUnavailable(_cause(error)) from error
        finally:
            self._thread.is_busy = False

    def lease_clock(self, connection: Connection) -> datetime:
        """The database server's clock, by which leases of several processes are measured (PostgreSQL)."""
        now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return now.astimezone(UTC)

    def check_reachable(self) -> None:
        """Ask something small. Raises DatabaseUnavailable."""
        with self.transaction() as connection:
            connection.execute(text("SELECT 1"))

    def migrate(self) -> None:
        """Bring the schema to this version's. Raises NewerSchema."""
        with self.transaction() as connection:
            migrations.migrate(connection)

    def is_current(self) -> bool:
        """Tell whether the schema is this version's."""
        with self.transaction() as connection:
            return migrations.is_current(connection)

    def close(self) -> None:
        """Give everything back."""
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()

    def _create_engine(self) -> Engine:
        if not self.is_sqlite:
            return create_engine(
                self._url,
                hide_parameters=True,
                pool_pre_ping=True,
                pool_size=10,
                max_overflow=10,
                pool_timeout=_POOL_WAIT_S,
                connect_args={"connect_timeout": _POOL_WAIT_S},
            )
        engine = create_engine(self._url, hide_parameters=True, pool_size=1, max_overflow=0, pool_timeout=_POOL_WAIT_S)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine

    def _lock_file(self) -> IO[str]:
        path = Path(self._url.database or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise DatabaseLocked(path) from error
        return lock


def _served(url: URL) -> URL:
    kind = url.get_backend_name()
    if kind == "sqlite" and not url.database:
        raise UnknownDatabase("a SQLite database in memory")
    if kind not in {"sqlite", "postgresql"}:
        raise UnknownDatabase(kind)
    return url.set(drivername="postgresql+psycopg") if kind == "postgresql" else url


def _prepare_sqlite(connection: DBAPIConnection, record: object) -> None:
    """WAL with synchronous=FULL: what was acknowledged survives a loss of power (facts: WAL with NORMAL may not)."""
    del record
    assert isinstance(connection, sqlite3.Connection)  # noqa: S101 (only SQLite's driver comes here)
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock at the start, so that no transaction fails in its middle for want of it."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _cause(error: DBAPIError | PoolTimeout) -> str:
    if isinstance(error, DBAPIError) and error.orig is not None:
        return " ".join(str(error.orig).split())[:300]
    return "no connection became free in time"
