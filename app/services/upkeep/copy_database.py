"""Copy a whole database into an empty one: how an installation moves from its SQLite file to PostgreSQL."""

from collections.abc import Mapping

from sqlalchemy import Connection, Table, func, insert, select

from app.core.errors import Conflict, Refused
from app.db.collections import METADATA
from app.db.database import Database

_PAGE = 100


class OtherSchema(Refused):
    """The database to copy is of another version than this program."""

    def __init__(self) -> None:
        super().__init__(
            "the database to copy is not at this version's schema: start this version on it once, stop it, "
            "and try again"
        )


class NotEmpty(Conflict):
    """The database to copy into holds something already."""

    def __init__(self, table: str, count: int) -> None:
        super().__init__(
            f"the database to copy into holds {count} rows in {table}: copy into one that was never used, "
            "for nothing in it is overwritten"
        )


class NotWhole(Conflict):
    """After copying, a table does not have as many rows as there were to copy."""

    def __init__(self, table: str, wanted: int, found: int) -> None:
        super().__init__(f"{table} has {found} rows and not {wanted}, so nothing was copied: try again")


def copy_database(source: Database, target: Database) -> Mapping[str, int]:
    """Copy every table, in one transaction, and count; returns the rows of each table.

    Nobody else may use either meanwhile, which for a SQLite file its lock sees to. Raises OtherSchema, NotEmpty,
    NotWhole; then nothing is in the target.
    """
    if not source.is_current():
        raise OtherSchema
    tables = METADATA.sorted_tables
    with source.transaction(is_bounded=False) as reading, target.transaction(is_bounded=False) as writing:
        for table in tables:
            if count := _count(writing, table):
                raise NotEmpty(table.name, count)
        return {table.name: _copy(reading, writing, table) for table in tables}


def _copy(reading: Connection, writing: Connection, table: Table) -> int:
    every = select(table).order_by(*table.primary_key).execution_options(yield_per=_PAGE)
    for page in reading.execute(every).mappings().partitions():
        writing.execute(insert(table), [dict(row) for row in page])
    _number_on(writing, table)
    wanted, found = _count(reading, table), _count(writing, table)
    if wanted != found:
        raise NotWhole(table.name, wanted, found)
    return found


def _number_on(writing: Connection, table: Table) -> None:
    """Have PostgreSQL number new rows after those that came with their numbers; SQLite does so by itself."""
    column = table.autoincrement_column
    if writing.dialect.name != "postgresql" or column is None:
        return
    highest = writing.execute(select(func.max(column))).scalar()
    sequence = writing.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar()
    if highest is not None and sequence is not None:
        writing.execute(select(func.setval(sequence, highest)))


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()
