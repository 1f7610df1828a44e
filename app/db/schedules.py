"""Schedules: when each sweep is due, who runs it now, and how its last run ended."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Select,
    Table,
    Update,
    delete,
    func,
    or_,
    select,
    update,
)

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
    return (
        select(schedules.c.name)
        .where(schedules.c.next_at <= now, _is_free(now))
        .order_by(schedules.c.next_at, schedules.c.name)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def claim_due(connection: Connection, *, owner: str, now: datetime, lease: timedelta) -> SweepClaim | None:
    """Take the sweep that has been due longest, also one whose lease has ended; None when none is due."""
    return _claim(connection, next_due(now), owner=owner, now=now, lease=lease)


def claim(connection: Connection, name: str, *, owner: str, now: datetime, lease: timedelta) -> SweepClaim | None:
    """Take a sweep whether or not it is due; None while another runs it."""
    free = select(schedules.c.name).where(schedules.c.name == name, _is_free(now)).with_for_update(skip_locked=True)
    return _claim(connection, free, owner=owner, now=now, lease=lease)


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(schedules.c.lease_until.is_(None), schedules.c.lease_until < now)


def _claim(
    connection: Connection, free: Select[tuple[str]], *, owner: str, now: datetime, lease: timedelta
) -> SweepClaim | None:
    row = connection.execute(
        update(schedules)
        .where(schedules.c.name == free.scalar_subquery())
        .values(owner=owner, lease_until=now + lease, fence=schedules.c.fence + 1, last_started_at=now)
        .returning(schedules.c.name, schedules.c.fence)
    ).one_or_none()
    return SweepClaim(row.name, owner, row.fence) if row is not None else None


def renew(connection: Connection, claim: SweepClaim, *, now: datetime, lease: timedelta) -> bool:
    """Prolong the lease; false when the claim no longer holds, also after it was finished."""
    return connection.execute(_owned(claim).values(lease_until=now + lease)).rowcount == 1


def finish(  # noqa: PLR0913 (how it ended, all named)
    connection: Connection, claim: SweepClaim, *, now: datetime, next_at: datetime | None, found: int, error: str | None
) -> bool:
    """End a run; false, and nothing written, when the claim no longer holds."""
    ended = _owned(claim).values(
        next_at=next_at,
        owner=None,
        lease_until=None,
        last_ended_at=now,
        last_found=found,
        last_error=storable(error) if error is not None else None,
    )
    return connection.execute(ended).rowcount == 1


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
    connection.execute(_owned(claim).values(owner=None, lease_until=None, fence=schedules.c.fence + 1))


def release_all(connection: Connection) -> None:
    """Clear all leases and raise all fences: for a process that knows itself to be alone."""
    connection.execute(update(schedules).values(owner=None, lease_until=None, fence=schedules.c.fence + 1))


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


def _owned(claim: SweepClaim) -> Update:
    return update(schedules).where(
        schedules.c.name == claim.name, schedules.c.owner == claim.owner, schedules.c.fence == claim.fence
    )
