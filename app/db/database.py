"""The database: one SQLite file for one process, or PostgreSQL for many. One step is one transaction."""

import fcntl
import inspect
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import psycopg
import structlog
from sqlalchemy import URL, Connection, Engine, Transaction, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.errors import FluxbridgeError, Refused, Unavailable
from app.db import migrations, wakes
from app.db.turns import NoTurn, Turns

# Senders of webhooks wait ten seconds: a wait for a connection and one for an answer must fit into that.
_POOL_WAIT_S = 3
_CONNECTIONS, _CONNECTIONS_FOR_FIRST = 20, 2
_BUSY_MS = 3000
_STEPS_BETWEEN_LOOKS = 50_000
_STOPPED = "57014"
# Times the longest statement: whoever waits for a row is told so, and not that it asked for too much.
_POSTGRESQL_LIMITS = {"statement_timeout": 1.0, "lock_timeout": 0.8, "idle_in_transaction_session_timeout": 2.0}
_CONNECTING = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 8000,
    # A pooler that gives each transaction another connection knows of none that an earlier one has prepared.
    "prepare_threshold": None,
    # A database in SQL_ASCII has to be told apart, not to break the driver.
    "client_encoding": "utf8",
    # The driver's own BEGIN would be a question by itself: a transaction begins with its limits, in one.
    "autocommit": True,
}
_log = structlog.get_logger("fluxbridge.database")


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


