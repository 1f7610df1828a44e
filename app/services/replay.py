"""Replay a delivery: interpret it again from the start, whatever became of it."""

from datetime import datetime

from sqlalchemy import Connection

from app.core.errors import Conflict
from app.db import deliveries
from app.services.read_facts import delivery
from app.services.views import DeliveryView


class DeliveryBusy(Conflict):
    """A delivery that is being interpreted just now cannot begin anew."""

    def __init__(self, delivery_id: str) -> None:
        super().__init__(f"the delivery {delivery_id} is being interpreted just now; ask again in a moment")


def replay(connection: Connection, delivery_id: str, now: datetime) -> DeliveryView:
    """Make a delivery due again; twice is once. Raises UnknownId, DeliveryBusy."""
    delivery(connection, delivery_id)
    if not deliveries.replay(connection, delivery_id, now=now):
        raise DeliveryBusy(delivery_id)
    return delivery(connection, delivery_id)
