"""Holds: what people stopped, by closing, reverting or asking."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import JSON, Column, Connection, Index, Integer, Table, insert, or_, select, update
from sqlalchemy.engine import Row

from app.core.promotion.holds import Hold, HoldKind
from app.db.tables import Instant, SafeString, SafeText, metadata

holds = Table(
    "holds",
    metadata,
    Column("id", SafeString(32), primary_key=True),
    Column("lane", SafeString(400), nullable=False),
    Column("stage", SafeString(64)),
    Column("policy", SafeText),
    Column("tags", JSON(none_as_null=True)),
    Column("kind", SafeString(16), nullable=False),
    Column("who", SafeText, nullable=False),
    Column("why", SafeText, nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant),
    Column("pull_request", Integer),
    Column("lifted_at", Instant),
    Index("ix_holds_lane_lifted_at", "lane", "lifted_at"),
)


def add(connection: Connection, lane: str, hold: Hold, *, pull_request: int | None) -> None:
    """Hold tags of a policy in a stage. The same one that is active already is not added again."""
    same = any(
        (one.stage, one.policy, one.tags, one.kind) == (hold.stage, hold.policy, hold.tags, hold.kind)
        for one in active(connection, lane)
    )
    if not same:
        connection.execute(
            insert(holds).values(
                id=hold.id,
                lane=lane,
                stage=hold.stage,
                policy=hold.policy,
                tags=None if hold.tags is None else list(hold.tags),
                kind=hold.kind,
                who=hold.who,
                why=hold.why,
                since=hold.since,
                until=hold.until,
                pull_request=pull_request,
            )
        )


def active(connection: Connection, lane: str) -> Sequence[Hold]:
    """The holds of a lane that nobody has lifted, also those that ended by themselves."""
    wanted = select(holds).where(holds.c.lane == lane, holds.c.lifted_at.is_(None)).order_by(holds.c.id)
    return [_hold(row) for row in connection.execute(wanted)]


def of_policy(connection: Connection, lane: str, policy: str) -> Sequence[tuple[Hold, datetime | None]]:
    """Every hold that ever reached a policy, oldest first, and when it was lifted; None: nobody did."""
    reaches = or_(holds.c.policy == policy, holds.c.policy.is_(None))
    wanted = select(holds).where(holds.c.lane == lane, reaches).order_by(holds.c.id)
    return [(_hold(row), row.lifted_at) for row in connection.execute(wanted)]


def _hold(row: Row[tuple[object, ...]]) -> Hold:
    return Hold(
        id=row.id,
        stage=row.stage,
        policy=row.policy,
        tags=None if row.tags is None else tuple(row.tags),
        kind=HoldKind(row.kind),
        who=row.who,
        why=row.why,
        since=row.since,
        until=row.until,
    )


def rename(connection: Connection, lane: str, old: tuple[str, str], new: tuple[str, str]) -> int:
    """Move what is known of a place, a stage and a policy, to the names that it has now; returns how much that is."""
    place = (holds.c.lane == lane, holds.c.stage == old[0], holds.c.policy == old[1])
    return connection.execute(update(holds).where(*place).values(stage=new[0], policy=new[1])).rowcount


def lift_of_pull_request(connection: Connection, lane: str, number: int, *, at: datetime) -> None:
    """Lift what closing a pull request held: somebody reopened it."""
    connection.execute(
        update(holds)
        .where(holds.c.lane == lane, holds.c.pull_request == number, holds.c.lifted_at.is_(None))
        .values(lifted_at=at)
    )
