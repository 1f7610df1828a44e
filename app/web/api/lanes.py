"""Lanes and status: what is queued, what the last runs planned, and how things stand in numbers."""

from fastapi import APIRouter

from app.services.reading import lanes
from app.services.reading.lanes import LaneView
from app.services.reading.pages import Line, Listing
from app.services.reading.plans import PlanDescription
from app.services.reading.status import Status, read_status
from app.web.api.answers import NOT_FOUND
from app.web.parts import Parts

router = APIRouter(tags=["lanes"])


@router.get("/lanes")
def list_lanes(parts: Parts) -> Listing[LaneView]:
    """Every base branch with its queue, on one page."""
    with parts.database.transaction() as connection:
        return lanes.list_lanes(connection)


@router.get("/lanes/{repo}", responses=NOT_FOUND)
def show_lane(parts: Parts, repo: Line, branch: Line) -> LaneView:
    """One lane; a branch may hold slashes and so is a parameter."""
    with parts.database.transaction() as connection:
        return lanes.lane(connection, repo, branch)


@router.get("/lanes/{repo}/plan", responses=NOT_FOUND)
def show_plan(parts: Parts, repo: Line, branch: Line) -> PlanDescription:
    """What the lane's last run found should be proposed, waits or is refused, and why."""
    with parts.database.transaction() as connection:
        return lanes.lane_plan(connection, repo, branch)


@router.get("/status")
def show_status(parts: Parts) -> Status:
    """Deliveries, lanes, promotions and sweeps in numbers."""
    return read_status(parts.database, parts.clock, applied_within=parts.systems.timing.applied_within)
