"""What every table shares: the metadata, naming of constraints, and times as epoch milliseconds.

A statement that each webhook or pull request needs is a constant of its table's module, with bound parameters:
SQLAlchemy takes longer to make one than to execute it.
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    MetaData,
    String,
    Table,
    Text,
    and_,
    bindparam,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.types import TypeDecorator

Listed = TypeVar("Listed", str, int, tuple[str, str])
_UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")
_MOST_IN_A_LIST = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as epoch milliseconds; what is finer than a millisecond is cut off."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To the database."""
        del dialect
        return None if value is None else milliseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        del dialect
        return None if value is None else of_milliseconds(value)


class SafeText(TypeDecorator[str]):
    """A text from outside: what no database takes is replaced, in values as in comparisons."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """To the database."""
        del dialect
        return None if value is None else storable(value)


class SafeString(TypeDecorator[str]):
    """A text from outside, of limited length."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """To the database."""
        del dialect
        return None if value is None else storable(value)


def milliseconds(at: datetime) -> int:
    """Milliseconds since the epoch, cut off in whole numbers: a float would lose one now and then."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def of_milliseconds(value: int) -> datetime:
    """The time that so many milliseconds since the epoch are."""
    return _EPOCH + timedelta(milliseconds=value)


def to_the_millisecond(at: datetime | None) -> datetime | None:
    """A time as the database gives it back."""
    return None if at is None else of_milliseconds(milliseconds(at))


def insert_absent(connection: Connection, table: Table, values: Mapping[str, object]) -> bool:
    """Insert a row unless its key is taken, also by a transaction that runs beside this one; false when it is."""
    return connection.execute(_absent_and_told(connection.dialect.name, table), dict(values)).first() is not None


def insert_all_absent(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert those rows whose keys are not taken."""
    if rows:
        connection.execute(_absent(connection.dialect.name, table), [dict(row) for row in rows])


def inserting(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """The statement that inserts into a table and may be told what to do where a key is taken."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


@cache
def _absent(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    return inserting(dialect, table).on_conflict_do_nothing()


@cache
def _absent_and_told(dialect: str, table: Table) -> ReturningInsert[tuple[object, ...]]:
    return _absent(dialect, table).returning(*table.primary_key)


def lists_of(values: Iterable[Listed]) -> Iterator[Sequence[Listed]]:
    """Different values, sorted, in lists that `IN` takes on every database."""
    wanted = sorted(set(values))
    return (wanted[start : start + _MOST_IN_A_LIST] for start in range(0, len(wanted), _MOST_IN_A_LIST))


def new_id(now: datetime) -> str:
    """A new id that sorts by time: twelve hex digits of milliseconds and twelve random ones."""
    return f"{milliseconds(now):012x}{secrets.token_hex(6)}"


def storable(text: str) -> str:
    """A text as every database takes it: U+0000 and lone surrogates replaced.

    >>> storable("a" + chr(0) + "b" + chr(0xD800))
    'a�b�'
    """
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def is_pair(first: Column[str], second: Column[str]) -> ColumnElement[bool]:
    """That two columns have one of the pairs that `pairs` gives.

    SQLite has no index for pairs, so each column is asked by itself too, for which the index of both is used.
    """
    return and_(
        first.in_(bindparam("firsts", expanding=True)),
        second.in_(bindparam("seconds", expanding=True)),
        tuple_(first, second).in_(bindparam("pairs", expanding=True)),
    )


def pairs(some: Iterable[tuple[str, str]]) -> Mapping[str, list[str] | list[tuple[str, str]]]:
    """The parameters of `is_pair`."""
    every = list(some)
    return {
        "firsts": sorted({first for first, _ in every}),
        "seconds": sorted({second for _, second in every}),
        "pairs": every,
    }
