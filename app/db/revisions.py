"""Revisions: what each cluster's Flux last told of each of its objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, Column, ColumnElement, Connection, Index, Table, select, update
from sqlalchemy.engine import Row

from app.core.facts import RevisionApplied
from app.db.tables import Instant, SafeString, SafeText, insert_absent, metadata, storable

revisions = Table(
    "revisions",
    metadata,
    Column("cluster", SafeString(64), primary_key=True),
    Column("kind", SafeString(64), primary_key=True),
    Column("namespace", SafeString(255), primary_key=True),
    Column("name", SafeString(255), primary_key=True),
    Column("repo", SafeString(64), nullable=False),
    Column("root", SafeText, nullable=False),
    Column("revision", SafeText, nullable=False),
    Column("commit", SafeString(64)),
    Column("is_failure", Boolean, nullable=False),
    Column("reason", SafeText, nullable=False),
    Column("message", SafeText, nullable=False),
    Column("at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("is_examined", Boolean, nullable=False),
    Index("ix_revisions_repo_is_examined", "repo", "is_examined"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionRow:
    """The revision that one object of a cluster holds, by the event with the latest Flux timestamp."""

    cluster: str
    kind: str
    namespace: str
    name: str
    repo: str
    root: str
    revision: str
    commit: str | None
    is_failure: bool
    reason: str
    message: str
    at: datetime
    received_at: datetime
    is_examined: bool


def note(connection: Connection, applied: RevisionApplied, *, repo: str, root: str, received_at: datetime) -> bool:
    """Write an event down; true when the object's revision or its standing changed.

    An event with an older Flux timestamp never replaces a newer one; of equal ones the last received counts.
    """
    values: dict[str, object] = {
        "repo": repo,
        "root": root,
        "revision": storable(applied.revision),
        "commit": applied.commit,
        "is_failure": applied.is_failure,
        "reason": storable(applied.reason),
        "message": storable(applied.message)[:2000],
        "at": applied.at,
        "received_at": received_at,
    }
    key = {name: getattr(applied, name) for name in ("cluster", "kind", "namespace", "name")}
    if insert_absent(connection, revisions, {**key, **values, "is_examined": False}):
        return True
    known = connection.execute(
        select(revisions).where(*_is(applied.cluster, applied.kind, applied.namespace, applied.name)).with_for_update()
    ).one()
    if applied.at < known.at:
        return False
    is_same = (known.revision, known.is_failure) == (values["revision"], applied.is_failure)
    if is_same:
        # A repeat adds nothing; only the time moves on, so that older events stay older.
        values = {"at": applied.at}
    else:
        values["is_examined"] = False
    connection.execute(
        update(revisions).where(*_is(known.cluster, known.kind, known.namespace, known.name)).values(values)
    )
    return not is_same


def unexamined(connection: Connection, repo: str) -> Sequence[RevisionRow]:
    """The revisions of a config repository whose content was not compared yet."""
    wanted = select(revisions).where(revisions.c.repo == repo, revisions.c.is_examined.is_(False))
    return [_row(row) for row in connection.execute(wanted.order_by(revisions.c.at))]


def mark_examined(connection: Connection, row: RevisionRow) -> None:
    """Done with this revision, unless another has come meanwhile."""
    connection.execute(
        update(revisions)
        .where(
            *_is(row.cluster, row.kind, row.namespace, row.name),
            revisions.c.revision == row.revision,
            revisions.c.is_failure.is_(row.is_failure),
        )
        .values(is_examined=True)
    )


def every(connection: Connection) -> Sequence[RevisionRow]:
    """What every cluster holds."""
    wanted = select(revisions).order_by(revisions.c.cluster, revisions.c.namespace, revisions.c.name)
    return [_row(row) for row in connection.execute(wanted)]


def _is(cluster: str, kind: str, namespace: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return (
        revisions.c.cluster == cluster,
        revisions.c.kind == kind,
        revisions.c.namespace == namespace,
        revisions.c.name == name,
    )


def _row(row: Row[tuple[object, ...]]) -> RevisionRow:
    return RevisionRow(**row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
