"""Read what the last run of each lane saw: its queue and its plan."""

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from app.core.errors import NotFound
from app.db import lanes
from app.db.lanes import LaneRow
from app.services.reading.pages import Listing
from app.services.reading.plans import PlanDescription


class UnknownLane(NotFound):
    """No base branch of a config repository is called so."""

    def __init__(self, repo: str, branch: str) -> None:
        super().__init__(f"no lane is called {repo}:{branch}; config_repos says which there are")


class NeverRun(NotFound):
    """A lane has no plan before its first run."""

    def __init__(self, repo: str, branch: str) -> None:
        super().__init__(f"the lane {repo}:{branch} has not been run yet, so there is no plan; ask again in a moment")


class LaneView(BaseModel):
    """The queue of one base branch; `due_at` None: nothing to do.

    `problems` are what the last run found to be mended: in rules that cannot be used, or in the paths of stages.
    `last_error` is why the last run was broken off, or else what it could not bring about.
    """

    repo: str
    branch: str
    due_at: datetime | None
    is_running: bool
    attempts: int
    last_error: str | None
    last_head: str | None
    last_run_at: datetime | None
    next_look_at: datetime | None
    problems: list[str] = []


def list_lanes(connection: Connection) -> Listing[LaneView]:
    """Every lane, on one page: there are as many as base branches are configured."""
    return Listing(items=[_lane(row) for row in lanes.every(connection)], next=None)


def lane(connection: Connection, repo: str, branch: str) -> LaneView:
    """One lane. Raises UnknownLane."""
    return _lane(_find(connection, repo, branch))


def lane_plan(connection: Connection, repo: str, branch: str) -> PlanDescription:
    """What the last run of a lane planned, and why that was broken off if it was. Raises UnknownLane, NeverRun."""
    row = _find(connection, repo, branch)
    if row.plan is None:
        raise NeverRun(repo, branch)
    planned = PlanDescription.model_validate_json(row.plan)
    if row.last_error is None:
        return planned
    return planned.model_copy(update={"broken_off": row.last_error, "tried_again_at": row.due_at})


def _find(connection: Connection, repo: str, branch: str) -> LaneRow:
    row = lanes.find(connection, lanes.key_of(repo, branch))
    if row is None:
        raise UnknownLane(repo, branch)
    return row


def _lane(row: LaneRow) -> LaneView:
    return LaneView(
        repo=row.repo,
        branch=row.branch,
        due_at=row.due_at,
        is_running=row.owner is not None,
        attempts=row.attempts,
        last_error=row.last_error or row.problem,
        last_head=row.last_head,
        last_run_at=row.last_run_at,
        next_look_at=row.next_look_at,
        problems=PlanDescription.model_validate_json(row.plan).problems if row.plan is not None else [],
    )
