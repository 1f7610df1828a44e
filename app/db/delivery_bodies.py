"""The bodies of deliveries, which are dropped some time after the end of their work; all else of them stays."""

from datetime import datetime

from sqlalchemy import Connection, Select, func, select, update

from app.db.deliveries import deliveries


def kept_before(ended_before: datetime) -> Select[tuple[str]]:
    """The query for deliveries that ended before this and whose bodies are still there, longest first."""
    return (
        select(deliveries.c.id)
        .where(deliveries.c.dropped_at.is_(None), deliveries.c.ended_at < ended_before)
        .order_by(deliveries.c.ended_at)
    )


def drop(connection: Connection, ended_before: datetime, *, now: datetime, limit: int) -> int:
    """Empty some bodies and keep all else of their deliveries; returns how many."""
    some = kept_before(ended_before).limit(limit).with_for_update(skip_locked=True)
    ids = list(connection.execute(some).scalars())
    emptied = update(deliveries).where(deliveries.c.id.in_(ids)).values(body=b"", dropped_at=now)
    return connection.execute(emptied).rowcount if ids else 0


def count(connection: Connection, ended_before: datetime) -> int:
    """How many bodies `drop` would empty in the end."""
    return connection.execute(select(func.count()).select_from(kept_before(ended_before).subquery())).scalar_one()
