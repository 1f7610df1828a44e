"""Measures: what is counted over all processes and restarts, raised in the transaction of what they count."""

from sqlalchemy import BigInteger, Column, Connection, Table, bindparam, select, update

from app.db.tables import SafeString, insert_absent, metadata

measures = Table(
    "measures",
    metadata,
    Column("name", SafeString(64), primary_key=True),
    Column("label", SafeString(128), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

_RAISE = (
    update(measures)
    .where(measures.c.name == bindparam("its_name"), measures.c.label == bindparam("its_label"))
    .values(value=measures.c.value + bindparam("more"))
)


def add(connection: Connection, name: str, label: str = "", by: int = 1) -> None:
    """Raise a measure. Its row is held until the commit, so this is the last step of a transaction."""
    raised = {"its_name": name, "its_label": label, "more": by}
    if connection.execute(_RAISE, raised).rowcount == 0 and not insert_absent(
        connection, measures, {"name": name, "label": label, "value": by}
    ):
        connection.execute(_RAISE, raised)


def every(connection: Connection) -> dict[str, dict[str, int]]:
    """All measures: names, with the value of each label."""
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(select(measures).order_by(measures.c.name, measures.c.label)):
        found.setdefault(row.name, {})[row.label] = row.value
    return found
