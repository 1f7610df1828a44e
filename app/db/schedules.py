"""Schedules: when each sweep is due, who runs it now, and how its last run ended."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Select,
    Table,
    bindparam,
    delete,
    func,
    select,
    update,
)

from app.db.claims import Queue
from app.db.tables import Instant, SafeString, SafeText, insert_absent, metadata, storable

schedules = Table(
    "schedules",
    metadata,
    Column("name", SafeString(64), primary_key=True),
    Column("next_at", Instant),
    Column("owner", SafeString(64)),
    Column("lease_until", Instant),
    Column("fence", BigInteger, nullable=False),
    Column("last_started_at", Instant),
    Column("last_ended_at", Instant),
    Column("last_found", Integer),
    Column("last_error", SafeText),
    Index("ix_schedules_next_at", "next_at"),
)

QUEUE = Queue(schedules, key=schedules.c.name, due=schedules.c.next_at)
"""Who runs which sweep."""
_NEXT_DUE = QUEUE.next_due()
_STARTED = {"last_started_at": bindparam("now", type_=Instant)}
_TAKE_DUE, _TAKE = QUEUE.taking(_NEXT_DUE, **_STARTED), QUEUE.taking(QUEUE.free(), **_STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRow:
    """A sweep as it stands; `next_at` None: it runs only when a person asks for it."""

    name: str
    next_at: datetime | None
    owner: str | None
    lease_until: datetime | None
    fence: int
    last_started_at: datetime | None
    last_ended_at: datetime | None
    last_found: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class SweepClaim:
    """The right to run a sweep until the lease ends."""

    name: str
    owner: str
    fence: int


def ensure(connection: Connection, name: str, next_at: datetime | None) -> None:
    """Make a sweep known and say when it is due next; None: never by itself."""
    if not insert_absent(connection, schedules, {"name": name, "next_at": next_at, "fence": 0}):
        connection.execute(update(schedules).where(schedules.c.name == name).values(next_at=next_at))


def know(connection: Connection, name: str) -> None:
    """Make a sweep known without a time of its own; one that is known stays as it is."""
    insert_absent(connection, schedules, {"name": name, "fence": 0})


def forget_others(connection: Connection, names: Collection[str]) -> None:
    """Forget sweeps that are none of these: those of an earlier version that there are no more."""
    connection.execute(delete(schedules).where(schedules.c.name.not_in(names)))


def next_due(now: datetime) -> Select[tuple[str]]:
    """The query for the sweep that has been due longest and that nobody runs."""
    return _NEXT_DUE.params(now=now, most=1)


def claim_due(connection: Connection, *, owner: str, now: datetime, lease: timedelta) -> SweepClaim | None:
    """Take the sweep that has been due longest, also one whose lease has ended; None when none is due."""
    row = connection.execute(_TAKE_DUE, {"now": now, "most": 1, "by": owner, "until": now + lease}).one_or_none()
    return SweepClaim(row.name, owner, row.fence) if row is not None else None


def claim(connection: Connection, name: str, *, owner: str, now: datetime, lease: timedelta) -> SweepClaim | None:
    """Take a sweep whether or not it is due; None while another runs it."""
    row = connection.execute(_TAKE, {"its_key": name, "now": now, "by": owner, "until": now + lease}).one_or_none()
    return SweepClaim(row.name, owner, row.fence) if row is not None else None


def renew(connection: Connection, claim: SweepClaim, *, now: datetime, lease: timedelta) -> bool:
    """Prolong the lease; false when the claim no longer holds, also after it was finished."""
    return QUEUE.renew(connection, claim, now=now, lease=lease)


def finish(  # noqa: PLR0913 (how it ended, all named)
    connection: Connection, claim: SweepClaim, *, now: datetime, next_at: datetime | None, found: int, error: str | None
) -> bool:
    """End a run; false, and nothing written, when the claim no longer holds."""
    return QUEUE.end(
        connection,
        claim,
        next_at=next_at,
        last_ended_at=now,
        last_found=found,
        last_error=storable(error) if error is not None else None,
    )


def note(  # noqa: PLR0913 (how it went, all named)
    connection: Connection, name: str, *, started_at: datetime, ended_at: datetime, found: int, error: str | None
) -> None:
    """Write down how a run ended that nobody had to claim; when it is due stays as it is."""
    went = {
        "last_started_at": started_at,
        "last_ended_at": ended_at,
        "last_found": found,
        "last_error": storable(error) if error is not None else None,
    }
    connection.execute(update(schedules).where(schedules.c.name == name).values(went))


def release(connection: Connection, claim: SweepClaim) -> None:
    """Give a sweep back before its end: it is due as before, and this claim writes nothing any more."""
    QUEUE.release(connection, claim)


def release_all(connection: Connection) -> None:
    """Clear all leases and raise their fences: for a process that knows itself to be alone."""
    QUEUE.release_all(connection)


def next_due_at(connection: Connection) -> datetime | None:
    """When the next sweep that nobody runs is due."""
    found: datetime | None = connection.execute(
        select(func.min(schedules.c.next_at)).where(schedules.c.owner.is_(None))
    ).scalar()
    return found


def every(connection: Connection) -> Sequence[ScheduleRow]:
    """All sweeps that were ever known, by name."""
    rows = connection.execute(select(schedules).order_by(schedules.c.name))
    return [ScheduleRow(**row._mapping) for row in rows]  # noqa: SLF001 (SQLAlchemy's public name for it)
