"""Reports: that a build named an image, as gates ask for it."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import BindParameter, ColumnElement, Connection, Select, and_, bindparam, select
from sqlalchemy.engine import Row

from app.core.facts import BuildResult
from app.core.images import ImageName
from app.core.promotion.tags import BuildReport
from app.db.builds import artifacts, builds, has_twins
from app.db.tables import lists_of


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
    on_tags = _ON_TAGS if is_history_wanted else _ON_TAGS_ALONE
    wanted = [
        *((_ON_TAGS, some) for some in lists_of(tag for tag in tags if not tags[tag])),
        *((on_tags, some) for some in lists_of(tag for tag in tags if tags[tag])),
        *((_ON_DIGESTS, some) for some in lists_of(filter(None, tags.values()))),
    ]
    for query, some in wanted:
        for row in connection.execute(query, {"its_image": str(image), "some": some}):
            one = _report(row)
            found[one.build_id, one.tag, one.digest] = one
    return list(found.values())


def reports_of_digests(connection: Connection, image: ImageName, digests: Iterable[str]) -> Sequence[BuildReport]:
    """The builds that named these digests of an image."""
    return [
        _report(row)
        for some in lists_of(digests)
        for row in connection.execute(_ON_DIGESTS, {"its_image": str(image), "some": some})
    ]


def are_of_change_requests(connection: Connection, image: ImageName) -> bool:
    """Tell whether a build of a change request named an image."""
    named = select(artifacts.c.id).join(builds, artifacts.c.build_id == builds.c.id)
    of_change = named.where(artifacts.c.image == str(image), builds.c.change_id.is_not(None), builds.c.change_id != "")
    return connection.execute(of_change.limit(1)).first() is not None


def _reports(are_wanted: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    named = (artifacts.c.tag, artifacts.c.digest, artifacts.c.recorded_at.label("named_at"))
    wanted = select(builds, *named, artifacts.c.id.label("artifact_id"), has_twins)
    return wanted.join(artifacts, artifacts.c.build_id == builds.c.id).where(are_wanted)


_OF_IMAGE = artifacts.c.image == bindparam("its_image")
_SOME: BindParameter[str] = bindparam("some", expanding=True)
_ON_TAGS = _reports(and_(_OF_IMAGE, artifacts.c.tag.in_(_SOME)))
_ON_TAGS_ALONE = _reports(and_(_OF_IMAGE, artifacts.c.tag.in_(_SOME), artifacts.c.digest == ""))
_ON_DIGESTS = _reports(and_(_OF_IMAGE, artifacts.c.digest.in_(_SOME)))


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
