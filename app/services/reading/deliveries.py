"""Read deliveries: webhooks as they were kept, and what became of each."""

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from app.db import deliveries
from app.db.deliveries import DeliveryRow, DeliveryState
from app.services.reading.pages import Line, Listing, Paging, UnknownId


class DeliveryView(BaseModel):
    """One webhook as it was kept, and what became of it; `attempts` are those that count toward giving up.

    From `dropped_at` on its body is not kept, so it cannot be interpreted again.
    """

    id: str
    source: str
    kind: str
    external_id: str
    state: str
    outcome: str | None
    error: str | None
    attempts: int
    tries: int
    received_at: datetime
    due_at: datetime
    ended_at: datetime | None
    dropped_at: datetime | None


class DeliveryFilters(Paging):
    """Which deliveries."""

    source: Line | None = None
    state: DeliveryState | None = None


def list_deliveries(connection: Connection, filters: DeliveryFilters) -> Listing[DeliveryView]:
    """Webhooks as they were kept, newest first. Raises InvalidCursor."""
    page = deliveries.page(
        connection, limit=filters.limit, after=filters.after, source=filters.source, state=filters.state
    )
    return Listing(items=[_delivery(row) for row in page.items], next=page.next)


def delivery(connection: Connection, delivery_id: str) -> DeliveryView:
    """One delivery. Raises UnknownId."""
    row = deliveries.find(connection, delivery_id)
    if row is None:
        raise UnknownId("delivery", delivery_id)
    return _delivery(row)


def _delivery(row: DeliveryRow) -> DeliveryView:
    return DeliveryView(
        id=row.id,
        source=row.source,
        kind=row.kind,
        external_id=row.external_id,
        state=row.state,
        outcome=row.outcome,
        error=row.error,
        attempts=row.attempts,
        tries=row.tries,
        received_at=row.received_at,
        due_at=row.due_at,
        ended_at=row.ended_at,
        dropped_at=row.dropped_at,
    )
