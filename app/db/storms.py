"""What sweeps found too much of at once: held back until a person confirms it."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Integer, Table, delete, select, update

from app.db.tables import Instant, SafeString, SafeText, insert_absent, metadata

held_back = Table(
    "held_back",
    metadata,
    Column("sweep", SafeString(64), primary_key=True),
    Column("key", SafeString(1200), primary_key=True),
    Column("found", Integer, nullable=False),
    Column("sample", SafeText, nullable=False),
    Column("held_at", Instant, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """That a sweep found too much of one thing since `held_at`: `found` says how much of what, `sample` names some."""

    sweep: str
    key: str
    found: int
    sample: str
    held_at: datetime


def accepting(sweep: str, key: str) -> str:
    """The command with which a person takes in what is held back.

    >>> accepting("tags", "gone from registry.acme.example")
    "fluxbridge sweep accept tags 'gone from registry.acme.example'"
    """
    return f"fluxbridge sweep accept {sweep} {shlex.quote(key)}"


def hold(connection: Connection, held: HeldBack) -> None:
    """Write down what is held back; what was held before keeps the time since when it is."""
    if insert_absent(connection, held_back, asdict(held)):
        return
    known = update(held_back).where(held_back.c.sweep == held.sweep, held_back.c.key == held.key)
    connection.execute(known.values(found=held.found, sample=held.sample))


def let_go(connection: Connection, sweep: str, key: str) -> None:
    """Forget that something was held back."""
    connection.execute(delete(held_back).where(held_back.c.sweep == sweep, held_back.c.key == key))


def let_go_of_others(connection: Connection, sweep: str, keys: Iterable[str]) -> None:
    """Forget what a sweep held back of things that it no longer looks at: all but these."""
    looked_at = set(keys)
    for one in every(connection):
        if one.sweep == sweep and one.key not in looked_at:
            let_go(connection, sweep, one.key)


def every(connection: Connection) -> Sequence[HeldBack]:
    """All that is held back, by sweep and key."""
    rows = connection.execute(select(held_back).order_by(held_back.c.sweep, held_back.c.key))
    return [HeldBack(**row._mapping) for row in rows]  # noqa: SLF001 (SQLAlchemy's public name for it)
