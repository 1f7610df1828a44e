"""Applications: what became of each promotion in each cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, ForeignKey, Index, Integer, Table, insert, select
from sqlalchemy.engine import Row

from app.db.pages import Page, cut, decode_cursor, encode_cursor
from app.db.tables import Instant, SafeString, SafeText, metadata, storable

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
    Index("ix_applications_promotion_id", "promotion_id", "cluster", "kustomization", "id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApplication:
    """How a cluster's Kustomization fared with a revision that holds a promotion's text."""

    promotion_id: str
    cluster: str
    kustomization: str
    state: str
    revision: str
    commit: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRow:
    """One line of a promotion's history in a cluster; `at` is Flux's own time."""

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


def record(connection: Connection, new: NewApplication, *, recorded_at: datetime) -> bool:
    """Add a line unless the last one for this promotion, cluster and Kustomization says the same. Idempotent."""
    last = connection.execute(
        select(applications)
        .where(
            applications.c.promotion_id == new.promotion_id,
            applications.c.cluster == new.cluster,
            applications.c.kustomization == new.kustomization,
        )
        .order_by(applications.c.id.desc())
        .limit(1)
    ).one_or_none()
    if last is not None and (last.state, last.commit) == (new.state, new.commit):
        return False
    connection.execute(
        insert(applications).values(
            promotion_id=new.promotion_id,
            cluster=new.cluster,
            kustomization=new.kustomization,
            state=new.state,
            revision=storable(new.revision),
            commit=new.commit,
            message=storable(new.message)[:2000],
            at=new.at,
            recorded_at=recorded_at,
        )
    )
    return True


def of_promotion(connection: Connection, promotion_id: str) -> Sequence[ApplicationRow]:
    """A promotion's applications in the order in which they were recorded."""
    wanted = select(applications).where(applications.c.promotion_id == promotion_id).order_by(applications.c.id)
    return [_row(row) for row in connection.execute(wanted)]


def page(
    connection: Connection, *, limit: int, after: str | None = None, cluster: str | None = None
) -> Page[ApplicationRow]:
    """Applications, newest first."""
    wanted = select(applications).order_by(applications.c.id.desc()).limit(limit + 1)
    if after is not None:
        wanted = wanted.where(applications.c.id < decode_cursor(after, int)[0])
    if cluster is not None:
        wanted = wanted.where(applications.c.cluster == cluster)
    rows = [_row(row) for row in connection.execute(wanted)]
    return cut(rows, limit, lambda row: encode_cursor(row.id))


def _row(row: Row[tuple[object, ...]]) -> ApplicationRow:
    return ApplicationRow(**row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