class StatementTooLong(DatabaseUnavailable):
    """A statement was stopped, so that webhooks are kept meanwhile."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"a statement ran longer than {limit_s:g} s and was stopped, for webhooks may wait for its end: "
            "ask for less (a filter, a smaller page), or ask a copy of the database"
        )


class Database:
    """Gives transactions. A SQLite file is locked against other processes as long as this is open.

    A statement that runs for longer than `longest_statement_s` is stopped; a transaction that is held for longer than
    `long_transaction_s` is logged with the function that opened it. `password` is read for each new connection.
    """

    def __init__(
        self,
        url: URL | str,
        *,
        password: Callable[[], str] | None = None,
        longest_statement_s: float = 5.0,
        long_transaction_s: float = 1.0,
    ) -> None:
        self._url, self._password = _served(make_url(url)), password
        self._longest_statement_s, self._long_transaction_s = longest_statement_s, long_transaction_s
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._lock: IO[str] | None = self._lock_file() if self.is_sqlite else None
        self._turns = Turns() if self.is_sqlite else None
        self._is_bounded, self._is_closed = True, False
        self._statement_ends_at = math.inf
        self._engine = self._create_engine()
        # However many connections are busy, those for what comes first are not.
        self._first = self._engine if self.is_sqlite else self._create_engine(most=_CONNECTIONS_FOR_FIRST)
        self._thread = threading.local()
        self._wakes: tuple[Callable[[], None], ...] = ()

    @property
    def folder(self) -> Path | None:
        """Where the SQLite file is; None where the database is elsewhere."""
        return Path(self._url.database or "").parent if self.is_sqlite else None

    @contextmanager
    def transaction(self, *, comes_first: bool = False, is_bounded: bool = True) -> Iterator[Connection]:
        """One transaction, committed at the end. Raises DatabaseUnavailable when the database fails.

        A statement that runs for long is stopped (StatementTooLong), unless it is not to be bounded: for migrations.
        `comes_first`: before all others that wait for the one connection to a SQLite file; of those to PostgreSQL two
        are kept for it.
        """
        if getattr(self._thread, "is_busy", False):
            raise NestedTransaction
        if self._is_closed:
            # A thread that is left behind must not open a file that another process may hold by now.
            raise DatabaseUnavailable("it is closed, for the process stops")
        self._thread.is_busy = True
        engine = self._first if comes_first else self._engine
        try:
            with self._turn(comes_first=comes_first), self._begin(engine, is_bounded=is_bounded) as connection:
                wakes.was_told(connection)  # by one that was rolled back
                began = time.monotonic()
                try:
                    yield connection
                finally:
                    held_s = time.monotonic() - began
                    if held_s > self._long_transaction_s and is_bounded:
                        _log.warning("a transaction was held for long", by=_caller(), seconds=round(held_s, 1))
                wakes_up = wakes.was_told(connection)
        except (NoTurn, PoolTimeout) as error:
            raise DatabaseUnavailable("no connection became free in time") from error
        except DBAPIError as error:
            told = self._told(error)
            if told is None:
                raise
            raise told from error
        finally:
            self._thread.is_busy = False
        if wakes_up:
            for wake in self._wakes:
                wake()

    def when_told(self, wake: Callable[[], None]) -> None:
        """Have this called after each commit of this process that tells of work (`wakes.tell`); it never blocks."""
        self._wakes = (*self._wakes, wake)

    def _turn(self, *, comes_first: bool) -> AbstractContextManager[None]:
        if self._turns is None:
            return nullcontext()
        return self._turns.turn(comes_first=comes_first, timeout_s=_POOL_WAIT_S)

    @contextmanager
    def _begin(self, engine: Engine, *, is_bounded: bool) -> Iterator[Connection]:
        connection, begun = self._first_step(engine, is_bounded=is_bounded, is_last=False)
        with connection, begun:
            yield connection

    def _first_step(
        self, engine: Engine, *, is_bounded: bool, is_last: bool
    ) -> tuple[Connection, AbstractContextManager[Transaction]]:
        """Begin with the limits: a connection that has died in the pool shows there, and others are made."""
        connection = engine.connect()
        try:
            begun = connection.begin()
            self._begin_bounded(connection, is_bounded=is_bounded)
        except DBAPIError as error:
            connection.close()
            if is_last or not error.connection_invalidated:
                raise
            return self._first_step(engine, is_bounded=is_bounded, is_last=True)
        except BaseException:
            connection.close()
            raise
        return connection, begun

    def _begin_bounded(self, connection: Connection, *, is_bounded: bool) -> None:
        if self.is_sqlite:
            self._is_bounded = is_bounded
            return
        # What hangs is ended by the server: a statement, a wait for a row, a transaction of a process that froze. Set
        # for each transaction, for a pooler may give the next one another connection.
        limits = {name: int(self._longest_statement_s * part * 1000) for name, part in _POSTGRESQL_LIMITS.items()}
        told = (f"SET LOCAL {name} = {limit if is_bounded else 0}" for name, limit in limits.items())
        connection.exec_driver_sql("; ".join(("BEGIN", *told)))

    def server_now(self, connection: Connection) -> datetime | None:
        """The time by which processes on one database go between each other: its server's; a SQLite file has none."""
        if self.is_sqlite:
            return None
        now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return now.astimezone(UTC)

    def migrate(self) -> None:
        """Bring the schema to this version's. Raises NewerSchema, CannotMigrate."""
        with self.remaking_tables() as connection:
            try:
                migrations.migrate(connection)
            except DBAPIError as error:
                if self._told(error) is not None:
                    raise
                raise migrations.CannotMigrate(" ".join(str(error.orig).split())[:300]) from error

    @contextmanager
    def remaking_tables(self) -> Iterator[Connection]:
        """One transaction for migrations, not bounded in time.

        SQLite alters a table by making it anew, for which nothing may refer to it meanwhile. The setting counts only
        where it is made before the transaction begins; `migrations` looks at what refers to what in the end.
        Source: https://www.sqlite.org/lang_altertable.html, 7.
        """
        if self.is_sqlite:
            self._set("foreign_keys=OFF")
        try:
            with self.transaction(is_bounded=False) as connection:
                yield connection
        finally:
            if self.is_sqlite:
                self._set("foreign_keys=ON")

    def _set(self, pragma: str) -> None:
        """Change a setting of the one connection."""
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute(f"PRAGMA {pragma}")
        finally:
            connection.close()

    def is_current(self) -> bool:
        """Tell whether the schema is this version's."""
        with self.transaction() as connection:
            return migrations.is_current(connection)

    def close(self) -> None:
        """Give everything back; nothing is written through this any more."""
        self._is_closed = True
        self._engine.dispose()
        self._first.dispose()
        if self._lock is not None:
            self._lock.close()

    def _create_engine(self, *, most: int = _CONNECTIONS) -> Engine:
        if not self.is_sqlite:
            engine = create_engine(
                self._url,
                hide_parameters=True,
                pool_size=most // 2,
                max_overflow=most - most // 2,
                pool_timeout=_POOL_WAIT_S,
                connect_args=_CONNECTING,
            )
            event.listen(engine, "do_connect", self._log_in)
            return engine
        engine = create_engine(self._url, hide_parameters=True, pool_size=1, max_overflow=0)
        event.listen(engine, "connect", self._prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        event.listen(engine, "before_cursor_execute", self._begin_statement)
        return engine

    def _log_in(self, _dialect: object, _record: object, _arguments: object, options: dict[str, object]) -> None:
        """Take the password as it is now: it may have been changed since the last connection."""
        if self._password is not None:
            options["password"] = self._password()

    def _prepare_sqlite(self, connection: DBAPIConnection, record: object) -> None:
        """WAL with synchronous=FULL: what was acknowledged survives a loss of power (with NORMAL it may not)."""
        del record
        assert isinstance(connection, sqlite3.Connection)  # noqa: S101 (only SQLite's driver comes here)
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.set_progress_handler(self._is_statement_late, _STEPS_BETWEEN_LOOKS)

    def _begin_statement(self, *_: object) -> None:
        self._statement_ends_at = time.monotonic() + self._longest_statement_s if self._is_bounded else math.inf

    def _is_statement_late(self) -> bool:
        return time.monotonic() > self._statement_ends_at

    def _told(self, error: DBAPIError) -> DatabaseUnavailable | None:
        """What we raise for a driver's error; None where the statement and not the database is at fault."""
        why = " ".join(str(error.orig).split())[:300]
        if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT or _sqlstate(error) == _STOPPED:
            return StatementTooLong(self._longest_statement_s)
        # SQLite's "malformed" is of no class below DatabaseError.
        # PostgreSQL's "read-only", as of a server that lost its role, and "idle for too long" are internal errors.
        is_theirs = isinstance(error, OperationalError | InterfaceError | InternalError)
        is_theirs = is_theirs or type(error) is DatabaseError
        return DatabaseUnavailable(why) if is_theirs or error.connection_invalidated else None

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


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock at the start, so that no transaction fails in its middle for want of it."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _sqlstate(error: DBAPIError) -> str | None:
    return error.orig.sqlstate if isinstance(error.orig, psycopg.Error) else None


def _caller() -> str:
    """The function that opened the transaction, through whatever context managers."""
    frame = inspect.currentframe()
    while frame is not None:
        outer = frame.f_back
        names = {one.f_globals.get("__name__") for one in (frame, outer) if one is not None}
        if not names & {"contextlib", __name__}:
            return f"{frame.f_globals.get('__name__')}:{frame.f_code.co_qualname}"
        frame = outer
    return "unknown"
