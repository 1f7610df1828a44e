"""Applications: what became of each promotion in each cluster."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, Column, Connection, ForeignKey, Index, Integer, Table, false, insert, select, update
from sqlalchemy.engine import Row

from app.core.promotion.applying import CHANGES_WHAT_RUNS
from app.db import cluster_states
from app.db.cluster_states import Place
from app.db.pages import Page, cut, decode_cursor, encode_cursor
from app.db.tables import Instant, SafeString, SafeText, lists_of, metadata, storable

applications = Table(
    "applications",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("promotion_id", SafeString(32), ForeignKey("promotions.id"), nullable=False),
    Column("cluster", SafeString(64), nullable=False),
    Column("kustomization", SafeString(512), nullable=False),
    Column("state", SafeString(16), nullable=False),
    Column("revision", SafeText, nullable=False),
    Column("commit", SafeString(64), nullable=False),
    Column("message", SafeText, nullable=False),
    Column("at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("newest_revision", SafeText),
    Column("newest_commit", SafeString(64)),
    Column("newest_at", Instant),
    Column("is_repeat", Boolean, nullable=False, server_default=false()),
    Index("ix_applications_promotion_id", "promotion_id", "cluster", "kustomization", "id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApplication:
    """How a place fared with a revision that holds a promotion's text."""

    place: Place
    promotion_id: str
    state: str
    revision: str
    commit: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRow:
    """One line of a promotion's history in a cluster: since `at`, Flux's own time, it stands so there.

    `newest_…` is the last revision at which it still did, None where that is the first. `is_repeat`: an earlier version
    wrote a line for each revision; these are kept and not shown.
    """

    id: int
    promotion_id: str
    cluster: str
    kustomization: str
    state: str
    revision: str
    commit: str
    message: str
    at: datetime
    recorded_at: datetime
    newest_revision: str | None = None
    newest_commit: str | None = None
    newest_at: datetime | None = None
    is_repeat: bool = False


def record(connection: Connection, new: NewApplication, *, recorded_at: datetime) -> bool:
    """Add a line unless the last one of its place says the same; then only the newest revision moves on. Idempotent."""
    known = cluster_states.find(connection, new.place)
    last = _find(connection, known.newest_id) if known is not None else None
    if last is not None and (last.promotion_id, last.state) == (new.promotion_id, new.state):
        _move_on(connection, last, new)
        return False
    added = connection.execute(
        insert(applications)
        .values(
            promotion_id=new.promotion_id,
            cluster=new.place.cluster,
            kustomization=new.place.kustomization,
            state=new.state,
            revision=storable(new.revision),
            commit=new.commit,
            message=storable(new.message)[:2000],
            at=new.at,
            recorded_at=recorded_at,
        )
        .returning(applications.c.id)
    ).scalar_one()
    cluster_states.point(connection, new.place, added, is_running=new.state in CHANGES_WHAT_RUNS)
    return True


def running_at(connection: Connection, place: Place) -> ApplicationRow | None:
    """The application that tells what a cluster runs; None where none was told."""
    known = cluster_states.find(connection, place)
    return _find(connection, known.running_id) if known is not None else None


def _move_on(connection: Connection, last: ApplicationRow, new: NewApplication) -> None:
    if new.commit == (last.newest_commit or last.commit):
        return
    newest = {"newest_revision": storable(new.revision), "newest_commit": new.commit, "newest_at": new.at}
    connection.execute(update(applications).where(applications.c.id == last.id).values(newest))


def _find(connection: Connection, application_id: int | None) -> ApplicationRow | None:
    row = connection.execute(select(applications).where(applications.c.id == application_id)).one_or_none()
    return _row(row) if row is not None else None


def with_ids(connection: Connection, ids: Iterable[int | None]) -> Mapping[int, ApplicationRow]:
    """Applications by their ids."""
    found: dict[int, ApplicationRow] = {}
    for some in lists_of(one for one in ids if one is not None):
        rows = connection.execute(select(applications).where(applications.c.id.in_(some)))
        found.update((row.id, row) for row in map(_row, rows))
    return found


def of_promotion(connection: Connection, promotion_id: str) -> Sequence[ApplicationRow]:
    """A promotion's applications in the order in which they were recorded."""
    return of_promotions(connection, [promotion_id])


def of_promotions(connection: Connection, ids: Iterable[str]) -> Sequence[ApplicationRow]:
    """The applications of promotions in the order in which they were recorded."""
    shown = select(applications).where(~applications.c.is_repeat)
    wanted = (shown.where(applications.c.promotion_id.in_(some)) for some in lists_of(ids))
    return sorted((_row(row) for one in wanted for row in connection.execute(one)), key=lambda one: one.id)


def page(
    connection: Connection, *, limit: int, after: str | None = None, cluster: str | None = None
) -> Page[ApplicationRow]:
    """Applications, newest first."""
    wanted = select(applications).where(~applications.c.is_repeat)
    wanted = wanted.order_by(applications.c.id.desc()).limit(limit + 1)
    if after is not None:
        wanted = wanted.where(applications.c.id < decode_cursor(after, int)[0])
    if cluster is not None:
        wanted = wanted.where(applications.c.cluster == cluster)
    rows = [_row(row) for row in connection.execute(wanted)]
    return cut(rows, limit, lambda row: encode_cursor(row.id))


def _row(row: Row[tuple[object, ...]]) -> ApplicationRow:
    return ApplicationRow(**row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
