"""Read builds: what Jenkins reported, with what each published and what its registry has not confirmed yet."""

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from app.core.facts import Artifact, BuildResult
from app.core.images import ImageName
from app.db import builds, catalogue, owed_answers
from app.db.builds import BuildRow
from app.services.catalogue.tag_states import why_unshown
from app.services.reading.pages import Line, Listing, Paging, UnknownId
from app.services.systems import Systems


class ArtifactView(BaseModel):
    """An image or chart that a build says it published; `owed` says why its registry has not confirmed it yet."""

    kind: str
    image: str
    tag: str
    digest: str | None
    owed: str | None = None


class BuildView(BaseModel):
    """A finished Jenkins build; `run` where several have its number, as the job was deleted and made anew."""

    id: str
    controller: str
    job: str
    number: int
    run: int | None
    result: str
    url: str | None
    commit: str | None
    branch: str | None
    git_tag: str | None
    git_url: str | None
    change_id: str | None
    started_at: datetime | None
    finished_at: datetime | None
    recorded_at: datetime
    source: str
    delivery: str | None
    is_ours: bool


class BuildDetails(BuildView):
    """A finished Jenkins build with what it published and how its tests went."""

    tests: dict[str, int] | None
    parameters: dict[str, str]
    artifacts: list[ArtifactView]


class BuildLink(BaseModel):
    """Which build it was; `run` where several have its number."""

    id: str
    job: str
    number: int
    run: int | None
    url: str | None
    result: str


class BuildFilters(Paging):
    """Which builds; `image` is one that they say they published."""

    job: Line | None = None
    result: BuildResult | None = None
    image: Line | None = None


def list_builds(connection: Connection, systems: Systems, filters: BuildFilters) -> Listing[BuildView]:
    """Finished builds, newest first. Raises InvalidCursor, InvalidImage."""
    image = None if filters.image is None else str(systems.known_as(ImageName.parse_any(filters.image)))
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


def build_link(connection: Connection, build_id: str) -> BuildLink | None:
    """Which build it was; None where it is not known."""
    row = builds.find(connection, build_id)
    if row is None:
        return None
    return BuildLink(id=row.id, job=row.job, number=row.number, run=row.told_run, url=row.url, result=row.result)


def _artifact(connection: Connection, one: Artifact) -> ArtifactView:
    known = catalogue.find_tag(connection, one.image, one.tag)
    owed = owed_answers.of_tags(connection, {one.image: [one.tag]})
    missing = why_unshown(known, owed[0] if owed else None) if known is not None else None
    return ArtifactView(kind=one.kind, image=str(one.image), tag=one.tag, digest=one.digest, owed=missing)


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
