"""All of the API in one router."""

from typing import Any

from fastapi import APIRouter, Depends, Request

from app.web.api import (
    builds,
    deliveries,
    holds,
    images,
    integrity,
    lanes,
    policies,
    promotions,
    requests,
    stages,
    sweeps,
)
from app.web.api.answers import EVERYWHERE, with_problems
from app.web.authentication import require_read

router = APIRouter(prefix="/api/v1", dependencies=[Depends(require_read)], responses=EVERYWHERE)


@router.get("/openapi.json", include_in_schema=False)
def describe(request: Request) -> dict[str, Any]:
    """The API in OpenAPI's words."""
    return with_problems(request.app.openapi())


for part in (deliveries, builds, images, policies, stages, promotions, requests, holds, lanes, sweeps, integrity):
    router.include_router(part.router)
