"""What is renamed in the database keeps all that is in it, up and back, with keys and indexes of its name."""

from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, Table, insert, inspect, select

from app.db.collections import METADATA
from app.db.database import Database
from app.db.migrations import configuration
from tests.db.former_names import COLUMNS, TABLES, column_now, table_now
from tests.db.rows import one_row, tables_of

_BEFORE, _AFTER = "holds_of_people", "plain_names"


@pytest.fixture
def before(database: Database) -> Database:
    """The database as the version before it had it, with one row in every table."""
    _downgrade(database)
    with database.transaction() as connection:
        for table in tables_of(connection):
            connection.execute(insert(table).values(one_row(table)))
    return database


def test_every_row_has_what_it_had_under_the_new_names(before: Database) -> None:
    had = {
        table_now(table): {column_now(table_now(table), name): value for name, value in row.items()}
        for table, row in _rows(before).items()
    }
    with before.remaking_tables() as connection:
        command.upgrade(configuration(connection), _AFTER)
    assert _rows(before) == had


def test_every_row_has_what_it_had_after_the_way_back(before: Database) -> None:
    had = _rows(before)
    before.migrate()
    _downgrade(before)
    assert _rows(before) == had
    with before.transaction() as connection:
        assert {_key(connection, table) for table in TABLES} == {f"pk_{table}" for table in TABLES}


def test_keys_and_indexes_are_called_as_the_code_has_them(before: Database) -> None:
    before.migrate()
    with before.transaction() as connection:
        for name in {*TABLES.values(), *COLUMNS}:
            table = METADATA.tables[name]
            assert _key(connection, name) == table.primary_key.name
            found = {one["name"] for one in inspect(connection).get_indexes(name)}
            assert found == {one.name for one in table.indexes}


def _downgrade(database: Database) -> None:
    with database.remaking_tables() as connection:
        command.downgrade(configuration(connection), _BEFORE)


def _key(connection: Connection, table: str) -> str | None:
    return inspect(connection).get_pk_constraint(table)["name"]


def _rows(database: Database) -> dict[str, dict[str, Any]]:
    with database.transaction() as connection:
        return {table.name: _row(connection, table) for table in tables_of(connection)}


def _row(connection: Connection, table: Table) -> dict[str, Any]:
    return dict(connection.execute(select(table)).one()._mapping)
