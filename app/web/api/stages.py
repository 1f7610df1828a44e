"""Stages: what is where now, and how it came there."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.services.reading import stages
from app.services.reading.pages import Listing
from app.services.reading.stages import StageFilters, StageView
from app.web.api.answers import INVALID
from app.web.parts import Parts

router = APIRouter(prefix="/stages", tags=["stages"])


@router.get("", responses=INVALID)
def list_stages(parts: Parts, filters: Annotated[StageFilters, Query()]) -> Listing[StageView]:
    """What is where now: image, tag, build, pull request, who merged it, how each cluster stands."""
    with parts.database.transaction() as connection:
        return stages.list_stages(connection, parts.systems, filters, now=parts.clock())
