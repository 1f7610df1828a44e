"""Builds: what Jenkins reported, with what each published."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.services.reading import builds
from app.services.reading.builds import BuildDetails, BuildFilters, BuildView
from app.services.reading.pages import Id, Listing
from app.web.api.answers import INVALID, NOT_FOUND
from app.web.parts import Parts

router = APIRouter(prefix="/builds", tags=["builds"])


@router.get("", responses=INVALID)
def list_builds(parts: Parts, filters: Annotated[BuildFilters, Query()]) -> Listing[BuildView]:
    """Finished builds, newest first."""
    with parts.database.transaction() as connection:
        return builds.list_builds(connection, parts.systems, filters)


@router.get("/{build_id}", responses=NOT_FOUND)
def show_build(parts: Parts, build_id: Id) -> BuildDetails:
    """One build with its artifacts, tests and parameters."""
    with parts.database.transaction() as connection:
        return builds.build(connection, build_id)
