"""Promotions and applications: the history, from build to cluster."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.services.reading import applications, promotions
from app.services.reading.applications import ApplicationFilters, ApplicationView
from app.services.reading.pages import Id, Listing
from app.services.reading.promotions import PromotionDetails, PromotionFilters, PromotionView
from app.web.api.answers import INVALID, NOT_FOUND
from app.web.parts import Parts

router = APIRouter(tags=["promotions"])


@router.get("/promotions", responses=INVALID)
def list_promotions(parts: Parts, filters: Annotated[PromotionFilters, Query()]) -> Listing[PromotionView]:
    """Promotions, newest first."""
    with parts.database.transaction() as connection:
        return promotions.list_promotions(connection, parts.systems, filters, now=parts.clock())


@router.get("/promotions/{promotion_id}", responses=NOT_FOUND)
def show_promotion(parts: Parts, promotion_id: Id) -> PromotionDetails:
    """One promotion with its history and where it was applied."""
    with parts.database.transaction() as connection:
        return promotions.promotion(connection, parts.systems, promotion_id, now=parts.clock())


@router.get("/applications", responses=INVALID)
def list_applications(parts: Parts, filters: Annotated[ApplicationFilters, Query()]) -> Listing[ApplicationView]:
    """What became of promotions in clusters, newest first."""
    with parts.database.transaction() as connection:
        return applications.list_applications(connection, filters)
