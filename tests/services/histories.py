"""Histories to begin from: made once in a process by running a lane, and for every later test a copy.

Of a copy the files, the rows and what the test's own values hold are the same. What a process remembers beside them is
not there, as after a restart.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import Connection

from app.db.collections import METADATA
from app.db.database import Database

_TABLES = tuple(table.name for table in METADATA.sorted_tables)
_NUMBERS = "the numbers that PostgreSQL gave last"
_READ_NUMBERS = "SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL"


class Movable(Protocol):
    """What stands on a folder and a database."""

    def moved(self, folder: Path, database: Database) -> Self:
        """The same, on copies of them; it shares nothing that changes with the other."""


Subject = TypeVar("Subject", bound=Movable)


@dataclass(frozen=True, slots=True)
class _Kept:
    folder: Path
    rows: Mapping[str, Any]
    subject: Any


@dataclass(frozen=True, slots=True)
class Histories:
    """Keeps what was made, below a folder that outlives single tests."""

    folder: Path
    _kept: dict[tuple[object, bool], _Kept] = field(default_factory=dict)

    def begin(self, make: Callable[[Path, Database], Subject], folder: Path, database: Database) -> Subject:
        """What `make` makes in an empty folder and a fresh database, in these."""
        key = (make, database.is_sqlite)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = self._keep(make, folder, database)
        else:
            shutil.copytree(kept.folder, folder, dirs_exist_ok=True)
            with database.transaction() as connection:
                _write(connection, kept.rows)
        subject: Subject = kept.subject
        return subject.moved(folder, database)

    def _keep(self, make: Callable[[Path, Database], Movable], folder: Path, database: Database) -> _Kept:
        subject = make(folder, database)
        ours = self.folder / str(len(self._kept))
        shutil.copytree(folder, ours, ignore=lambda _, names: [one for one in names if one.startswith("fluxbridge.db")])
        with database.transaction() as connection:
            rows = _read(connection)
        return _Kept(ours, rows, subject.moved(ours, database))


def _read(connection: Connection) -> Mapping[str, Any]:
    """The rows of every table as the driver has them: of SQLite tuples, of PostgreSQL bytes."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return {table: driver.execute(f"SELECT * FROM {table}").fetchall() for table in _TABLES}  # noqa: S608 (our own)
    rows = {}
    for table in _TABLES:
        with driver.cursor().copy(f"COPY {table} TO STDOUT (FORMAT BINARY)") as copy:
            rows[table] = b"".join(copy)
    rows[_NUMBERS] = driver.execute(_READ_NUMBERS).fetchall()
    return rows


def _write(connection: Connection, rows: Mapping[str, Any]) -> None:
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        for table, found in rows.items():
            if found:
                places = ", ".join("?" * len(found[0]))
                driver.executemany(f"INSERT INTO {table} VALUES ({places})", found)  # noqa: S608 (our own)
        return
    driver.execute("SET LOCAL session_replication_role = replica")
    for table in _TABLES:
        with driver.cursor().copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(rows[table])
    driver.cursor().executemany("SELECT setval(%s::regclass, %s)", rows[_NUMBERS])
