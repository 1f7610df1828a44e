"""Builds: finished Jenkins builds, and the images and charts that they named."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Select,
    Table,
    UniqueConstraint,
    and_,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.engine import Row

from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.images import ImageName
from app.core.promotion.gates import BuildReport
from app.db.pages import Page, cut, decode_cursor, encode_cursor
from app.db.tables import Instant, SafeString, SafeText, insert_absent, lists_of, metadata, new_id, storable

builds = Table(
    "builds",
    metadata,
    Column("id", SafeString(32), primary_key=True),
    Column("controller", SafeString(64), nullable=False),
    Column("job", SafeString(1000), nullable=False),
    Column("number", Integer, nullable=False),
    Column("result", SafeString(16), nullable=False),
    Column("url", SafeText),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("commit", SafeString(64)),
    Column("branch", SafeText),
    Column("git_tag", SafeText),
    Column("git_url", SafeText),
    Column("change_id", SafeText),
    Column("is_ours", Boolean, nullable=False),
    Column("tests", JSON),
    Column("parameters", JSON, nullable=False),
    Column("source", SafeString(64), nullable=False),
    Column("delivery_id", SafeString(32)),
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("controller", "job", "number"),
    Index("ix_builds_job_id", "job", "id"),
)

artifacts = Table(
    "build_artifacts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("build_id", SafeString(32), ForeignKey("builds.id"), nullable=False),
    Column("kind", SafeString(16), nullable=False),
    Column("image", SafeString(400), nullable=False),
    Column("tag", SafeString(128), nullable=False),
    Column("digest", SafeString(255), nullable=False),
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("build_id", "image", "tag", "digest"),
    Index("ix_build_artifacts_image_tag", "image", "tag"),
    Index("ix_build_artifacts_image_digest", "image", "digest"),
)

_LEARNED = ("url", "started_at", "finished_at", "commit", "branch", "git_tag", "git_url", "change_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRow:
    """A build as it is known."""

    id: str
    controller: str
    job: str
    number: int
    result: BuildResult
    url: str | None
    started_at: datetime | None
    finished_at: datetime | None
    commit: str | None
    branch: str | None
    git_tag: str | None
    git_url: str | None
    change_id: str | None
    is_ours: bool
    tests: Mapping[str, int] | None
    parameters: Mapping[str, str]
    source: str
    delivery_id: str | None
    recorded_at: datetime


def record(  # noqa: PLR0913 (who said it, when and how are named)
    connection: Connection,
    build: BuildFinished,
    *,
    is_ours: bool,
    source: str,
    delivery_id: str | None,
    now: datetime,
) -> bool:
    """Write a build down, or add what a known one did not tell; true when something is new. Idempotent.

    `unknown` never replaces a result, and nothing that is known is forgotten.
    """
    origin = {"is_ours": is_ours, "source": source, "delivery_id": delivery_id, "recorded_at": now}
    key = {"id": new_id(now), "controller": build.controller, "job": storable(build.job), "number": build.number}
    is_new = insert_absent(connection, builds, {**key, **origin, **_told(build)})
    known = _of_number(connection, build)
    is_news = is_new or _learn(connection, known, build, is_ours=is_ours)
    return _record_artifacts(connection, known.id, build.artifacts, now) or is_news


def _told(build: BuildFinished) -> dict[str, object]:
    texts = {name: getattr(build, name) for name in _LEARNED}
    values = {name: storable(value) if isinstance(value, str) else value for name, value in texts.items()}
    tests = build.tests
    return {
        **values,
        "result": build.result,
        "tests": {"total": tests.total, "passed": tests.passed, "failed": tests.failed, "skipped": tests.skipped}
        if tests is not None
        else None,
        "parameters": {storable(name): storable(value) for name, value in build.parameters.items()},
    }


def _learn(connection: Connection, known: BuildRow, build: BuildFinished, *, is_ours: bool) -> bool:
    told = _told(build)
    changes = {name: value for name, value in told.items() if value and value != getattr(known, name)}
    changes = {name: value for name, value in changes.items() if name == "result" or not getattr(known, name)}
    if build.result is BuildResult.UNKNOWN:
        changes.pop("result", None)
    if is_ours and not known.is_ours:
        changes["is_ours"] = True
    if changes:
        connection.execute(update(builds).where(builds.c.id == known.id).values(changes))
    return bool(changes)


def _record_artifacts(connection: Connection, build_id: str, named: Sequence[Artifact], now: datetime) -> bool:
    rows = connection.execute(select(artifacts).where(artifacts.c.build_id == build_id))
    known = {(row.image, row.tag, row.digest) for row in rows}
    is_new = False
    for one in named:
        key = (str(one.image), one.tag, one.digest or "")
        if key in known:
            continue
        known.add(key)
        is_new = True
        connection.execute(
            insert(artifacts).values(
                build_id=build_id, kind=one.kind, image=key[0], tag=key[1], digest=key[2], recorded_at=now
            )
        )
    return is_new


def _of_number(connection: Connection, build: BuildFinished) -> BuildRow:
    """The row of a build, locked: what reports of it add is added one after the other."""
    row = connection.execute(
        select(builds)
        .where(
            builds.c.controller == build.controller,
            builds.c.job == storable(build.job),
            builds.c.number == build.number,
        )
        .with_for_update()
    ).one()
    return _row(row)


def find(connection: Connection, build_id: str) -> BuildRow | None:
    """One build."""
    row = connection.execute(select(builds).where(builds.c.id == build_id)).one_or_none()
    return _row(row) if row is not None else None


def artifacts_of(connection: Connection, build_id: str) -> Sequence[Artifact]:
    """What a build named."""
    rows = connection.execute(select(artifacts).where(artifacts.c.build_id == build_id).order_by(artifacts.c.id))
    return [Artifact(row.kind, _image(row.image), row.tag, row.digest or None) for row in rows]


def named_by(connection: Connection, build: BuildFinished) -> Sequence[Artifact]:
    """What a build named so far, in whichever report of it."""
    return artifacts_of(connection, _of_number(connection, build).id)


def known_numbers(connection: Connection, *, controller: str, job: str, numbers: Iterable[int]) -> AbstractSet[int]:
    """Those of these builds of a job that are known."""
    found: set[int] = set()
    of_job = select(builds.c.number).where(builds.c.controller == controller, builds.c.job == storable(job))
    for some in lists_of(numbers):
        found |= set(connection.execute(of_job.where(builds.c.number.in_(some))).scalars())
    return found


def reports_after(
    connection: Connection, image: ImageName, after: int, *, limit: int
) -> tuple[Sequence[BuildReport], int]:
    """Some of the reports on an image, as they came, and what to ask for the next ones `after`."""
    is_next = and_(artifacts.c.image == str(image), artifacts.c.id > after)
    rows = connection.execute(_reports(is_next).order_by(artifacts.c.id).limit(limit)).all()
    return [_report(row) for row in rows], rows[-1].artifact_id if rows else after


def reports_on(
    connection: Connection, image: ImageName, tags: Mapping[str, str | None], *, is_history_wanted: bool = True
) -> Sequence[BuildReport]:
    """The builds that named one of some tags of an image, or the digest that such a tag names now (None: not known).

    Without history those are left out that named such a tag with another digest than it has now: a tag that moves
    with every build has many.
    """
    found: dict[tuple[str, str, str | None], BuildReport] = {}
    is_current = true() if is_history_wanted else artifacts.c.digest == ""
    conditions = [
        *(artifacts.c.tag.in_(some) for some in lists_of(tag for tag in tags if not tags[tag])),
        *(and_(artifacts.c.tag.in_(some), is_current) for some in lists_of(tag for tag in tags if tags[tag])),
        *(artifacts.c.digest.in_(some) for some in lists_of(filter(None, tags.values()))),
    ]
    for condition in conditions:
        for row in connection.execute(_reports(and_(artifacts.c.image == str(image), condition))):
            one = _report(row)
            found[one.build_id, one.tag, one.digest] = one
    return list(found.values())


def _reports(are_wanted: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    named = (artifacts.c.tag, artifacts.c.digest, artifacts.c.recorded_at.label("named_at"))
    wanted = select(builds, *named, artifacts.c.id.label("artifact_id"))
    return wanted.join(artifacts, artifacts.c.build_id == builds.c.id).where(are_wanted)


def _report(row: Row[tuple[object, ...]]) -> BuildReport:
    return BuildReport(
        build_id=row.id,
        job=row.job,
        number=row.number,
        result=BuildResult(row.result),
        tag=row.tag,
        digest=row.digest or None,
        is_barred=row.is_ours or bool(row.change_id),
        started_at=row.started_at,
        finished_at=row.finished_at,
        recorded_at=row.named_at,
    )


def page(  # noqa: PLR0913 (each filter is named)
    connection: Connection,
    *,
    limit: int,
    after: str | None = None,
    job: str | None = None,
    result: BuildResult | None = None,
    image: str | None = None,
) -> Page[BuildRow]:
    """Builds, newest first as we recorded them."""
    wanted = select(builds).order_by(builds.c.id.desc()).limit(limit + 1)
    if after is not None:
        wanted = wanted.where(builds.c.id < decode_cursor(after, str)[0])
    if job is not None:
        wanted = wanted.where(builds.c.job == job)
    if result is not None:
        wanted = wanted.where(builds.c.result == result)
    if image is not None:
        named = select(artifacts.c.build_id).where(artifacts.c.image == image)
        wanted = wanted.where(builds.c.id.in_(named))
    rows = [_row(row) for row in connection.execute(wanted)]
    return cut(rows, limit, lambda row: encode_cursor(row.id))


def _image(text: str) -> ImageName:
    registry, _, path = text.partition("/")
    return ImageName(registry, path)


def _row(row: Row[tuple[object, ...]]) -> BuildRow:
    values = dict(row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
    return BuildRow(**{**values, "result": BuildResult(values["result"])})
