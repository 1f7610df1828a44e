"""Deliveries: what came in, what became of it, and the way to read one again."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Query

from app.services.intake.replay import replay
from app.services.reading import deliveries
from app.services.reading.deliveries import DeliveryFilters, DeliveryView
from app.services.reading.pages import Id, Listing
from app.web.api.answers import CONFLICT, INVALID, NOT_FOUND, REFUSED
from app.web.authentication import Operator
from app.web.parts import Parts

router = APIRouter(prefix="/deliveries", tags=["deliveries"])
_log = structlog.get_logger("fluxbridge.web")


@router.get("", responses=INVALID)
def list_deliveries(parts: Parts, filters: Annotated[DeliveryFilters, Query()]) -> Listing[DeliveryView]:
    """Webhooks as they were kept, newest first."""
    with parts.database.transaction() as connection:
        return deliveries.list_deliveries(connection, filters)


@router.get("/{delivery_id}", responses=NOT_FOUND)
def show_delivery(parts: Parts, delivery_id: Id) -> DeliveryView:
    """One delivery and what became of it."""
    with parts.database.transaction() as connection:
        return deliveries.delivery(connection, delivery_id)


@router.post("/{delivery_id}/replay", responses=REFUSED | NOT_FOUND | CONFLICT)
def replay_delivery(parts: Parts, delivery_id: Id, caller: Operator) -> DeliveryView:
    """Interpret a delivery again."""
    with parts.database.transaction() as connection:
        replayed = replay(connection, delivery_id, parts.clock())
    _log.info("delivery replayed", delivery=delivery_id, who=caller.name)
    parts.wake()
    return replayed
