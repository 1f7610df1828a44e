"""Promotions: each policy's moves in each stage, and what became of them; every change is an event."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.engine import Row

from app.db import promotion_events
from app.db.pages import Page, cut, decode_cursor, encode_cursor
from app.db.tables import Instant, SafeString, SafeText, lists_of, metadata, new_id, storable


class PromotionState(StrEnum):
    """Where a promotion stands; waiting and proposed are open."""

    WAITING = "waiting"
    PROPOSED = "proposed"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    CLOSED = "closed"
    MERGED = "merged"
    REVERTED = "reverted"


_IS_OPEN = text("state IN ('waiting', 'proposed')")

promotions = Table(
    "promotions",
    metadata,
    Column("id", SafeString(32), primary_key=True),
    Column("lane", SafeString(400), nullable=False),
    Column("repo", SafeString(64), nullable=False),
    Column("stage", SafeString(64), nullable=False),
    Column("policy", SafeText, nullable=False),
    Column("image", SafeText, nullable=False),
    Column("tag", SafeString(128), nullable=False),
    Column("digest", SafeString(255)),
    Column("from_tag", SafeText),
    Column("state", SafeString(16), nullable=False),
    Column("reason", SafeText, nullable=False),
    Column("origin", SafeString(16), nullable=False),
    Column("pull_request", Integer),
    Column("branch", SafeText),
    Column("head_sha", SafeString(64)),
    Column("merge_commit", SafeString(64)),
    Column("merged_by", SafeText),
    Column("merged_at", Instant),
    Column("build_id", SafeString(32)),
    Column("began_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index(
        "uq_promotions_open",
        "lane",
        "stage",
        "policy",
        "tag",
        unique=True,
        sqlite_where=_IS_OPEN,
        postgresql_where=_IS_OPEN,
    ),
    Index("ix_promotions_lane_state", "lane", "state"),
    Index("ix_promotions_state_id", "state", "id"),
    Index("ix_promotions_lane_stage_policy", "lane", "stage", "policy", "id"),
)

_FIND = select(promotions).where(promotions.c.id == bindparam("its_id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRow:
    """A promotion as it stands."""

    id: str
    lane: str
    repo: str
    stage: str
    policy: str
    image: str
    tag: str
    digest: str | None
    from_tag: str | None
    state: PromotionState
    reason: str
    origin: str
    pull_request: int | None
    branch: str | None
    head_sha: str | None
    merge_commit: str | None
    merged_by: str | None
    merged_at: datetime | None
    build_id: str | None
    began_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPromotion:
    """A promotion that begins, waiting."""

    lane: str
    stage: str
    policy: str
    image: str
    tag: str
    digest: str | None
    from_tag: str | None
    reason: str
    origin: str
    build_id: str | None = None


def begin(connection: Connection, new: NewPromotion, *, who: str, at: datetime) -> PromotionRow:
    """Begin a promotion. One that is open for the same lane, stage, policy and tag is returned instead."""
    known = find_open(connection, new.lane, stage=new.stage, policy=new.policy, tag=new.tag)
    if known is not None:
        return known
    began = connection.execute(
        insert(promotions)
        .values(
            id=new_id(at),
            lane=new.lane,
            repo=new.lane.partition(":")[0],
            stage=new.stage,
            policy=new.policy,
            image=new.image,
            tag=storable(new.tag)[:128],
            digest=new.digest,
            from_tag=storable(new.from_tag) if new.from_tag else None,
            state=PromotionState.WAITING,
            reason=storable(new.reason),
            origin=new.origin,
            build_id=new.build_id,
            began_at=at,
            updated_at=at,
        )
        .returning(*promotions.c)
    )
    row = _row(began.one())
    promotion_events.append(
        connection, lane=row.lane, promotion_id=row.id, what="waiting", who=who, at=at, reason=new.reason
    )
    return row


def move(  # noqa: PLR0913 (what happened, by whom and when, all named)
    connection: Connection,
    promotion_id: str,
    state: PromotionState,
    *,
    reason: str,
    who: str,
    at: datetime,
    learned: Mapping[str, object] | None = None,
) -> PromotionRow:
    """Move a promotion on and append the event; `learned` are further columns that are known now."""
    values = {name: value for name, value in (learned or {}).items() if value is not None}
    moving = update(promotions).where(promotions.c.id == promotion_id).returning(*promotions.c)
    moved = connection.execute(moving.values(state=state, reason=storable(reason), updated_at=at, **values))
    row = _row(moved.one())
    promotion_events.append(connection, lane=row.lane, promotion_id=row.id, what=state, who=who, at=at, reason=reason)
    return row


def learn_build(connection: Connection, promotion_id: str, build_id: str) -> None:
    """Write down which build made the tag, where it was reported after the promotion began."""
    connection.execute(update(promotions).where(promotions.c.id == promotion_id).values(build_id=build_id))


def find(connection: Connection, promotion_id: str) -> PromotionRow | None:
    """One promotion."""
    row = connection.execute(_FIND, {"its_id": promotion_id}).one_or_none()
    return _row(row) if row is not None else None


def among(connection: Connection, ids: Iterable[str]) -> Sequence[PromotionRow]:
    """Those of some promotions that are known."""
    named = (promotions.c.id.in_(some) for some in lists_of(ids))
    return [_row(row) for one in named for row in connection.execute(select(promotions).where(one))]


def tags_of(connection: Connection, ids: Iterable[str]) -> Mapping[str, str]:
    """The tags of promotions, by their ids."""
    found: dict[str, str] = {}
    for some in lists_of(ids):
        rows = connection.execute(select(promotions.c.id, promotions.c.tag).where(promotions.c.id.in_(some)))
        found.update((row.id, row.tag) for row in rows)
    return found


def find_open(connection: Connection, lane: str, *, stage: str, policy: str, tag: str) -> PromotionRow | None:
    """The open promotion of this tag."""
    return _first(connection, _of(lane, stage, policy).where(promotions.c.tag == tag, _IS_OPEN))


def latest(connection: Connection, lane: str, *, stage: str, policy: str, tag: str) -> PromotionRow | None:
    """The newest promotion of this tag, whatever became of it."""
    return _first(connection, _of(lane, stage, policy).where(promotions.c.tag == tag))


def of_tag(connection: Connection, lane: str, *, policy: str, tag: str, limit: int) -> Sequence[PromotionRow]:
    """A policy's promotions of one tag in all stages, newest first."""
    wanted = select(promotions).where(
        promotions.c.lane == lane, promotions.c.policy == storable(policy), promotions.c.tag == tag
    )
    return [_row(row) for row in connection.execute(wanted.order_by(promotions.c.id.desc()).limit(limit))]


