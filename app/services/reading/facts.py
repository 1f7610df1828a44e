"""Read what was told: deliveries, builds, and the catalogue of images."""

from sqlalchemy import Connection

from app.core.errors import NotFound
from app.core.facts import Artifact
from app.core.images import ImageName
from app.db import builds, catalogue, deliveries, owed_looks
from app.db.builds import BuildRow
from app.db.catalogue import KnownTag
from app.db.deliveries import DeliveryRow
from app.services.catalogue.keep_selections import why_unshown
from app.services.reading.builds import ArtifactView, BuildDetails, BuildFilters, BuildView
from app.services.reading.deliveries import DeliveryFilters, DeliveryView
from app.services.reading.images import ImageView, TagFilters, TagView
from app.services.reading.pages import Listing, Paging
from app.services.systems import Systems


class UnknownId(NotFound):
    """Nothing of this kind has this id."""

    def __init__(self, kind: str, id_: str) -> None:
        super().__init__(f"there is no {kind} {id_!r}; the list of them has every id")


def list_deliveries(connection: Connection, filters: DeliveryFilters) -> Listing[DeliveryView]:
    """Webhooks as they were kept, newest first. Raises InvalidCursor."""
    page = deliveries.page(
        connection, limit=filters.limit, after=filters.after, source=filters.source, state=filters.state
    )
    return Listing(items=[_delivery(row) for row in page.items], next=page.next)


def delivery(connection: Connection, delivery_id: str) -> DeliveryView:
    """One delivery. Raises UnknownId."""
    row = deliveries.find(connection, delivery_id)
    if row is None:
        raise UnknownId("delivery", delivery_id)
    return _delivery(row)


def list_builds(connection: Connection, systems: Systems, filters: BuildFilters) -> Listing[BuildView]:
    """Finished builds, newest first. Raises InvalidCursor, InvalidImage."""
    image = None if filters.image is None else str(systems.known_as(ImageName.parse(filters.image)))
    page = builds.page(
        connection, limit=filters.limit, after=filters.after, job=filters.job, result=filters.result, image=image
    )
    return Listing(items=[_build(row) for row in page.items], next=page.next)


def build(connection: Connection, build_id: str) -> BuildDetails:
    """One build with what it published. Raises UnknownId."""
    row = builds.find(connection, build_id)
    if row is None:
        raise UnknownId("build", build_id)
    named = builds.artifacts_of(connection, build_id)
    return BuildDetails(
        **_build(row).model_dump(),
        tests=dict(row.tests) if row.tests is not None else None,
        parameters=dict(row.parameters),
        artifacts=[_artifact(connection, one) for one in named],
    )


def _artifact(connection: Connection, one: Artifact) -> ArtifactView:
    known = catalogue.find_tag(connection, one.image, one.tag)
    owed = owed_looks.of_image(connection, one.image, [one.tag])
    missing = why_unshown(known, owed[0] if owed else None) if known is not None else None
    return ArtifactView(kind=one.kind, image=str(one.image), tag=one.tag, digest=one.digest, owed=missing)


def list_images(connection: Connection, paging: Paging) -> Listing[ImageView]:
    """Every repository that is known, by name. Raises InvalidCursor."""
    page = catalogue.page_of_repositories(connection, limit=paging.limit, after=paging.after)
    views = [
        ImageView(
            image=row.image,
            first_seen_at=row.first_seen_at,
            listed_at=row.listed_at,
            problem=row.problem,
            failed_at=row.failed_at,
        )
        for row in page.items
    ]
    return Listing(items=views, next=page.next)


def list_tags(connection: Connection, systems: Systems, filters: TagFilters) -> Listing[TagView]:
    """The tags of one repository by name. Raises InvalidCursor, InvalidImage."""
    image = systems.known_as(ImageName.parse(filters.image))
    page = catalogue.page_of_tags(connection, str(image), limit=filters.limit, after=filters.after)
    return Listing(items=[_tag(row) for row in page.items], next=page.next)


def _delivery(row: DeliveryRow) -> DeliveryView:
    return DeliveryView(
        id=row.id,
        source=row.source,
        kind=row.kind,
        external_id=row.external_id,
        state=row.state,
        outcome=row.outcome,
        error=row.error,
        attempts=row.attempts,
        tries=row.tries,
        received_at=row.received_at,
        due_at=row.due_at,
        ended_at=row.ended_at,
        dropped_at=row.dropped_at,
    )


def _build(row: BuildRow) -> BuildView:
    return BuildView(
        id=row.id,
        controller=row.controller,
        job=row.job,
        number=row.number,
        run=row.told_run,
        result=row.result,
        url=row.url,
        commit=row.commit,
        branch=row.branch,
        git_tag=row.git_tag,
        git_url=row.git_url,
        change_id=row.change_id,
        started_at=row.started_at,
        finished_at=row.finished_at,
        recorded_at=row.recorded_at,
        source=row.source,
        delivery=row.delivery_id,
        is_ours=row.is_ours,
    )


def _tag(row: KnownTag) -> TagView:
    return TagView(
        tag=row.tag,
        digest=row.digest,
        is_gone=row.is_gone,
        first_seen_at=row.first_seen_at,
        looked_at=row.looked_at,
    )
