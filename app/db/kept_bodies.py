"""The bodies of deliveries that ended: how much of them is kept of each source and day, and what is dropped.

All else of these deliveries stays.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)

from app.db import measures
from app.db.deliveries import deliveries
from app.db.delivery_claims import ClaimedDelivery
from app.db.tables import SafeString, insert_absent, metadata, milliseconds

kept_bodies = Table(
    "kept_bodies",
    metadata,
    Column("source", SafeString(64), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("bytes", BigInteger, nullable=False),
)

DROPPED = "bodies_dropped"
"""The measure of the bodies that a source's day had no room for, by source."""
_DAY_MS = 86_400_000
_EMPTY = {"body": b"", "unpacked_bytes": None}
_NO_LIMIT = 2**62
_TAKE = (
    update(kept_bodies)
    .where(kept_bodies.c.source == bindparam("its_source"), kept_bodies.c.day == bindparam("its_day"))
    .where(kept_bodies.c.bytes + bindparam("more", type_=BigInteger) <= bindparam("most", type_=BigInteger))
    .values(bytes=kept_bodies.c.bytes + bindparam("more", type_=BigInteger))
)
_is_kept = and_(deliveries.c.ended_at.is_not(None), deliveries.c.dropped_at.is_(None))


def keep_within(connection: Connection, claim: ClaimedDelivery, *, day_bytes: int | None, now: datetime) -> None:
    """Count the body of a delivery that has just ended, or drop it where its source's day has no room for it.

    None keeps it in any case: that of one that was given up, of which nothing was written down. The day's row is held
    until the commit.
    """
    keep_all_within(connection, [claim], day_bytes=day_bytes, now=now)


def keep_all_within(
    connection: Connection, claims: Iterable[ClaimedDelivery], *, day_bytes: int | None, now: datetime
) -> None:
    """The same for several: those of one day together where it has room for all, else one by one."""
    of_day: dict[tuple[str, int], list[ClaimedDelivery]] = defaultdict(list)
    for claim in claims:
        of_day[claim.source, _day(claim.received_at)].append(claim)
    for (source, day), its in sorted(of_day.items()):
        if len(its) > 1 and _take_room(connection, source, day, sum(map(_size, its)), day_bytes):
            continue
        for claim in its:
            if not _take_room(connection, source, day, _size(claim), day_bytes):
                _empty(connection, [claim.id], now)
                measures.add(connection, DROPPED, source)


def let_go(connection: Connection, delivery_id: str) -> None:
    """Count the body of a delivery no more that is to wait again."""
    ended = select(deliveries.c.id).where(deliveries.c.id == delivery_id, _is_kept).with_for_update()
    _give_back(connection, [row.id for row in connection.execute(ended)])


def kept_before(ended_before: datetime) -> Select[tuple[str]]:
    """The query for deliveries that ended before this and whose bodies are still there, longest first."""
    return (
        select(deliveries.c.id)
        .where(deliveries.c.dropped_at.is_(None), deliveries.c.ended_at < ended_before)
        .order_by(deliveries.c.ended_at)
    )


def drop(connection: Connection, ended_before: datetime, *, now: datetime, limit: int) -> int:
    """Drop some bodies of deliveries that ended before this; returns how many."""
    some = kept_before(ended_before).limit(limit).with_for_update(skip_locked=True)
    ids = [row.id for row in connection.execute(some)]
    if ids:
        _give_back(connection, ids)
        _empty(connection, ids, now)
    return len(ids)


def count(connection: Connection, ended_before: datetime) -> int:
    """How many bodies `drop` would drop in the end."""
    return connection.execute(select(func.count()).select_from(kept_before(ended_before).subquery())).scalar_one()


def bytes_by_source(connection: Connection) -> dict[str, int]:
    """The bytes of all these bodies, as they are stored, of each source."""
    total = func.sum(kept_bodies.c.bytes).label("total")
    by_source = select(kept_bodies.c.source, total).group_by(kept_bodies.c.source).order_by(kept_bodies.c.source)
    return {row.source: int(row.total) for row in connection.execute(by_source)}


def _take_room(connection: Connection, source: str, day: int, size: int, limit: int | None) -> bool:
    values = {"its_source": source, "its_day": day, "more": size, "most": _NO_LIMIT if limit is None else limit}
    if connection.execute(_TAKE, values).rowcount == 1:
        return True
    insert_absent(connection, kept_bodies, {"source": source, "day": day, "bytes": 0})
    return connection.execute(_TAKE, values).rowcount == 1


def _give_back(connection: Connection, ids: Sequence[str]) -> None:
    """Days are taken in their order, so that two that give back never wait for each other."""
    sized = select(deliveries.c.source, deliveries.c.received_at, func.length(deliveries.c.body).label("size"))
    sizes: Counter[tuple[str, int]] = Counter()
    for row in connection.execute(sized.where(deliveries.c.id.in_(ids))):
        sizes[row.source, _day(row.received_at)] += row.size
    for (source, day), size in sorted(sizes.items()):
        is_day = and_(kept_bodies.c.source == source, kept_bodies.c.day == day)
        connection.execute(update(kept_bodies).where(is_day).values(bytes=kept_bodies.c.bytes - size))
        connection.execute(delete(kept_bodies).where(is_day, kept_bodies.c.bytes <= 0))


def _empty(connection: Connection, ids: Sequence[str], now: datetime) -> None:
    connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(**_EMPTY, dropped_at=now))


def _size(claim: ClaimedDelivery) -> int:
    return len(claim.content.stored)


def _day(received_at: datetime) -> int:
    return milliseconds(received_at) // _DAY_MS
