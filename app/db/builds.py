"""Builds: finished Jenkins builds, and the images and charts that they named."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    and_,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.engine import Row

from app.core.builds.runs import KnownRun, NumberedRun, bounded, find_run, life_at, lives_begin, merge, moved_runs
from app.core.facts import Artifact, BuildFinished, BuildResult, TestCounts
from app.core.images import ImageName
from app.db.pages import Page, cut, decode_cursor, encode_cursor
from app.db.tables import (
    Instant,
    SafeString,
    SafeText,
    insert_absent,
    lists_of,
    metadata,
    new_id,
    storable,
    to_the_millisecond,
)

builds = Table(
    "builds",
    metadata,
    Column("id", SafeString(32), primary_key=True),
    Column("controller", SafeString(64), nullable=False),
    Column("job", SafeString(1000), nullable=False),
    Column("number", Integer, nullable=False),
    Column("run", Integer, nullable=False, server_default="1"),
    Column("life", Integer, nullable=False, server_default="1"),
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
    UniqueConstraint("controller", "job", "number", "run"),
    Index("ix_builds_job_id", "job", "id"),
    Index("ix_builds_controller_job_life", "controller", "job", "life"),
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

_twins = builds.alias("twins")
has_twins = (
    exists()
    .where(
        _twins.c.controller == builds.c.controller,
        _twins.c.job == builds.c.job,
        _twins.c.number == builds.c.number,
        _twins.c.run != builds.c.run,
    )
    .correlate(builds)
    .label("has_twins")
)
"""Whether another run of a build's number is known."""
_EVERY = select(builds, has_twins)
_TEXTS = ("url", "commit", "branch", "git_tag", "git_url", "change_id")
_ASIDE = -1_000_000
"""Where the numbers of runs are put while they change places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRow:
    """A build as it is known. `run` tells it from others of its number; `life` counts how often its job was made."""

    id: str
    controller: str
    job: str
    number: int
    run: int
    life: int
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
    has_twins: bool

    @property
    def told_run(self) -> int | None:
        """Its run where its number has several."""
        return self.run if self.has_twins else None


@dataclass(frozen=True, slots=True)
class Recorded:
    """Which build a report was of, and whether it told anything new."""

    build_id: str
    is_news: bool


def record(  # noqa: PLR0913 (who said it, when and how are named)
    connection: Connection,
    build: BuildFinished,
    *,
    is_ours: bool,
    source: str,
    delivery_id: str | None,
    now: datetime,
    received_at: datetime | None = None,
) -> Recorded:
    """Write a build down, or add what a known one did not tell. Idempotent, in whichever order reports come.

    What it named counts as received at `received_at` (None: `now`). An end that was bounded to that moment, or to now
    as that of a build that was read back, stands only where no other is known.
    """
    received_at = received_at or now
    told = _as_stored(build)
    _hold_job(connection, told)
    origin = {"is_ours": is_ours, "source": source, "delivery_id": delivery_id, "recorded_at": now}
    is_new = False
    while (known := _run_of(told, rows := _of_number(connection, told))) is None:
        # Another transaction may take the place of a job's first build: then this report is looked at anew.
        is_new = _insert(connection, told, rows, {"id": new_id(now), **origin})
    if known.finished_at is not None and told.finished_at in map(to_the_millisecond, (received_at, now)):
        told = replace(told, finished_at=None)
    is_news = is_new or _learn(connection, known, told, is_ours=is_ours)
    if is_new or (is_news and known.started_at is None):
        _put_in_order(connection, told)
    is_news = _record_artifacts(connection, known.id, told.artifacts, received_at) or is_news
    return Recorded(known.id, is_news)


def _as_stored(build: BuildFinished) -> BuildFinished:
    """What the database gives back of a build: without what no database takes, times in whole milliseconds."""
    return replace(
        build,
        job=storable(build.job),
        url=_storable(build.url),
        started_at=to_the_millisecond(build.started_at),
        finished_at=to_the_millisecond(build.finished_at),
        commit=_storable(build.commit),
        branch=_storable(build.branch),
        git_tag=_storable(build.git_tag),
        git_url=_storable(build.git_url),
        change_id=_storable(build.change_id),
        parameters={storable(name): storable(value) for name, value in bounded(build.parameters).items()},
    )


def _storable(text: str | None) -> str | None:
    return storable(text) if text else None


def _told(build: BuildFinished) -> dict[str, object]:
    tests = build.tests
    return {
        **{name: getattr(build, name) for name in (*_TEXTS, "started_at", "finished_at", "result", "parameters")},
        "tests": {"total": tests.total, "passed": tests.passed, "failed": tests.failed, "skipped": tests.skipped}
        if tests is not None
        else None,
    }


def _learn(connection: Connection, known: BuildRow, told: BuildFinished, *, is_ours: bool) -> bool:
    merged = _told(merge(_fact(known), told))
    changes = {name: value for name, value in merged.items() if value != getattr(known, name)}
    if is_ours and not known.is_ours:
        changes["is_ours"] = True
    if changes:
        connection.execute(update(builds).where(builds.c.id == known.id).values(changes))
    return bool(changes)


def _fact(row: BuildRow) -> BuildFinished:
    return BuildFinished(
        controller=row.controller,
        job=row.job,
        number=row.number,
        result=row.result,
        started_at=row.started_at,
        finished_at=row.finished_at,
        tests=TestCounts(**row.tests) if row.tests is not None else None,
        parameters=row.parameters,
        **{name: getattr(row, name) for name in _TEXTS},
    )


def _of_job(build: BuildFinished) -> ColumnElement[bool]:
    return and_(builds.c.controller == build.controller, builds.c.job == build.job)


def _hold_job(connection: Connection, build: BuildFinished) -> None:
    """Hold a job by its oldest build: reports of its builds are written one after the other."""
    oldest = select(builds.c.id).where(_of_job(build)).order_by(builds.c.id).limit(1)
    connection.execute(oldest.with_for_update())


def _of_number(connection: Connection, build: BuildFinished) -> Sequence[BuildRow]:
    its = _EVERY.where(_of_job(build), builds.c.number == build.number).order_by(builds.c.run)
    return [_row(row) for row in connection.execute(its.with_for_update())]


def _run_of(told: BuildFinished, rows: Sequence[BuildRow]) -> BuildRow | None:
    """The known run that a report speaks of."""
    found = find_run(map(_known_run, rows), told)
    return next((row for row in rows if row.run == found), None)


def _known_run(row: BuildRow) -> KnownRun:
    return KnownRun(run=row.run, started_at=row.started_at, commit=row.commit, git_url=row.git_url)


def _insert(
    connection: Connection, build: BuildFinished, rows: Sequence[BuildRow], origin: Mapping[str, object]
) -> bool:
    """Insert a further run of its number; false when another transaction took that place first."""
    newest = connection.execute(select(func.max(builds.c.life)).where(_of_job(build))).scalar() or 1
    place = {
        "controller": build.controller,
        "job": build.job,
        "number": build.number,
        "run": max((row.run for row in rows), default=0) + 1,
        "life": newest + 1 if any(row.life == newest for row in rows) else newest,
    }
    return insert_absent(connection, builds, {**origin, **place, **_told(build)})


def _put_in_order(connection: Connection, build: BuildFinished) -> None:
    """Number the runs of a build's number by their starts, and let the lives of its job begin where they do."""
    rows = {row.run: row for row in _of_number(connection, build)}
    newest_life = connection.execute(select(func.max(builds.c.life)).where(_of_job(build))).scalar() or 1
    if newest_life == 1 and len(rows) == 1:
        return
    moved = moved_runs([_known_run(row) for row in rows.values()])
    for aside in (_ASIDE, 0):  # no two have one number in between
        for run, place in moved.items():
            connection.execute(update(builds).where(builds.c.id == rows[run].id).values(run=place + aside))
    begins = _lives_begin(connection, build)
    if len(rows) > 1:
        _tell_lives(connection, build, begins)
        return
    # Only where a number comes again a life begins: that of all others stands.
    for row in rows.values():
        if row.started_at is not None:
            life = life_at(row.started_at, begins)
            connection.execute(update(builds).where(builds.c.id == row.id, builds.c.life != life).values(life=life))


