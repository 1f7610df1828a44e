"""Holds: what people stopped, by closing, reverting, asking, or in Git. They are lifted, and kept for ever."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Table,
    and_,
    false,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Row

from app.core.facts import US
from app.core.images import ImageName
from app.core.promotion.holds import BY_PATTERN, GIT, Hold, HoldKind
from app.db.pages import Page, cut, decode_cursor, encode_cursor
from app.db.tables import Instant, SafeString, SafeText, metadata, new_id, storable, to_the_millisecond

holds = Table(
    "holds",
    metadata,
    Column("id", SafeString(32), primary_key=True),
    Column("lane", SafeString(400)),
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
    Column("repo", SafeString(64)),
    Column("image", SafeString(400)),
    Column("digest", SafeString(255)),
    Column("is_in_git", Boolean, nullable=False, server_default=false()),
    Column("lifted_by", SafeText),
    Column("lifted_why", SafeText),
    Column("ceiling", SafeString(128)),
    Column("request", SafeString(32)),
    Index("ix_holds_lane_lifted_at", "lane", "lifted_at"),
)

_REOPENED = "its pull request was reopened"
_TAKEN_OUT = "it no longer stands there"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """A hold with where it is: in one lane, in those of a config repository, or with neither in every one."""

    hold: Hold
    lane: str | None
    repo: str | None
    lifted_at: datetime | None
    lifted_by: str | None
    lifted_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFilters:
    """Which holds: those that stop something at this time, or no longer do; of a repository, also wider ones."""

    is_active: bool | None = None
    stage: str | None = None
    repo: str | None = None


def add(
    connection: Connection, lane: str | None, hold: Hold, *, pull_request: int | None = None, repo: str | None = None
) -> str:
    """Hold something in a lane; without one in those of a config repository, or in every one.

    The same one that is active already is not added again. Returns the id of the one that is active then.
    """
    there = _rows(connection, holds.c.lane.is_not_distinct_from(lane), holds.c.repo.is_not_distinct_from(repo))
    same = next((one.id for one in there if _what(one) == _what(hold)), None)
    if same is None:
        values = {"lane": lane, "repo": repo, "pull_request": pull_request, **_values(hold)}
        connection.execute(insert(holds).values(values))
    return same or hold.id


def _what(hold: Hold) -> tuple[object, ...]:
    """What makes two holds the same; of those that people ask for, also until when. Each rollback has its own."""
    until = (to_the_millisecond(hold.until), storable(hold.why)) if hold.kind in BY_PATTERN else None
    its_own = hold.id if hold.kind is HoldKind.ROLLED_BACK else None
    return hold.stage, hold.policy, hold.tags, hold.kind, hold.image, hold.digest, hold.is_in_git, until, its_own


def replace_in_git(connection: Connection, lane: str, wanted: Iterable[Hold], *, now: datetime) -> bool:
    """Bring what stands in Git of a lane in line: what is new there is added, what is gone lifted; tells of changes."""
    new = {_what(one): one for one in wanted}
    there = {_what(one): one for one in _rows(connection, holds.c.lane == lane, holds.c.is_in_git)}
    for what, one in there.items():
        if what not in new:
            lift(connection, one.id, who=GIT, why=_TAKEN_OUT, at=now)
    added = [one for what, one in new.items() if what not in there]
    if added:
        connection.execute(insert(holds), [{"lane": lane, **_values(one)} for one in added])
    return new.keys() != there.keys()


def active(connection: Connection, lane: str) -> Sequence[Hold]:
    """The holds on a lane that nobody has lifted, also those that ended by themselves."""
    return _rows(connection, _is_on(lane))


def _is_on(lane: str) -> ColumnElement[bool]:
    repo = lane.partition(":")[0]
    return or_(holds.c.lane == lane, and_(holds.c.lane.is_(None), or_(holds.c.repo.is_(None), holds.c.repo == repo)))


def _rows(connection: Connection, *where: ColumnElement[bool]) -> Sequence[Hold]:
    wanted = select(holds).where(holds.c.lifted_at.is_(None), *where).order_by(holds.c.id)
    return [_hold(row) for row in connection.execute(wanted)]


def of_policy(connection: Connection, lane: str, policy: str) -> Sequence[HoldRow]:
    """Every hold that ever reached a policy, oldest first."""
    kinds = [kind.value for kind in BY_PATTERN]
    may_reach = or_(holds.c.policy == policy, holds.c.policy.is_(None), holds.c.kind.in_(kinds))
    wanted = select(holds).where(_is_on(lane), may_reach).order_by(holds.c.id)
    return [one for one in map(_row, connection.execute(wanted)) if one.hold.reaches_policy(policy)]


def find(connection: Connection, hold_id: str) -> HoldRow | None:
    """One hold."""
    row = connection.execute(select(holds).where(holds.c.id == hold_id)).one_or_none()
    return _row(row) if row is not None else None


def page(
    connection: Connection, filters: HoldFilters, *, now: datetime, limit: int, after: str | None = None
) -> Page[HoldRow]:
    """Holds, newest first."""
    wanted = select(holds).order_by(holds.c.id.desc()).limit(limit + 1)
    is_over = holds.c.until.is_not(None) & (holds.c.until <= now)
    if filters.is_active is not None:
        is_active = and_(holds.c.lifted_at.is_(None), ~is_over)
        wanted = wanted.where(is_active if filters.is_active else ~is_active)
    if filters.stage is not None:
        wanted = wanted.where(or_(holds.c.stage == filters.stage, holds.c.stage.is_(None)))
    if filters.repo is not None:
        its = holds.c.lane.startswith(f"{filters.repo}:", autoescape=True)
        everywhere = and_(holds.c.lane.is_(None), holds.c.repo.is_(None))
        wanted = wanted.where(or_(its, holds.c.repo == filters.repo, everywhere))
    if after is not None:
        wanted = wanted.where(holds.c.id < str(*decode_cursor(after, str)))
    rows = [_row(row) for row in connection.execute(wanted)]
    return cut(rows, limit, lambda one: encode_cursor(one.hold.id))


def lift(connection: Connection, hold_id: str, *, who: str, why: str, at: datetime) -> bool:
    """Lift a hold; false, and nothing written, where it is lifted already."""
    wanted = update(holds).where(holds.c.id == hold_id, holds.c.lifted_at.is_(None))
    return connection.execute(wanted.values(lifted_at=at, lifted_by=who, lifted_why=why)).rowcount > 0


def lift_of_pull_request(connection: Connection, lane: str, number: int, *, at: datetime) -> None:
    """Lift what closing a pull request held: somebody reopened it."""
    connection.execute(
        update(holds)
        .where(holds.c.lane == lane, holds.c.pull_request == number, holds.c.lifted_at.is_(None))
        .values(lifted_at=at, lifted_by=US, lifted_why=_REOPENED)
    )


def lift_of_request(connection: Connection, request: str, *, who: str, why: str, at: datetime) -> None:
    """Lift what a request held that ended without being carried out."""
    its = (holds.c.request == request, holds.c.lifted_at.is_(None))
    connection.execute(update(holds).where(*its).values(lifted_at=at, lifted_by=who, lifted_why=why))


def hold_again(connection: Connection, request: str, *, ended_at: datetime, at: datetime) -> None:
    """Hold once more what was lifted when a request ended: it goes on, or was carried out all the same."""
    its = (holds.c.request == request, holds.c.lifted_at == ended_at)
    for row in connection.execute(select(holds).where(*its).order_by(holds.c.id)).all():
        add(connection, row.lane, replace(_hold(row), id=new_id(at)))


def lift_rolled_back(  # noqa: PLR0913 (what is lifted, all named)
    connection: Connection, lane: str, *, stage: str, policy: str, but_of: str, why: str, at: datetime
) -> None:
    """Lift what earlier rollbacks of a place held: another request than theirs was carried out since."""
    its = (holds.c.lane == lane, holds.c.stage == stage, holds.c.policy == policy, holds.c.lifted_at.is_(None))
    earlier = and_(holds.c.kind == HoldKind.ROLLED_BACK, holds.c.request != but_of)
    connection.execute(update(holds).where(*its, earlier).values(lifted_at=at, lifted_by=US, lifted_why=why))


def rename(connection: Connection, lane: str, old: tuple[str, str], new: tuple[str, str]) -> int:
    """Move what is known of a place, a stage and a policy, to the names that it has now; returns how much that is."""
    place = (holds.c.lane == lane, holds.c.stage == old[0], holds.c.policy == old[1])
    return connection.execute(update(holds).where(*place).values(stage=new[0], policy=new[1])).rowcount


def _values(hold: Hold) -> dict[str, object]:
    return {
        "id": hold.id,
        "stage": hold.stage,
        "policy": hold.policy,
        "tags": None if hold.tags is None else list(hold.tags),
        "kind": hold.kind,
        "who": hold.who,
        "why": hold.why,
        "since": hold.since,
        "until": hold.until,
        "image": None if hold.image is None else str(hold.image),
        "digest": hold.digest,
        "is_in_git": hold.is_in_git,
        "ceiling": hold.ceiling,
        "request": hold.request,
    }


def _row(row: Row[tuple[object, ...]]) -> HoldRow:
    names = ("lane", "repo", "lifted_at", "lifted_by", "lifted_why")
    return HoldRow(hold=_hold(row), **{name: getattr(row, name) for name in names})


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
        image=None if row.image is None else ImageName.of_repository(row.image),
        digest=row.digest,
        is_in_git=row.is_in_git,
        ceiling=row.ceiling,
        request=row.request,
    )
