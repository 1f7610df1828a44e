"""How the database goes about the statements that a step executes: captured as it runs, and explained afterwards."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, event

from app.db.database import Database

# These grow for as long as the server runs; the others are as many as policies, lanes or repositories are.
GROWING = frozenset(
    {
        "applications",
        "build_artifacts",
        "builds",
        "deliveries",
        "holds",
        "promotion_events",
        "promotions",
        "pull_requests",
        "pushed_heads",
        "pushes",
        "tags",
    }
)


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements that ran, each with the parameters of its first run."""

    database: Database
    seen: dict[str, Any] = field(default_factory=dict)

    def passes(self) -> dict[str, list[str]]:
        """The statements that go through all of a growing table, with how they are carried out."""
        with self.database.transaction() as connection:
            found = {text: self._passes(connection, text, parameters) for text, parameters in self.seen.items()}
        return {text: lines for text, lines in found.items() if lines}

    def _passes(self, connection: Connection, text: str, parameters: Any) -> list[str]:
        if self.database.is_sqlite:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)
            return _sqlite_passes(text, [str(row[3]) for row in rows])
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explained = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON, COSTS OFF) {text}", parameters).scalar_one()
        [told] = json.loads(explained) if isinstance(explained, str) else explained
        return list(_postgresql_passes(told["Plan"], is_cut=False))


@contextmanager
def watching(database: Database) -> Iterator[Statements]:
    """Note every statement that runs on a database while this is open."""
    statements = Statements(database)

    def note(_connection: object, _cursor: object, text: str, parameters: Any, _context: object, many: bool) -> None:  # noqa: FBT001
        if re.match(r"(SELECT|UPDATE|DELETE|WITH)\b", text.lstrip()):
            statements.seen.setdefault(text, parameters[0] if many else parameters)

    engine = database._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def _sqlite_passes(text: str, plan: list[str]) -> list[str]:
    """`SCAN table` is a pass, unless it goes in the order that is wanted up to a limit: that ends after a page."""
    is_cut = "LIMIT" in text and not any("TEMP B-TREE FOR ORDER BY" in line for line in plan)
    aliases = {alias: table for table, alias in re.findall(r"\b(\w+) AS (\w+)", text)}
    passes = []
    for line in plan:
        scanned = re.match(r"SCAN (\w+)", line)
        if scanned is not None and aliases.get(scanned[1], scanned[1]) in GROWING and not is_cut:
            passes.append(line)
    return passes


def _postgresql_passes(node: dict[str, Any], *, is_cut: bool) -> Iterator[str]:
    kind, table = node["Node Type"], node.get("Relation Name")
    is_cut = (is_cut or kind == "Limit") and kind not in {"Sort", "Aggregate", "Hash"}
    if table in GROWING and kind != "ModifyTable":
        has_condition = bool(node.get("Index Cond")) or kind in {"Bitmap Heap Scan", "Tid Scan"}
        if kind == "Seq Scan" or (not has_condition and not is_cut):
            yield f"{kind} {table} {node.get('Index Name', '')} {node.get('Filter', '')}"
    for below in node.get("Plans", []):
        yield from _postgresql_passes(below, is_cut=is_cut)