def _lives_begin(connection: Connection, build: BuildFinished) -> Sequence[datetime]:
    numbered = (builds.c.number, builds.c.run, builds.c.started_at)
    repeated = select(builds.c.number).where(_of_job(build), builds.c.run > 1)
    rows = connection.execute(select(*numbered).where(_of_job(build), builds.c.number.in_(repeated))).all()
    return lives_begin(NumberedRun(number=row.number, run=row.run, started_at=row.started_at) for row in rows)


def _tell_lives(connection: Connection, build: BuildFinished, begins: Sequence[datetime]) -> None:
    started, life = builds.c.started_at, builds.c.life
    for number, (since, until) in enumerate(pairwise([None, *begins, None]), 1):
        is_in_it = [] if since is None else [started >= literal(since, Instant)]
        is_in_it += [] if until is None else [started < literal(until, Instant)]
        if is_in_it:
            connection.execute(update(builds).where(_of_job(build), *is_in_it, life != number).values(life=number))


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


def find(connection: Connection, build_id: str) -> BuildRow | None:
    """One build."""
    row = connection.execute(_EVERY.where(builds.c.id == build_id)).one_or_none()
    return _row(row) if row is not None else None


def artifacts_of(connection: Connection, build_id: str) -> Sequence[Artifact]:
    """What a build named."""
    rows = connection.execute(select(artifacts).where(artifacts.c.build_id == build_id).order_by(artifacts.c.id))
    return [Artifact(row.kind, ImageName.of_repository(row.image), row.tag, row.digest or None) for row in rows]


def untold(connection: Connection, seen: Iterable[BuildFinished]) -> Sequence[BuildFinished]:
    """Those of these builds of one job that nobody told of, or only as unknown.

    Jenkins was asked for them, so only another start makes one of a known number another run.
    """
    every = {one.number: one for one in seen}
    settled: set[int] = set()
    for some in lists_of(every):
        job = _of_job(next(iter(every.values())))
        for row in connection.execute(select(builds).where(job, builds.c.number.in_(some))):
            known = KnownRun(run=row.run, started_at=row.started_at)
            is_same = find_run([known], every[row.number]) is not None
            if is_same and row.result != BuildResult.UNKNOWN:
                settled.add(row.number)
    return [one for number, one in every.items() if number not in settled]


def unknown_since(connection: Connection, controller: str, since: datetime, *, limit: int) -> Sequence[tuple[str, int]]:
    """Job and number of the newest builds of which only that they ended is known."""
    its = select(builds.c.job, builds.c.number).where(
        builds.c.controller == controller, builds.c.result == BuildResult.UNKNOWN, builds.c.id >= new_id(since)[:12]
    )
    return [(row.job, row.number) for row in connection.execute(its.order_by(builds.c.id.desc()).limit(limit))]


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
    wanted = _EVERY.order_by(builds.c.id.desc()).limit(limit + 1)
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


def _row(row: Row[tuple[object, ...]]) -> BuildRow:
    values = dict(row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
    return BuildRow(**{**values, "result": BuildResult(values["result"]), "has_twins": bool(values["has_twins"])})
