"""Requests: roll back and promote by asking, see what was asked for, and take it back."""

from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.core.promotion.requests import RequestKind
from app.services.people.asked_places import Asking
from app.services.people.request import Asked, AskedRequest, ask, withdraw
from app.services.reading import requests as reading
from app.services.reading.pages import Id, Line, Listing, Text
from app.services.reading.requests import RequestFilters, RequestView
from app.web.api.answers import CONFLICT, INVALID, NOT_FOUND, REFUSED
from app.web.api.holds import Why
from app.web.authentication import Operator, require_admin
from app.web.parts import Parts

router = APIRouter(prefix="/requests", tags=["requests"])
_log = structlog.get_logger("fluxbridge.web")


class RequestQuery(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    kind: RequestKind
    stage: Line
    why: Why
    policy: Line | None = None
    tag: Line | None = None
    pull: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None
    from_stage: Line | None = None
    group: Line | None = None
    everything: bool = False
    hold: bool = False
    force: bool = False
    until: Line | None = None
    zone: Line = "UTC"
    repo: Line | None = None
    root: Text | None = None
    dry_run: bool = False

    @property
    def asked(self) -> Asked:
        """The same in the words of the service."""
        words = self.model_dump(exclude={"everything", "hold", "force", "dry_run"})
        return Asked(**words, is_of_all=self.everything, is_held=self.hold, is_forced=self.force)


@router.get("", responses=INVALID)
def list_requests(parts: Parts, filters: Annotated[RequestFilters, Query()]) -> Listing[RequestView]:
    """What people asked for: by whom, why, what came of it; newest first."""
    with parts.database.transaction() as connection:
        return reading.list_requests(connection, filters)


@router.get("/{request_id}", responses=NOT_FOUND)
def show_request(parts: Parts, request_id: Id) -> RequestView:
    """One request, with its pull request or what it waits for."""
    with parts.database.transaction() as connection:
        return reading.request(connection, request_id)


@router.post("", status_code=HTTPStatus.CREATED, responses=INVALID | REFUSED | CONFLICT)
def request(parts: Parts, caller: Operator, query: Annotated[RequestQuery, Query()]) -> AskedRequest:
    """Ask for tags in a stage; twice is once. Its lane opens the pull request. `dry_run` writes nothing.

    A rollback of `policy` goes to what was there before, to `tag`, or takes back all that the pull request `pull` let
    in. A promotion of `policy` goes to `tag`; one `from_stage` to what that runs, for a `group` or `everything`.
    `force` skips the gates of entering, `hold` freezes the policies there too, and `until` ends it unmerged (7 days).
    """
    if query.force:
        require_admin(caller)
    asking = Asking(database=parts.database, systems=parts.systems, scans=parts.scans, clock=parts.clock)
    answer = ask(asking, query.asked, who=caller.name, is_dry_run=query.dry_run)
    if not query.dry_run:
        tags = {one.policy: one.tag for one in answer.targets}
        _log.info("request", request=answer.id, stage=answer.stage, tags=tags, who=caller.name, is_new=answer.is_new)
    return answer


@router.post("/{request_id}/withdraw", responses=REFUSED | NOT_FOUND | CONFLICT)
def take_back(parts: Parts, caller: Operator, request_id: Id, *, why: Why) -> RequestView:
    """Withdraw a request that is open: its pull request is closed, and what it held is lifted."""
    with parts.database.transaction() as connection:
        withdrawn = withdraw(connection, request_id, who=caller.name, why=why, now=parts.clock())
    _log.info("request withdrawn", request=request_id, who=caller.name)
    return withdrawn