def latest_merged(connection: Connection, lane: str, *, stage: str, policy: str) -> PromotionRow | None:
    """What was let in last: the newest promotion that is merged, by the order of merging.

    Its first event of a merge counts: what a forge tells of it later only corrects it.
    """
    event, told = promotion_events.promotion_events, _told_as_merged()
    merged = _of(lane, stage, policy).where(promotions.c.state == PromotionState.MERGED).join(event, told)
    return _first(connection, merged.group_by(promotions.c.id).order_by(None).order_by(func.min(event.c.seq).desc()))


def let_in(connection: Connection, lane: str, *, stage: str, policy: str, limit: int) -> Sequence[PromotionRow]:
    """What came into a stage for a policy, also what was taken back since, newest first by the order of merging."""
    came = promotions.c.state.in_([PromotionState.MERGED, PromotionState.REVERTED])
    event, told = promotion_events.promotion_events, _told_as_merged()
    wanted = _of(lane, stage, policy).where(came).join(event, told).group_by(promotions.c.id).order_by(None)
    return [_row(row) for row in connection.execute(wanted.order_by(func.min(event.c.seq).desc()).limit(limit))]


def let_in_by(connection: Connection, lane: str, number: int) -> Sequence[PromotionRow]:
    """What a pull request let in, also what was taken back since; oldest first."""
    came = promotions.c.state.in_([PromotionState.MERGED, PromotionState.REVERTED])
    wanted = select(promotions).where(promotions.c.lane == lane, promotions.c.pull_request == number, came)
    return [_row(row) for row in connection.execute(wanted.order_by(promotions.c.id))]


def merged_last(connection: Connection, lane: str) -> Mapping[tuple[str, str], PromotionRow]:
    """What was let in last into each stage for each policy of a lane, as `latest_merged` tells it of one."""
    event, told = promotion_events.promotion_events, _told_as_merged()
    is_merged = (promotions.c.lane == lane, promotions.c.state == PromotionState.MERGED)
    entry = select(promotions.c.stage, promotions.c.policy, func.min(event.c.seq).label("seq"))
    entries = entry.join(event, told).where(*is_merged).group_by(promotions.c.id).subquery()
    newest = select(func.max(entries.c.seq)).group_by(entries.c.stage, entries.c.policy)
    wanted = select(promotions).join(event, told).where(*is_merged, event.c.lane == lane, event.c.seq.in_(newest))
    return {(row.stage, row.policy): row for row in map(_row, connection.execute(wanted))}


def _told_as_merged() -> ColumnElement[bool]:
    event = promotion_events.promotion_events
    return and_(event.c.promotion_id == promotions.c.id, event.c.what == PromotionState.MERGED)


def latest_let_in(connection: Connection, lane: str, *, stage: str, policy: str, tag: str) -> PromotionRow | None:
    """The newest promotion of this tag that came into the base branch, also one that was taken back since."""
    came = (PromotionState.MERGED, PromotionState.REVERTED)
    return _first(connection, _of(lane, stage, policy).where(promotions.c.tag == tag, promotions.c.state.in_(came)))


def open_in(connection: Connection, lane: str) -> Sequence[PromotionRow]:
    """Every open promotion of a lane, oldest first."""
    wanted = select(promotions).where(promotions.c.lane == lane, _IS_OPEN).order_by(promotions.c.id)
    return [_row(row) for row in connection.execute(wanted)]


