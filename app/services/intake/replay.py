"""Replay a delivery: interpret it again from the start, whatever became of it."""

from datetime import datetime

from sqlalchemy import Connection

from app.core.errors import Conflict
from app.db import deliveries, kept_bodies
from app.services.reading.deliveries import DeliveryView, delivery


class DeliveryBusy(Conflict):
    """A delivery that is being interpreted just now cannot begin anew."""

    def __init__(self, delivery_id: str) -> None:
        super().__init__(f"the delivery {delivery_id} is being interpreted just now; ask again in a moment")


class BodyDropped(Conflict):
    """The body of a delivery is no longer kept, so nothing can be read from it."""

    def __init__(self, delivery_id: str, at: datetime, *, setting: str) -> None:
        super().__init__(
            f"the body of delivery {delivery_id} was dropped on {at:%Y-%m-%d} (retention.{setting}): what it said is "
            "written down and stays, but it cannot be read again"
        )


def replay(connection: Connection, delivery_id: str, now: datetime) -> DeliveryView:
    """Make a delivery due again; twice is once. Raises UnknownId, DeliveryBusy, BodyDropped."""
    delivery(connection, delivery_id)
    kept_bodies.let_go(connection, delivery_id)
    if not deliveries.replay(connection, delivery_id, now=now):
        row = deliveries.find(connection, delivery_id)
        if row is not None and row.dropped_at is not None:
            # Only a day without room drops a body at its end.
            setting = "bodies_day_bytes" if row.dropped_at == row.ended_at else "bodies_days"
            raise BodyDropped(delivery_id, row.dropped_at, setting=setting)
        raise DeliveryBusy(delivery_id)
    return delivery(connection, delivery_id)
