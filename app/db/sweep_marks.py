"""How far each sweep has come: for every Jenkins job the number up to which all its builds are known."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, Table, delete, select, update

from app.db.tables import Instant, SafeString, insert_absent, lists_of, metadata

sweep_marks = Table(
    "sweep_marks",
    metadata,
    Column("sweep", SafeString(64), primary_key=True),
    Column("key", SafeString(1200), primary_key=True),
    Column("mark", BigInteger, nullable=False),
    Column("marked_at", Instant, nullable=False),
)


def of(connection: Connection, sweep: str, keys: Iterable[str]) -> Mapping[str, int]:
    """The marks of those of these keys that have one."""
    found: dict[str, int] = {}
    for some in lists_of(keys):
        wanted = select(sweep_marks.c.key, sweep_marks.c.mark)
        rows = connection.execute(wanted.where(sweep_marks.c.sweep == sweep, sweep_marks.c.key.in_(some)))
        found |= {row.key: row.mark for row in rows}
    return found


def put(connection: Connection, sweep: str, key: str, mark: int, *, now: datetime) -> None:
    """Write down how far a sweep came with a key."""
    values = {"mark": mark, "marked_at": now}
    if not insert_absent(connection, sweep_marks, {"sweep": sweep, "key": key, **values}):
        one = (sweep_marks.c.sweep == sweep, sweep_marks.c.key == key)
        connection.execute(update(sweep_marks).where(*one).values(values))


def lock(connection: Connection, sweep: str, key: str, *, now: datetime) -> None:
    """Hold a key for this transaction: others that hold it too go one by one. One that is new is marked at 0."""
    insert_absent(connection, sweep_marks, {"sweep": sweep, "key": key, "mark": 0, "marked_at": now})
    one = select(sweep_marks.c.mark).where(sweep_marks.c.sweep == sweep, sweep_marks.c.key == key)
    connection.execute(one.with_for_update())


def forget(connection: Connection, sweep: str, key: str) -> None:
    """Forget a mark, where there is one."""
    connection.execute(delete(sweep_marks).where(sweep_marks.c.sweep == sweep, sweep_marks.c.key == key))


def forget_before(connection: Connection, sweep: str, at: datetime) -> None:
    """Forget the marks that were put before a time."""
    connection.execute(delete(sweep_marks).where(sweep_marks.c.sweep == sweep, sweep_marks.c.marked_at < at))
