"""Read how things stand in numbers: for the status page, the command line and the metrics."""

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from app.db import deliveries, lanes, promotions, pull_requests
from app.db.deliveries import DeliveryState
from app.db.promotions import PromotionState


class Status(BaseModel):
    """Deliveries, lanes and promotions in numbers; ages in seconds, 0 where nothing waits."""

    deliveries: dict[str, int]
    oldest_delivery_s: float
    lanes: int
    lanes_due: int
    oldest_due_s: float
    lane_attempts: dict[str, int]
    promotions: dict[str, int]
    open_pull_requests: int


def read_status(connection: Connection, now: datetime) -> Status:
    """Count everything at one instant."""
    known = lanes.every(connection)
    due = [row.due_at for row in known if row.due_at is not None and row.due_at <= now]
    return Status(
        deliveries={**dict.fromkeys(map(str, DeliveryState), 0), **deliveries.counts_by_state(connection)},
        oldest_delivery_s=_age(deliveries.oldest_waiting(connection), now),
        lanes=len(known),
        lanes_due=len(due),
        oldest_due_s=_age(min(due, default=None), now),
        lane_attempts={row.key: row.attempts for row in known},
        promotions={**dict.fromkeys(map(str, PromotionState), 0), **promotions.counts_by_state(connection)},
        open_pull_requests=pull_requests.count_open(connection),
    )


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
