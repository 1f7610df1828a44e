"""Reports: that a build named an image, as gates ask for it."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, Select, and_, select
from sqlalchemy.engine import Row

from app.core.facts import BuildResult
from app.core.images import ImageName
from app.core.promotion.tags import BuildReport
from app.db.builds import artifacts, builds, has_twins
from app.db.tables import is_pair, lists_of, pairs


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
    return reports_on_some(connection, {image: tags}, is_history_wanted=is_history_wanted)[image]


def reports_on_some(
    connection: Connection, named: Mapping[ImageName, Mapping[str, str | None]], *, is_history_wanted: bool = True
) -> Mapping[ImageName, Sequence[BuildReport]]:
    """The same for some images."""
    found: dict[ImageName, dict[tuple[str, str, str | None], BuildReport]] = {image: {} for image in named}
    tags = [(str(image), tag, digest) for image, its in named.items() for tag, digest in its.items()]
    on_tags = _ON_TAGS if is_history_wanted else _ON_TAGS_ALONE
    wanted = [
        *((_ON_TAGS, some) for some in lists_of((image, tag) for image, tag, digest in tags if not digest)),
        *((on_tags, some) for some in lists_of((image, tag) for image, tag, digest in tags if digest)),
        *((_ON_DIGESTS, some) for some in lists_of((image, digest) for image, _, digest in tags if digest)),
    ]
    for query, some in wanted:
        for row in connection.execute(query, pairs(some)):
            one = _report(row)
            found[ImageName.of_repository(row.named_image)][one.build_id, one.tag, one.digest] = one
    return {image: list(reports.values()) for image, reports in found.items()}


def reports_of_digests(connection: Connection, image: ImageName, digests: Iterable[str]) -> Sequence[BuildReport]:
    """The builds that named these digests of an image."""
    return [
        _report(row)
        for some in lists_of((str(image), digest) for digest in digests)
        for row in connection.execute(_ON_DIGESTS, pairs(some))
    ]


def published_by(connection: Connection, build_ids: Iterable[str]) -> Mapping[str, Mapping[ImageName, frozenset[str]]]:
    """The tags of each image that each of some builds named."""
    found: dict[str, dict[ImageName, frozenset[str]]] = {}
    for some in lists_of(build_ids):
        query = select(artifacts.c.build_id, artifacts.c.image, artifacts.c.tag)
        for build_id, image, tag in connection.execute(query.where(artifacts.c.build_id.in_(some))):
            of_build = found.setdefault(build_id, {})
            name = ImageName.of_repository(image)
            of_build[name] = of_build.get(name, frozenset()) | {tag}
    return found


def are_of_change_requests(connection: Connection, image: ImageName) -> bool:
    """Tell whether a build of a change request named an image."""
    named = select(artifacts.c.id).join(builds, artifacts.c.build_id == builds.c.id)
    of_change = named.where(artifacts.c.image == str(image), builds.c.change_id.is_not(None), builds.c.change_id != "")
    return connection.execute(of_change.limit(1)).first() is not None


def _reports(are_wanted: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    named = (
        artifacts.c.image.label("named_image"),
        artifacts.c.tag,
        artifacts.c.digest,
        artifacts.c.recorded_at.label("named_at"),
    )
    wanted = select(builds, *named, artifacts.c.id.label("artifact_id"), has_twins)
    return wanted.join(artifacts, artifacts.c.build_id == builds.c.id).where(are_wanted)


_ARE_TAGS = is_pair(artifacts.c.image, artifacts.c.tag)
_ON_TAGS = _reports(_ARE_TAGS)
_ON_TAGS_ALONE = _reports(and_(_ARE_TAGS, artifacts.c.digest == ""))
_ON_DIGESTS = _reports(is_pair(artifacts.c.image, artifacts.c.digest))


def _report(row: Row[tuple[object, ...]]) -> BuildReport:
    return BuildReport(
        build_id=row.id,
        controller=row.controller,
        job=row.job,
        number=row.number,
        run=row.run,
        has_twins=bool(row.has_twins),
        life=row.life,
        result=BuildResult(row.result),
        tag=row.tag,
        digest=row.digest or None,
        is_barred=row.is_ours or bool(row.change_id),
        is_of_change=bool(row.change_id) and not row.is_ours,
        started_at=row.started_at,
        finished_at=row.finished_at,
        recorded_at=row.named_at,
    )
