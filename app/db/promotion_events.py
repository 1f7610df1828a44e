"""The history: what happened to each promotion, append-only, chained by hash within a lane."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    literal,
    select,
    tuple_,
)
from sqlalchemy.engine import Row

from app.db.tables import Instant, SafeString, SafeText, lists_of, metadata, milliseconds, storable

_BROKEN = "broken"

promotion_events = Table(
    "promotion_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("lane", SafeString(400), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("promotion_id", SafeString(32), nullable=False),
    Column("at", Instant, nullable=False),
    Column("what", SafeString(16), nullable=False),
    Column("who", SafeText, nullable=False),
    Column("reason", SafeText, nullable=False),
    Column("previous_hash", SafeString(64), nullable=False),
    Column("hash", SafeString(64), nullable=False),
    UniqueConstraint("lane", "seq"),
    Index("ix_promotion_events_promotion_id", "promotion_id"),
)

_LAST = (
    select(promotion_events.c.seq, promotion_events.c.hash)
    .where(promotion_events.c.lane == bindparam("its_lane"))
    .order_by(promotion_events.c.seq.desc())
    .limit(1)
)
_INSERT = insert(promotion_events)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event; its hash covers its own content and the hash of the event before it in the lane."""

    lane: str
    seq: int
    promotion_id: str
    at: datetime
    what: str
    who: str
    reason: str
    previous_hash: str
    hash: str


def append(  # noqa: PLR0913 (the columns of an event, all named)
    connection: Connection, *, lane: str, promotion_id: str, what: str, who: str, at: datetime, reason: str
) -> None:
    """Append an event to its lane's chain; the caller owns the lane, so the chain has one writer."""
    last = connection.execute(_LAST, {"its_lane": lane}).one_or_none()
    seq, previous = (last.seq + 1, last.hash) if last is not None else (1, "")
    values = {
        "lane": lane,
        "seq": seq,
        "promotion_id": promotion_id,
        "at": at,
        "what": str(what),
        "who": storable(who),
        "reason": storable(reason),
        "previous_hash": previous,
    }
    connection.execute(_INSERT, {**values, "hash": _hash(values)})


def of_promotion(connection: Connection, promotion_id: str) -> Sequence[EventRow]:
    """The events of one promotion in order."""
    return of_promotions(connection, [promotion_id])


def of_promotions(connection: Connection, ids: Iterable[str]) -> Sequence[EventRow]:
    """The events of promotions, in the order of each lane."""
    wanted = (select(promotion_events).where(promotion_events.c.promotion_id.in_(some)) for some in lists_of(ids))
    rows = [_row(row) for one in wanted for row in connection.execute(one)]
    return sorted(rows, key=lambda one: (one.lane, one.seq))


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chains: the event up to which they were found whole."""

    lane: str = ""
    seq: int = 0
    hash: str = ""


def check_chains(connection: Connection, after: Link, *, limit: int) -> tuple[Sequence[tuple[str, int]], Link | None]:
    """Check some events after this place: which (lane, seq) break their chain, and where to go on; None at the end.

    Of a lane only the first broken event is told: what was built on it proves nothing.
    """
    place = (promotion_events.c.lane, promotion_events.c.seq)
    wanted = select(promotion_events).where(tuple_(*place) > tuple_(literal(after.lane), literal(after.seq)))
    rows = connection.execute(wanted.order_by(*place).limit(limit)).all()
    broken: list[tuple[str, int]] = []
    link = after
    for row in rows:
        if row.lane != link.lane:
            link = Link(row.lane)
        if link.hash == _BROKEN:
            continue
        values = dict(row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
        written = values.pop("hash")
        values.pop("id")
        is_whole = row.seq == link.seq + 1 and row.previous_hash == link.hash and _hash(values) == written
        if not is_whole:
            broken.append((row.lane, link.seq + 1))
        link = Link(row.lane, row.seq, written if is_whole else _BROKEN)
    end = Link(link.lane, rows[-1].seq, link.hash) if len(rows) == limit else None
    return broken, end


def count(connection: Connection) -> int:
    """How many events there are."""
    return connection.execute(select(func.count()).select_from(promotion_events)).scalar_one()


def _hash(values: dict[str, object]) -> str:
    at = values["at"]
    assert isinstance(at, datetime)  # noqa: S101 (the column's type)
    content = {**values, "at": milliseconds(at)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _row(row: Row[tuple[object, ...]]) -> EventRow:
    values = dict(row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
    values.pop("id")
    return EventRow(**values)
