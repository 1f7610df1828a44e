"""The outbox: what is to be told to others, written in the transaction of what it tells of, and sent after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.engine import Row

from app.db import wakes
from app.db.claims import Queue
from app.db.tables import Instant, SafeString, SafeText, insert_absent, metadata, new_id, storable

_LONGEST_ERROR = 1000

outbox = Table(
    "outbox",
    metadata,
    Column("id", SafeString(32), primary_key=True),
    Column("channel", SafeString(32), nullable=False),
    Column("target", SafeString(400), nullable=False),
    Column("key", SafeString(400), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("queued_at", Instant, nullable=False),
    Column("due_at", Instant),
    Column("attempts", Integer, nullable=False),
    Column("error", SafeText),
    Column("owner", SafeString(64)),
    Column("lease_until", Instant),
    Column("fence", BigInteger, nullable=False),
    Column("ended_at", Instant),
    Column("outcome", SafeString(16)),
    UniqueConstraint("channel", "key"),
    Index("ix_outbox_due_at", "due_at"),
    Index("ix_outbox_ended_at", "ended_at"),
)

QUEUE = Queue(outbox, key=outbox.c.id, due=outbox.c.due_at)
"""Who sends which telling."""


class Channel(StrEnum):
    """The ways in which others are told."""

    RECEIVER = "receiver"
    COMMENT = "comment"


# What a newer version beside this one has to tell in another way is left to that.
NEXT_DUE = QUEUE.next_due(
    outbox.c.channel.in_(list(Channel)), outbox.c.target.not_in(bindparam("excluding", expanding=True))
)
"""The query for the telling that has been due longest, to none of some targets, and that nobody sends."""
_TAKE = QUEUE.taking(NEXT_DUE)


class Outcome(StrEnum):
    """How a telling ended: it was sent, could not be, or was not to be sent any more."""

    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Something to tell. `target` names for people who is told, and no two are told at once that have the same.

    Two of one channel with the same `key` are one. `payload` is what the channel needs to send it; no secrets.
    """

    channel: Channel
    target: str
    key: str
    payload: Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedTelling:
    """A telling that one worker may send until its lease ends."""

    id: str
    channel: str
    target: str
    key: str
    payload: Mapping[str, Any]
    queued_at: datetime
    attempts: int
    owner: str
    fence: int

    @property
    def may_be_sent(self) -> bool:
        """Whether somebody may have sent it already: it was taken before."""
        return self.fence > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingRow:
    """A telling as it stands; `due_at` None: it has ended. `error` is why it failed, or has not been sent yet."""

    id: str
    channel: str
    target: str
    key: str
    payload: Mapping[str, Any]
    queued_at: datetime
    due_at: datetime | None
    attempts: int
    error: str | None
    owner: str | None
    lease_until: datetime | None
    fence: int
    ended_at: datetime | None
    outcome: str | None


def tell_once(connection: Connection, telling: Telling, *, now: datetime) -> bool:
    """Have it told, unless one of its key is known, sent or not; false where it is."""
    is_new = _insert(connection, telling, now)
    if is_new:
        wakes.tell(connection)
    return is_new


def tell_newest(connection: Connection, telling: Telling, *, now: datetime) -> None:
    """Have it told in place of what is known of its key: an older one that was not sent yet never is."""
    if not _insert(connection, telling, now):
        again = {"target": telling.target, "payload": dict(telling.payload), "queued_at": now, "due_at": now}
        fresh = {"attempts": 0, "error": None, "ended_at": None, "outcome": None}
        # Who is sending the older one must not end this one with it.
        taken_away = {"owner": None, "lease_until": None, "fence": outbox.c.fence + 1}
        same = (outbox.c.channel == telling.channel, outbox.c.key == telling.key)
        connection.execute(update(outbox).where(*same).values({**again, **fresh, **taken_away}))
    wakes.tell(connection)


def _insert(connection: Connection, telling: Telling, now: datetime) -> bool:
    new = {
        "id": new_id(now),
        "channel": telling.channel,
        "target": telling.target,
        "key": telling.key,
        "payload": {name: storable(one) if isinstance(one, str) else one for name, one in telling.payload.items()},
        "queued_at": now,
        "due_at": now,
        "attempts": 0,
        "fence": 0,
    }
    return insert_absent(connection, outbox, new)


