"""Cluster states: by policy and stage, which Kustomization of which cluster applies it and how it last fared there.

The lines of the history are in applications; this names the newest of each place, so that nobody has to search them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Integer,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.engine import Row

from app.db.tables import Instant, SafeString, SafeText, insert_absent, metadata, storable

cluster_states = Table(
    "cluster_states",
    metadata,
    Column("lane", SafeString(400), primary_key=True),
    Column("stage", SafeString(64), primary_key=True),
    Column("policy", SafeText, primary_key=True),
    Column("cluster", SafeString(64), primary_key=True),
    Column("kustomization", SafeString(512), primary_key=True),
    Column("is_expected", Boolean, nullable=False),
    Column("promotion_id", SafeString(32)),
    Column("since", Instant),
    Column("hindrance", SafeText),
    Column("newest_id", Integer),
    Column("running_id", Integer),
)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One policy in one stage, as one Kustomization of one cluster applies it."""

    lane: str
    stage: str
    policy: str
    cluster: str
    kustomization: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A Kustomization that the base head has for a place, and what Git has there.

    `promotion_id` brought that, and was noticed at `since` by our clock; None where no promotion did. `hindrance` says
    why Flux will not apply it, as far as the head shows.
    """

    place: Place
    promotion_id: str | None
    since: datetime | None
    hindrance: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStateRow:
    """A place; `newest_id` is its last application, `running_id` the last that tells what the cluster runs."""

    place: Place
    is_expected: bool
    promotion_id: str | None
    since: datetime | None
    hindrance: str | None
    newest_id: int | None
    running_id: int | None


def find(connection: Connection, place: Place) -> ClusterStateRow | None:
    """What is known of one place."""
    row = connection.execute(select(cluster_states).where(*_is(place))).one_or_none()
    return _row(row) if row is not None else None


def point(connection: Connection, place: Place, application_id: int, *, is_running: bool) -> None:
    """Make an application the newest of its place; `is_running`: it tells what the cluster runs, too."""
    learned = {"newest_id": application_id, **({"running_id": application_id} if is_running else {})}
    if not insert_absent(connection, cluster_states, {**_key(place), "is_expected": False, **learned}):
        connection.execute(update(cluster_states).where(*_is(place)).values(learned))


def expect(connection: Connection, lane: str, expected: Iterable[Expected]) -> None:
    """Write down what the base head has; of places that it has no more only those stay where something was applied."""
    wanted = {one.place: one for one in expected}
    known = {one.place: one for one in of_lane(connection, lane)}
    stay = [place for place, one in known.items() if place not in wanted and one.newest_id is not None]
    rows = [_cluster_state(place, wanted.get(place), known.get(place)) for place in sorted([*wanted, *stay])]
    new = [one for one in rows if one != known.get(one.place)]
    gone = known.keys() - {one.place for one in rows if one == known.get(one.place)}
    if gone:
        old = [{f"old_{name}": value for name, value in _key(place).items()} for place in sorted(gone)]
        at = (cluster_states.c[name] == bindparam(f"old_{name}") for name in Place.__slots__)
        connection.execute(delete(cluster_states).where(*at), old)
    if new:
        connection.execute(insert(cluster_states), [_values(one) for one in new])


def of_lane(connection: Connection, lane: str) -> Sequence[ClusterStateRow]:
    """All places of a lane."""
    return [_row(row) for row in connection.execute(select(cluster_states).where(cluster_states.c.lane == lane))]


def of_policy(connection: Connection, lane: str, *, stage: str, policy: str) -> Sequence[ClusterStateRow]:
    """The places of one policy in one stage, by cluster."""
    wanted = select(cluster_states).where(
        cluster_states.c.lane == lane, cluster_states.c.stage == stage, cluster_states.c.policy == policy
    )
    return [
        _row(row)
        for row in connection.execute(wanted.order_by(cluster_states.c.cluster, cluster_states.c.kustomization))
    ]


def rename(connection: Connection, lane: str, old: tuple[str, str], new: tuple[str, str]) -> int:
    """Move what is known of a place, a stage and a policy, to the names that it has now; returns how much that is."""
    at_old, at_new = (
        and_(cluster_states.c.lane == lane, cluster_states.c.stage == stage, cluster_states.c.policy == policy)
        for stage, policy in (old, new)
    )
    connection.execute(delete(cluster_states).where(at_new))
    return connection.execute(update(cluster_states).where(at_old).values(stage=new[0], policy=new[1])).rowcount


def _cluster_state(place: Place, expected: Expected | None, known: ClusterStateRow | None) -> ClusterStateRow:
    return ClusterStateRow(
        place=place,
        is_expected=expected is not None,
        promotion_id=expected.promotion_id if expected else None,
        since=expected.since if expected else None,
        hindrance=storable(expected.hindrance) if expected and expected.hindrance else None,
        newest_id=known.newest_id if known else None,
        running_id=known.running_id if known else None,
    )


def _values(row: ClusterStateRow) -> dict[str, object]:
    return {**_key(row.place), **{name: getattr(row, name) for name in ClusterStateRow.__slots__ if name != "place"}}


def _key(place: Place) -> dict[str, object]:
    return {name: getattr(place, name) for name in Place.__slots__}


def _is(place: Place) -> tuple[ColumnElement[bool], ...]:
    return tuple(cluster_states.c[name] == getattr(place, name) for name in Place.__slots__)


def _row(row: Row[tuple[object, ...]]) -> ClusterStateRow:
    values = dict(row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
    return ClusterStateRow(place=Place(*(values.pop(name) for name in Place.__slots__)), **values)
