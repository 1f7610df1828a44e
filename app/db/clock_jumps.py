"""Times written down while the clock was ahead: facts of a time that has not come, and work put off till then.

What a registry showed then would count as newer than all that it shows for hours, and what was put off would wait so
long. A clock that was ahead and is right again costs nothing but what is asked once more.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Table, and_, case, literal, update

from app.db.builds import artifacts, builds
from app.db.catalogue import repositories, tags
from app.db.deliveries import LONGEST_DELAY, DeliveryState, deliveries
from app.db.forge_budgets import forge_budgets
from app.db.lanes import lanes
from app.db.outbox import outbox
from app.db.owed_answers import owed_answers
from app.db.pushes import pushes
from app.db.schedules import schedules
from app.db.tables import Instant

# Processes on one database agree on the time by less than this.
_SLACK = timedelta(minutes=1)
_FACTS = (
    *(tags.c[name] for name in ("first_seen_at", "told_at", "asked_at", "digest_at", "refuted_at")),
    *(tags.c[name] for name in ("missed_at", "missed_before_at")),
    *(repositories.c[name] for name in ("first_seen_at", "listed_at", "listing_failed_at")),
    *(pushes.c[name] for name in ("first_seen_at", "at")),
    builds.c.recorded_at,
    artifacts.c.recorded_at,
    owed_answers.c.since,
    owed_answers.c.wanted_at,
    deliveries.c.received_at,
)
_PUT_OFF = (
    lanes.c.due_at,
    outbox.c.due_at,
    owed_answers.c.due_at,
    repositories.c.listing_wanted_at,
    forge_budgets.c.spent_until,
    forge_budgets.c.blocked_until,
)
_LEASES = tuple(table.c.lease_until for table in (lanes, deliveries, schedules, outbox))
_LONGEST_LEASE = timedelta(hours=1)


def correct(connection: Connection, now: datetime, *, most_ahead: timedelta) -> int:
    """Take facts of later than now for facts of now, and what is put off for longer than `most_ahead` for due.

    Returns how many times were corrected. It looks through whole tables: for the start, and for when a jump was seen.
    """
    return (
        _set_back(connection, _FACTS, now, _SLACK)
        + _set_back(connection, _PUT_OFF, now, most_ahead)
        + _set_back(connection, _LEASES, now, _LONGEST_LEASE)
    )


def hasten_deliveries(connection: Connection, now: datetime) -> int:
    """Have what waits for longer than anything is put off worked off now, whoever kept it with a clock ahead."""
    present, furthest = literal(now, Instant), literal(now + LONGEST_DELAY + _SLACK, Instant)
    received = case((deliveries.c.received_at > present, present), else_=deliveries.c.received_at)
    is_stranded = and_(deliveries.c.state == DeliveryState.WAITING, deliveries.c.due_at > furthest)
    return connection.execute(update(deliveries).where(is_stranded).values(due_at=now, received_at=received)).rowcount


def _set_back(connection: Connection, columns: Iterable[Column[datetime]], now: datetime, most_ahead: timedelta) -> int:
    corrected = 0
    for column in columns:
        table = column.table
        assert isinstance(table, Table)  # noqa: S101 (they stand above)
        is_ahead = column > literal(now + most_ahead, Instant)
        corrected += connection.execute(update(table).where(is_ahead).values({column.name: now})).rowcount
    return corrected
