"""Read requests: what people asked for, what waits for what, and how each ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import BaseModel
from sqlalchemy import Connection

from app.core.promotion.requests import RequestState, Target
from app.db import lanes, pull_requests, requests
from app.db.requests import RequestRow
from app.services.reading.pages import Line, Listing, Paging, Shown, UnknownId
from app.services.reading.plans import PlanDescription
from app.services.reading.policies import is_named


class TargetView(BaseModel):
    """What one policy is to have. `takes_back` says what is there instead, since when, and who let it in."""

    policy: Shown
    image: Shown
    tag: str
    digest: str | None
    from_tag: str | None
    takes_back: Shown | None

    @classmethod
    def of(cls, one: Target) -> Self:
        """Put it into plain values."""
        return cls(
            policy=one.policy,
            image=one.image,
            tag=one.tag,
            digest=one.digest,
            from_tag=one.undoes.tag if one.undoes is not None else None,
            takes_back=one.undoes.words if one.undoes is not None else None,
        )


class RequestView(BaseModel):
    """What somebody asked for in a stage: a rollback or a promotion.

    `state`: open, merged, fulfilled (the base branch has its tags otherwise), withdrawn, closed, overtaken, refused
    (a tag is gone or denied) or expired. `undoes` is the pull request that it takes back as a whole. `waits_for` says
    why an open one has no pull request yet, in the words of its lane's last run since it was asked.
    """

    id: str
    kind: str
    repo: str
    branch: str
    stage: str
    targets: list[TargetView]
    undoes: int | None
    is_forced: bool
    who: Shown
    why: Shown
    since: datetime
    until: datetime
    state: str
    pull_request: int | None
    pull_request_url: Shown | None = None
    waits_for: Shown | None = None
    ended_at: datetime | None
    ended_by: Shown | None
    ended_why: Shown | None


class RequestFilters(Paging):
    """Which requests: those that are `open`, or only those that ended; of a stage, policy or config repository."""

    open: bool | None = None
    repo: Line | None = None
    stage: Line | None = None
    policy: Line | None = None


def list_requests(connection: Connection, filters: RequestFilters) -> Listing[RequestView]:
    """Requests, newest first; a page may be short while `next` leads on. Raises InvalidCursor."""
    wanted = requests.RequestFilters(is_open=filters.open, repo=filters.repo, stage=filters.stage)
    page = requests.page(connection, wanted, limit=filters.limit, after=filters.after)
    waiting: dict[str, Mapping[str, str]] = {}
    found = [one for one in page.items if filters.policy is None or _is_of(one, filters.policy)]
    return Listing(items=[_told(connection, one, waiting) for one in found], next=page.next)


def request(connection: Connection, request_id: str) -> RequestView:
    """One request. Raises UnknownId."""
    row = requests.find(connection, request_id)
    if row is None:
        raise UnknownId("request", request_id)
    return _told(connection, row, {})


def request_view(row: RequestRow) -> RequestView:
    """Put a request into plain values, without what its lane says of it."""
    asked, (repo, _, branch) = row.request, row.lane.partition(":")
    return RequestView(
        id=asked.id,
        kind=asked.kind,
        repo=repo,
        branch=branch,
        stage=asked.stage,
        targets=[TargetView.of(one) for one in asked.targets],
        undoes=asked.undoes,
        is_forced=asked.is_forced,
        who=asked.who,
        why=asked.why,
        since=asked.since,
        until=asked.until,
        state=row.state,
        pull_request=row.pull_request,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
        ended_why=row.ended_why,
    )


def words_on(row: RequestRow, target: Target) -> str:
    """What a request wants of a policy: to which tag, who asked, why, and until when."""
    asked = row.request
    what = f"rollback to {target.tag}" if asked.is_rollback else f"promotion of {target.tag}"
    pull = f", pull request {row.pull_request}" if row.pull_request is not None else ""
    forced = "forced " if asked.is_forced else ""
    return f"{forced}{what} asked for by {asked.who}: {asked.why}, until {asked.until:%Y-%m-%d %H:%M} UTC{pull}"


def words_by_stage(connection: Connection, lane: str, policy: str) -> Mapping[str, str]:
    """What open requests want of a policy, in words, by stage."""
    rows = requests.open_in(connection, lane)
    return {one.request.stage: words_on(one, its) for one in rows if (its := one.request.target_of(policy)) is not None}


def _is_of(row: RequestRow, text: str) -> bool:
    return any(is_named(one.policy, text) for one in row.request.targets)


def _told(connection: Connection, row: RequestRow, waiting: dict[str, Mapping[str, str]]) -> RequestView:
    """With its pull request's address, and what it waits for."""
    view = request_view(row)
    pull = pull_requests.find(connection, row.lane, row.pull_request) if row.pull_request is not None else None
    waits = None
    if row.state is RequestState.OPEN and pull is None:
        if row.lane not in waiting:
            waiting[row.lane] = _waiting(connection, row.lane)
        waits = waiting[row.lane].get(row.request.id)
    return view.model_copy(update={"pull_request_url": pull.url if pull is not None else None, "waits_for": waits})


def _waiting(connection: Connection, lane: str) -> Mapping[str, str]:
    """What the lane's last run said of requests, by their ids."""
    row = lanes.find(connection, lane)
    if row is None or row.plan is None:
        return {}
    planned = PlanDescription.model_validate_json(row.plan)
    found: dict[str, str] = {}
    for one in planned.outcomes:
        if one.request is not None and one.standing != "current":
            found.setdefault(one.request, f"{one.standing}: {one.reason}")
    return found
