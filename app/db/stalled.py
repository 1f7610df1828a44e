"""Stalled work: deliveries and lanes that should be due and are not, so that nobody will take them up."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, func, literal, or_, select

from app.db.deliveries import LONGEST_DELAY, DeliveryState, deliveries
from app.db.lanes import RETIRED, lanes
from app.db.tables import Instant

_SLACK = timedelta(minutes=1)


def count(connection: Connection, now: datetime) -> Mapping[str, int]:
    """How many of each kind there are."""
    stranded = select(func.count()).select_from(deliveries).where(_is_stranded(now))
    forgotten = select(func.count()).select_from(lanes).where(_is_forgotten())
    return {
        "delivery": connection.execute(stranded).scalar_one(),
        "lane": connection.execute(forgotten).scalar_one(),
    }


def some_deliveries(connection: Connection, now: datetime, *, after: str, limit: int) -> Sequence[str]:
    """The ids of those that wait for what will not come: due later than any retry is put off, or without a body."""
    wanted = select(deliveries.c.id).where(deliveries.c.id > after, _is_stranded(now))
    return connection.execute(wanted.order_by(deliveries.c.id).limit(limit)).scalars().all()


def its_lanes(connection: Connection) -> Sequence[str]:
    """The keys of lanes of which something is wanted and that nobody will run."""
    return connection.execute(select(lanes.c.key).where(_is_forgotten()).order_by(lanes.c.key)).scalars().all()


def _is_stranded(now: datetime) -> ColumnElement[bool]:
    is_late = or_(
        deliveries.c.due_at > literal(now + LONGEST_DELAY + _SLACK, Instant), deliveries.c.dropped_at.is_not(None)
    )
    return and_(deliveries.c.state == DeliveryState.WAITING, is_late)


def _is_forgotten() -> ColumnElement[bool]:
    """One that is no longer configured is none."""
    is_wanted = or_(lanes.c.last_run_at.is_(None), lanes.c.next_look_at.is_not(None))
    is_idle = and_(lanes.c.due_at.is_(None), lanes.c.owner.is_(None))
    return and_(is_idle, is_wanted, func.coalesce(lanes.c.last_error, "") != RETIRED)