def claim_due(
    connection: Connection, *, owner: str, now: datetime, lease: timedelta, excluding: Sequence[str] = ()
) -> ClaimedTelling | None:
    """Take the telling that has been due longest, to none of these targets; None when there is none."""
    asked = {"now": now, "excluding": list(excluding), "most": 1, "by": owner, "until": now + lease}
    row = connection.execute(_TAKE, asked).one_or_none()
    if row is None:
        return None
    return ClaimedTelling(
        id=row.id,
        channel=row.channel,
        target=row.target,
        key=row.key,
        payload=row.payload,
        queued_at=row.queued_at,
        attempts=row.attempts,
        owner=owner,
        fence=row.fence,
    )


def end(connection: Connection, claim: ClaimedTelling, outcome: Outcome, *, why: str | None, now: datetime) -> bool:
    """Say how it ended; false, and nothing written, when another has taken it over or a newer one its place."""
    return QUEUE.end(connection, claim, outcome=outcome, error=_told(why), due_at=None, ended_at=now)


def put_off(connection: Connection, claim: ClaimedTelling, *, due_at: datetime, error: str, counts: bool) -> bool:
    """Send it later; `counts` where that was a failed attempt. False when the claim no longer holds."""
    attempts = outbox.c.attempts + (1 if counts else 0)
    return QUEUE.end(connection, claim, due_at=due_at, error=_told(error), attempts=attempts)


def _told(why: str | None) -> str | None:
    return None if why is None else storable(why)[:_LONGEST_ERROR]


def waiting(connection: Connection) -> dict[str, int]:
    """How many wait to be sent, by channel; every channel is there."""
    is_waiting = outbox.c.due_at.is_not(None)
    counted = select(outbox.c.channel, func.count().label("total")).where(is_waiting).group_by(outbox.c.channel)
    return dict.fromkeys(Channel, 0) | {row.channel: row.total for row in connection.execute(counted)}


def oldest_waiting(connection: Connection) -> datetime | None:
    """Since when the oldest waits that was not sent yet."""
    since: datetime | None = connection.execute(
        select(func.min(outbox.c.queued_at)).where(outbox.c.due_at.is_not(None))
    ).scalar()
    return since


def in_trouble(connection: Connection, *, limit: int) -> Sequence[TellingRow]:
    """The newest of those that failed for good, and of those that wait after a failure."""
    failed = select(outbox).where(outbox.c.outcome == Outcome.FAILED).order_by(outbox.c.ended_at.desc())
    stuck = select(outbox).where(outbox.c.due_at.is_not(None), outbox.c.error.is_not(None))
    stuck = stuck.order_by(outbox.c.queued_at)
    return [_row(row) for query in (failed, stuck) for row in connection.execute(query.limit(limit))]


def every(connection: Connection, *, limit: int) -> Sequence[TellingRow]:
    """The newest tellings, in the order in which they were first written."""
    newest = connection.execute(select(outbox).order_by(outbox.c.id.desc()).limit(limit))
    return [_row(row) for row in reversed(newest.all())]


def count_ended(connection: Connection, ended_before: datetime) -> int:
    """How many `drop_ended` would drop in the end."""
    ended = select(func.count()).where(outbox.c.ended_at < ended_before)
    return connection.execute(ended).scalar_one()


def drop_ended(connection: Connection, ended_before: datetime, *, limit: int) -> int:
    """Drop some that ended before this; returns how many."""
    some = select(outbox.c.id).where(outbox.c.ended_at < ended_before).order_by(outbox.c.ended_at).limit(limit)
    ids = list(connection.execute(some.with_for_update(skip_locked=True)).scalars())
    if ids:
        connection.execute(delete(outbox).where(outbox.c.id.in_(ids), outbox.c.ended_at < ended_before))
    return len(ids)


def release_all(connection: Connection) -> None:
    """Clear all leases and raise their fences: for a process that knows itself to be alone."""
    QUEUE.release_all(connection)


def _row(row: Row[Any]) -> TellingRow:
    return TellingRow(**row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
