"""Revisions: what each cluster's Flux last told of each of its objects, and what its deployers built last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Boolean, Column, ColumnElement, Connection, Index, Table, delete, func, or_, select, update
from sqlalchemy.engine import Row

from app.core.facts import DEPLOYER, RevisionApplied, RevisionUnderway
from app.core.promotion.applying import ApplicationState, place_name, state_told
from app.core.receipt import bounded
from app.db import measures
from app.db.tables import Instant, SafeString, SafeText, insert_absent, metadata, storable

_LONGEST_MESSAGE = 2000
_MOST_EXAMINED = 500
MOST_UNUSED = 1_000
"""Objects of one cluster that count for nothing and are kept all the same: whoever may speak for it can invent any."""
DROPPED = "flux_dropped"
"""The measure of the objects beyond that, by cluster."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

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
    Column("began_at", Instant),
    Column("branch", SafeText),
    Column("delivery_id", SafeString(32)),
    Column("unused", SafeText),
    Column("underway_reason", SafeText),
    Column("underway_message", SafeText),
    Column("underway_revision", SafeText),
    Column("underway_at", Instant),
    Index("ix_revisions_repo_is_examined", "repo", "is_examined"),
)
_counts_for_nothing = or_(
    revisions.c.unused.is_not(None), revisions.c.is_examined.is_(False), revisions.c.revision == ""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionRow:
    """The revision that one object of a cluster holds, by the event with the latest Flux timestamp.

    Times are Flux's, or those of builds, none of them after our receipt; `received_at` is when it was last said.
    `revision` is empty while no result was told; `began_at` is when the result was told first. `unused` says why the
    event counts for nothing. `underway_…` is what Flux last told of work that has no result.
    """

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
    began_at: datetime | None = None
    branch: str | None = None
    delivery_id: str | None = None
    unused: str | None = None
    underway_reason: str | None = None
    underway_message: str | None = None
    underway_revision: str | None = None
    underway_at: datetime | None = None

    @property
    def kustomization(self) -> str:
        """The object's `namespace/name`, or which deployer it is."""
        return place_name(self.kind, self.namespace, self.name)

    @property
    def whole_name(self) -> str:
        """The same with its kind."""
        return self.kustomization if self.kind == DEPLOYER else f"{self.kind} {self.kustomization}"


def note(  # noqa: PLR0913 (what was told, by which source, when)
    connection: Connection,
    applied: RevisionApplied,
    *,
    repo: str,
    root: str,
    received_at: datetime,
    delivery_id: str | None = None,
) -> bool:
    """Write an event down; true when it must be examined: another revision, another result, or a commit learned.

    An event with an older Flux timestamp never replaces a newer one; of equal ones the last received counts.
    """
    values: dict[str, object] = {
        "repo": repo,
        "root": root,
        "revision": storable(applied.revision),
        "commit": applied.commit,
        "branch": applied.branch,
        "is_failure": applied.is_failure,
        "reason": storable(applied.reason),
        "message": storable(applied.message)[:_LONGEST_MESSAGE],
        "at": bounded(applied.at, received_at),
        "began_at": bounded(applied.at, received_at),
        "received_at": received_at,
        "delivery_id": delivery_id,
    }
    key = _key(applied)
    if insert_absent(connection, revisions, {**key, **values, "is_examined": False}):
        _make_room(connection, applied.cluster)
        return True
    known = _row(connection.execute(select(revisions).where(*_is(**key)).with_for_update()).one())
    news = _news(known, values)
    if news:
        connection.execute(update(revisions).where(*_is(**key)).values(news))
    return "is_examined" in news


def _news(known: RevisionRow, values: dict[str, object]) -> Mapping[str, object]:
    """What an event changes; `is_examined` is among it where its content must be compared."""
    at, received_at = bounded(known.at, known.received_at), known.received_at
    is_older = (values["at"], values["received_at"]) < (at, received_at)
    is_same_revision = known.revision == values["revision"]
    learned = {name: values[name] for name in ("commit", "branch", "delivery_id")}
    again = {"is_examined": False, "unused": None}
    if is_older:
        # What it says of its revision is true whenever it comes.
        is_learned = is_same_revision and known.commit is None and values["commit"] is not None
        return {**learned, **again} if is_learned else {}
    if is_same_revision and values["commit"] is None:
        values |= {"commit": known.commit, "branch": known.branch}
    if not is_same_revision or _state_of(values) != state_told_of(known):
        return {**values, **again}
    # A repeat adds nothing; only the time moves on, so that older events stay older.
    repeated = {name: values[name] for name in ("at", "received_at", "reason", "message")}
    return repeated if values["commit"] == known.commit else {**repeated, **learned, **again}


def note_underway(
    connection: Connection, told: RevisionUnderway, *, repo: str, root: str, received_at: datetime
) -> None:
    """Write down that Flux works on a revision or waits with it; what it last applied stays as it is."""
    at = bounded(told.at, received_at)
    values: dict[str, object] = {
        "underway_reason": storable(told.reason),
        "underway_message": storable(told.message)[:_LONGEST_MESSAGE],
        "underway_revision": storable(told.revision),
        "underway_at": at,
    }
    nothing = {"revision": "", "is_failure": False, "reason": "", "message": "", "at": _NEVER, "is_examined": True}
    fresh = {"repo": repo, "root": root, "received_at": received_at, **nothing}
    if insert_absent(connection, revisions, {**_key(told), **fresh, **values}):
        _make_room(connection, told.cluster)
        return
    newest = revisions.c.underway_at.is_(None) | (revisions.c.underway_at <= at)
    connection.execute(update(revisions).where(*_is(**_key(told)), newest).values(values))


def _make_room(connection: Connection, cluster: str) -> None:
    """Drop what counts for nothing, or does not yet, beyond the most of a cluster: what was told longest ago."""
    one = (revisions.c.cluster, revisions.c.kind, revisions.c.namespace, revisions.c.name)
    spare = select(*one).where(revisions.c.cluster == cluster, _counts_for_nothing)
    newest_first = spare.order_by(revisions.c.received_at.desc(), *one).offset(MOST_UNUSED)
    beyond = connection.execute(newest_first.with_for_update(skip_locked=True)).all()
    for key in beyond:
        connection.execute(delete(revisions).where(*_is(*key)))
    if beyond:
        measures.add(connection, DROPPED, cluster, len(beyond))


def count_forgettable(connection: Connection, told_before: datetime) -> int:
    """How many objects `forget` would drop."""
    old = select(func.count()).select_from(revisions).where(_counts_for_nothing, revisions.c.received_at < told_before)
    return connection.execute(old).scalar_one()


def forget(connection: Connection, told_before: datetime) -> int:
    """Drop the objects that count for nothing and of which nothing was told since; returns how many."""
    old = (_counts_for_nothing, revisions.c.received_at < told_before)
    return connection.execute(delete(revisions).where(*old)).rowcount


def state_told_of(row: RevisionRow) -> ApplicationState:
    """What the event says of the texts at its revision."""
    return state_told(is_failure=row.is_failure, reason=row.reason)


def unexamined(connection: Connection, repo: str) -> Sequence[RevisionRow]:
    """The revisions of a config repository whose content was not compared yet, in the order of their times.

    Of very many those that were told last: whoever may speak for a cluster can invent objects at commits that there
    are not, which stay unexamined, and each costs a run some milliseconds.
    """
    wanted = select(revisions).where(revisions.c.repo == repo, revisions.c.is_examined.is_(False))
    newest = connection.execute(wanted.order_by(revisions.c.received_at.desc()).limit(_MOST_EXAMINED))
    return sorted(map(_row, newest), key=lambda row: row.at)


def note_use(connection: Connection, row: RevisionRow, *, is_examined: bool, unused: str | None) -> bool:
    """Write down what came of looking at a revision; false when another has come meanwhile, or it learned a commit."""
    is_it = (
        revisions.c.revision == row.revision,
        revisions.c.is_failure.is_(row.is_failure),
        revisions.c.reason == row.reason,
        revisions.c.commit.is_(None) if row.commit is None else revisions.c.commit == row.commit,
    )
    noted = update(revisions).where(*_is(row.cluster, row.kind, row.namespace, row.name), *is_it)
    return connection.execute(noted.values(is_examined=is_examined, unused=unused)).rowcount == 1


def find(connection: Connection, told: RevisionApplied) -> RevisionRow | None:
    """What is known of the object that an event is about."""
    row = connection.execute(select(revisions).where(*_is(**_key(told)))).one_or_none()
    return _row(row) if row is not None else None


def of_cluster(connection: Connection, cluster: str) -> Sequence[RevisionRow]:
    """What one cluster holds."""
    wanted = select(revisions).where(revisions.c.cluster == cluster)
    return [_row(row) for row in connection.execute(wanted)]


def unused(connection: Connection) -> Sequence[RevisionRow]:
    """Those that count for nothing, with the reason."""
    wanted = select(revisions).where(revisions.c.unused.is_not(None))
    ordered = wanted.order_by(revisions.c.cluster, revisions.c.kind, revisions.c.namespace, revisions.c.name)
    return [_row(row) for row in connection.execute(ordered)]


def _state_of(values: Mapping[str, object]) -> ApplicationState:
    return state_told(is_failure=bool(values["is_failure"]), reason=str(values["reason"]))


def _key(told: RevisionApplied | RevisionUnderway) -> dict[str, str]:
    return {"cluster": told.cluster, "kind": told.kind, "namespace": told.namespace, "name": told.name}


def _is(cluster: str, kind: str, namespace: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return (
        revisions.c.cluster == cluster,
        revisions.c.kind == kind,
        revisions.c.namespace == namespace,
        revisions.c.name == name,
    )


def _row(row: Row[tuple[object, ...]]) -> RevisionRow:
    return RevisionRow(**row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
