"""Read promotions: how each policy moved to a tag in a stage, from build to cluster."""

from datetime import datetime

from pydantic import AwareDatetime, BaseModel
from sqlalchemy import Connection

from app.db import applications, promotion_events, promotions
from app.db.promotions import PromotionRow, PromotionState
from app.services.reading.applications import ApplicationView, application_views
from app.services.reading.builds import BuildLink, build_link
from app.services.reading.cluster_states import ClusterStateReader, ClusterStateView
from app.services.reading.pages import Listing, Paging, UnknownId
from app.services.reading.pull_requests import PullRequestLink, pull_request_link
from app.services.reading.stages import StageFilters
from app.services.systems import Systems


class PromotionView(BaseModel):
    """One policy moving to a tag in one stage; `applied` tells how the clusters stand with it once it is let in."""

    id: str
    repo: str
    branch: str
    stage: str
    policy: str
    image: str
    from_tag: str | None
    tag: str
    digest: str | None
    state: str
    reason: str
    origin: str
    build: BuildLink | None
    pull_request: PullRequestLink | None
    merged_by: str | None
    merged_at: datetime | None
    merge_commit: str | None
    began_at: datetime
    updated_at: datetime
    applied: list[ClusterStateView]


class EventView(BaseModel):
    """One line of a promotion's history."""

    at: datetime
    who: str
    what: str
    reason: str


class PromotionDetails(PromotionView):
    """A promotion with its history, oldest first, and where it was applied."""

    events: list[EventView]
    applications: list[ApplicationView]


class PromotionFilters(StageFilters):
    """Which promotions: changed last from `since` (inclusive) until `until` (exclusive)."""

    state: PromotionState | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


def list_promotions(
    connection: Connection, systems: Systems, filters: PromotionFilters, *, now: datetime
) -> Listing[PromotionView]:
    """Promotions, newest first. Raises InvalidCursor."""
    wanted = promotions.PromotionFilters(**filters.model_dump(exclude=set(Paging.model_fields)))
    page = promotions.page(connection, wanted, limit=filters.limit, after=filters.after)
    clusters = ClusterStateReader(connection, now, systems.timing.applied_within)
    return Listing(items=[_promotion(connection, row, clusters) for row in page.items], next=page.next)


def promotion(connection: Connection, systems: Systems, promotion_id: str, *, now: datetime) -> PromotionDetails:
    """One promotion with its history and where it was applied. Raises UnknownId."""
    row = promotions.find(connection, promotion_id)
    if row is None:
        raise UnknownId("promotion", promotion_id)
    events = promotion_events.of_promotion(connection, promotion_id)
    clusters = ClusterStateReader(connection, now, systems.timing.applied_within)
    return PromotionDetails(
        **_promotion(connection, row, clusters).model_dump(),
        events=[EventView(at=one.at, who=one.who, what=one.what, reason=one.reason) for one in events],
        applications=application_views(applications.of_promotion(connection, promotion_id)),
    )


def _promotion(connection: Connection, row: PromotionRow, clusters: ClusterStateReader) -> PromotionView:
    repo, _, branch = row.lane.partition(":")
    return PromotionView(
        id=row.id,
        repo=repo,
        branch=branch,
        stage=row.stage,
        policy=row.policy,
        image=row.image,
        from_tag=row.from_tag,
        tag=row.tag,
        digest=row.digest,
        state=row.state,
        reason=row.reason,
        origin=row.origin,
        build=build_link(connection, row.build_id) if row.build_id is not None else None,
        pull_request=pull_request_link(connection, row),
        merged_by=row.merged_by,
        merged_at=row.merged_at,
        merge_commit=row.merge_commit,
        began_at=row.began_at,
        updated_at=row.updated_at,
        applied=clusters.of_promotion(row),
    )
