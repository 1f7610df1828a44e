"""Storms: what sweeps found too much of at once, and take in only when a person accepts it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Integer, Table, delete, select, update

from app.db.tables import Instant, SafeString, SafeText, insert_absent, metadata

storms = Table(
    "storms",
    metadata,
    Column("sweep", SafeString(64), primary_key=True),
    Column("key", SafeString(1200), primary_key=True),
    Column("found", Integer, nullable=False),
    Column("sample", SafeText, nullable=False),
    Column("since", Instant, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """That there was too much of one thing, `since` when: `found` says how much, `sample` of what, and names some."""

    sweep: str
    key: str
    found: int
    sample: str
    since: datetime


def note(connection: Connection, storm: Storm) -> None:
    """Write a storm down; one that is known keeps the time since when it is."""
    if insert_absent(connection, storms, asdict(storm)):
        return
    known = update(storms).where(storms.c.sweep == storm.sweep, storms.c.key == storm.key)
    connection.execute(known.values(found=storm.found, sample=storm.sample))


def end(connection: Connection, sweep: str, key: str) -> None:
    """Forget a storm, where there is one."""
    connection.execute(delete(storms).where(storms.c.sweep == sweep, storms.c.key == key))


def end_others(connection: Connection, sweep: str, keys: Iterable[str]) -> None:
    """Forget the storms of what a sweep asks for no more: all but these."""
    kept = set(keys)
    for one in every(connection):
        if one.sweep == sweep and one.key not in kept:
            end(connection, sweep, one.key)


def every(connection: Connection) -> Sequence[Storm]:
    """All storms, by sweep and key."""
    rows = connection.execute(select(storms).order_by(storms.c.sweep, storms.c.key))
    return [Storm(**row._mapping) for row in rows]  # noqa: SLF001 (SQLAlchemy's public name for it)
