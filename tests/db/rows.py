"""A row for every table of a schema of any version."""

from typing import Any

from sqlalchemy import Boolean, Connection, Integer, MetaData, Table

_LONGEST = 30


def tables_of(connection: Connection) -> list[Table]:
    """The tables that a database has, but for Alembic's own, in an order in which they can be filled."""
    known = MetaData()
    known.reflect(connection)
    return [table for table in known.sorted_tables if table.name != "alembic_version"]


def one_row(table: Table) -> dict[str, Any]:
    """One row: texts of one word, so that what refers to another row finds it."""
    values: dict[str, Any] = {}
    for column in table.columns:
        kind = column.type.python_type if not isinstance(column.type, Boolean) else bool
        match column.name:
            case "tests" | "parameters" | "headers" | "tags" | "stages":
                values[column.name] = {}
            case "plan" | "spec":
                values[column.name] = "{}"
            case _ if kind is bool:
                values[column.name] = False
            case _ if issubclass(kind, int) or isinstance(column.type, Integer):
                values[column.name] = 1
            case _ if kind is bytes:
                values[column.name] = b"{}"
            case _:
                values[column.name] = "one"[:_LONGEST]
    return values