def of_pull_request(connection: Connection, lane: str, number: int) -> Sequence[PromotionRow]:
    """The open promotions that a pull request carries."""
    wanted = select(promotions).where(promotions.c.lane == lane, promotions.c.pull_request == number, _IS_OPEN)
    return [_row(row) for row in connection.execute(wanted.order_by(promotions.c.id))]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionFilters:
    """Which promotions are wanted; None asks for all."""

    repo: str | None = None
    stage: str | None = None
    policy: str | None = None
    image: str | None = None
    state: PromotionState | None = None
    since: datetime | None = None
    until: datetime | None = None


def page(
    connection: Connection, filters: PromotionFilters, *, limit: int, after: str | None = None
) -> Page[PromotionRow]:
    """Promotions, newest first; a policy is named in full or by its `namespace/name` or name alone."""
    wanted = select(promotions).order_by(promotions.c.id.desc()).limit(limit + 1)
    if after is not None:
        wanted = wanted.where(promotions.c.id < decode_cursor(after, str)[0])
    for name in ("repo", "stage", "image", "state"):
        value = getattr(filters, name)
        if value is not None:
            wanted = wanted.where(promotions.c[name] == value)
    if filters.policy is not None:
        policy = storable(filters.policy)
        escaped = policy.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        wanted = wanted.where(
            or_(
                promotions.c.policy == policy,
                promotions.c.policy.like(f"%:{escaped}", escape="\\"),
                promotions.c.policy.like(f"%/{escaped}", escape="\\"),
            )
        )
    if filters.since is not None:
        wanted = wanted.where(promotions.c.updated_at >= filters.since)
    if filters.until is not None:
        wanted = wanted.where(promotions.c.updated_at < filters.until)
    rows = [_row(row) for row in connection.execute(wanted)]
    return cut(rows, limit, lambda row: encode_cursor(row.id))


def rename(connection: Connection, lane: str, old: tuple[str, str], new: tuple[str, str]) -> int:
    """Move what is known of a place, a stage and a policy, to the names that it has now; returns how much that is."""
    place = (promotions.c.lane == lane, promotions.c.stage == old[0], promotions.c.policy == old[1])
    return connection.execute(update(promotions).where(*place).values(stage=new[0], policy=new[1])).rowcount


def stages_of(connection: Connection, lane: str, policy: str) -> Sequence[str]:
    """The stages in which a policy has moved, or wanted to."""
    wanted = select(promotions.c.stage).where(promotions.c.lane == lane, promotions.c.policy == policy).distinct()
    return list(connection.execute(wanted.order_by(promotions.c.stage)).scalars())


def was_said(connection: Connection, lane: str, *, stage: str, policy: str, reason: str) -> bool:
    """Tell whether this is in a place's history since a pull request of it last ended: then it was about another."""
    event = promotion_events.promotion_events
    ends = event.c.what.in_([PromotionState.MERGED, PromotionState.CLOSED])
    newest = (
        select(event.c.reason)
        .join(promotions, promotions.c.id == event.c.promotion_id)
        .where(event.c.lane == lane, promotions.c.stage == stage, promotions.c.policy == policy)
        .where(or_(ends, event.c.reason == reason))
        .order_by(event.c.seq.desc())
    )
    return connection.execute(newest.limit(1)).scalar() == reason


def counts_by_state(connection: Connection, lane: str) -> dict[str, int]:
    """How many promotions a lane has in each state."""
    counted = select(promotions.c.state, func.count().label("total")).where(promotions.c.lane == lane)
    return {row.state: row.total for row in connection.execute(counted.group_by(promotions.c.state))}


def _of(lane: str, stage: str, policy: str) -> Select[tuple[object, ...]]:
    return (
        select(promotions)
        .where(promotions.c.lane == lane, promotions.c.stage == stage, promotions.c.policy == policy)
        .order_by(promotions.c.id.desc())
    )


def unlike_their_history(connection: Connection, after: str, *, limit: int) -> tuple[Sequence[str], str | None]:
    """Look at some promotions by id: which have a state that is not their last event's; the id to go on after."""
    events = promotion_events.promotion_events
    newest = select(events.c.what).where(events.c.promotion_id == promotions.c.id).order_by(events.c.seq.desc())
    wanted = select(promotions.c.id, promotions.c.state, newest.limit(1).scalar_subquery().label("told"))
    rows = connection.execute(wanted.where(promotions.c.id > after).order_by(promotions.c.id).limit(limit)).all()
    return [row.id for row in rows if row.told != row.state], rows[-1].id if len(rows) == limit else None


def _first(connection: Connection, wanted: Select[tuple[object, ...]]) -> PromotionRow | None:
    row = connection.execute(wanted.limit(1)).one_or_none()
    return _row(row) if row is not None else None


def _row(row: Row[tuple[object, ...]]) -> PromotionRow:
    values = dict(row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
    return PromotionRow(**{**values, "state": PromotionState(values["state"])})
