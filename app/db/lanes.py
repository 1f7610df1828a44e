"""Lanes: when each is due, who runs it, and what its last run saw. The only entrance to lease and fence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Row

from app.core.images import ImageName
from app.db import wakes
from app.db.claims import Queue
from app.db.tables import Instant, SafeString, SafeText, insert_absent, lists_of, metadata, storable

RETIRED = "no longer configured"
"""The error of a lane that was taken out of the settings."""

lanes = Table(
    "lanes",
    metadata,
    Column("key", SafeString(400), primary_key=True),
    Column("repo", SafeString(64), nullable=False),
    Column("branch", SafeString(255), nullable=False),
    Column("due_at", Instant),
    Column("wanted", BigInteger, nullable=False),
    Column("owner", SafeString(64)),
    Column("claimed_at", Instant),
    Column("lease_until", Instant),
    Column("fence", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", SafeText),
    Column("last_head", SafeString(64)),
    Column("last_run_at", Instant),
    Column("next_look_at", Instant),
    Column("plan", SafeText),
    Column("problem", SafeText),
    Index("ix_lanes_due_at", "due_at"),
)

lane_images = Table(
    "lane_images",
    metadata,
    Column("image", SafeString(400), primary_key=True),
    Column("lane", SafeString(400), primary_key=True),
)

QUEUE = Queue(lanes, key=lanes.c.key, due=lanes.c.due_at, noted=("claimed_at",))
"""Who runs which lane."""
_NEXT_DUE = QUEUE.next_due(lanes.c.key.not_in(bindparam("excluding", expanding=True)), due_by="due_by")
_TAKE = QUEUE.taking(_NEXT_DUE, claimed_at=bindparam("now", type_=Instant))
_LANES_OF_IMAGES = (
    select(lane_images).where(lane_images.c.image.in_(bindparam("images", expanding=True))).order_by(lane_images.c.lane)
)
_HELD = select(lanes).where(lanes.c.key == bindparam("its_key")).with_for_update()
_WANT = (
    update(lanes)
    .where(lanes.c.key == bindparam("its_key"))
    .values(wanted=bindparam("now_wanted"), due_at=bindparam("now_due_at"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRow:
    """A lane as it stands; `due_at` None means idle.

    `last_error` is why its last run was broken off, `problem` what the last that was not could not bring about.
    """

    key: str
    repo: str
    branch: str
    due_at: datetime | None
    wanted: int
    owner: str | None
    claimed_at: datetime | None
    lease_until: datetime | None
    fence: int
    attempts: int
    last_error: str | None
    last_head: str | None
    last_run_at: datetime | None
    next_look_at: datetime | None
    plan: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneClaim:
    """The right to run a lane until the lease ends; `wanted` is what had been asked for when it was taken."""

    key: str
    repo: str
    branch: str
    owner: str
    fence: int
    wanted: int
    attempts: int
    last_head: str | None


def key_of(repo: str, branch: str) -> str:
    """The key of a lane."""
    return f"{repo}:{branch}"


def ensure(connection: Connection, repo: str, branch: str, now: datetime) -> None:
    """Make a lane known; one that never ran, or was taken out of the settings for a time, is due."""
    key = key_of(repo, branch)
    fresh = {"due_at": now, "wanted": 1, "fence": 0, "attempts": 0}
    if insert_absent(connection, lanes, {"key": key, "repo": repo, "branch": branch, **fresh}):
        return
    is_new = or_(lanes.c.last_run_at.is_(None), lanes.c.last_error == RETIRED)
    is_idle = and_(lanes.c.key == key, lanes.c.due_at.is_(None), lanes.c.owner.is_(None))
    connection.execute(update(lanes).where(is_idle, is_new).values(due_at=now))


def raise_wanted(connection: Connection, keys: Iterable[str], *, now: datetime) -> None:
    """Mark lanes due: an idle one at once, one that runs once more after its run.

    A lane that backs off keeps its time. Keys are locked in order, so that two deliveries never wait for each other.
    """
    for key in sorted(set(keys)):
        row = connection.execute(_HELD, {"its_key": key}).one_or_none()
        if row is None:
            continue
        is_put_off = row.last_error is not None and row.due_at is not None
        due_at = row.due_at if is_put_off or (row.due_at is not None and row.due_at < now) else now
        connection.execute(_WANT, {"its_key": key, "now_wanted": row.wanted + 1, "now_due_at": due_at})
        wakes.tell(connection)


def next_due(now: datetime, excluding: Sequence[str] = (), *, later: timedelta = timedelta()) -> Select[tuple[str]]:
    """The query for the lane that has been due longest, at least for as long as `later`, and that nobody runs."""
    return _NEXT_DUE.params(_asked(now, excluding, later))


def _asked(now: datetime, excluding: Sequence[str], later: timedelta) -> dict[str, object]:
    return {"now": now, "due_by": now - later, "excluding": list(excluding), "most": 1}


def claim_due(  # noqa: PLR0913 (all named)
    connection: Connection,
    *,
    owner: str,
    now: datetime,
    lease: timedelta,
    later: timedelta = timedelta(),
    excluding: Sequence[str] = (),
) -> LaneClaim | None:
    """Take the lane that has been due longest and nobody runs; None when there is none. Raises the fence."""
    taken = {**_asked(now, excluding, later), "by": owner, "until": now + lease}
    row = connection.execute(_TAKE, taken).one_or_none()
    if row is None:
        return None
    return LaneClaim(
        key=row.key,
        repo=row.repo,
        branch=row.branch,
        owner=owner,
        fence=row.fence,
        wanted=row.wanted,
        attempts=row.attempts,
        last_head=row.last_head,
    )


def still_owned(connection: Connection, claim: LaneClaim) -> bool:
    """Lock the lane's row and tell whether this claim still holds; other writers wait until the transaction ends."""
    return QUEUE.still_owned(connection, claim, locks=True)


def renew(connection: Connection, claim: LaneClaim, *, now: datetime, lease: timedelta) -> bool:
    """Prolong the lease; false when the claim no longer holds, also after it was settled."""
    return QUEUE.renew(connection, claim, now=now, lease=lease)


def settle(  # noqa: PLR0913 (what the run leaves behind, all named)
    connection: Connection,
    claim: LaneClaim,
    *,
    now: datetime,
    next_look_at: datetime | None,
    last_head: str | None,
    plan: str,
    problem: str | None = None,
    is_settled: bool = True,
) -> bool:
    """End a run; due again at once when something was wanted meanwhile.

    Where it could not bring everything about (not `is_settled`), that counts as an attempt, but delays no new wish.

    The row is locked first and `wanted` read in a later statement: read in the same one, PostgreSQL would not see
    what was raised while it waited. False, and nothing written, when the claim no longer holds.
    """
    if not still_owned(connection, claim):
        return False
    wanted = connection.execute(select(lanes.c.wanted).where(lanes.c.key == claim.key)).scalar_one()
    is_wanted_again = wanted != claim.wanted
    return QUEUE.end(
        connection,
        claim,
        attempts=0 if is_settled else lanes.c.attempts + 1,
        last_error=None,
        last_head=last_head,
        last_run_at=now,
        next_look_at=next_look_at,
        plan=storable(plan),
        problem=storable(problem) if problem is not None else None,
        due_at=now if is_wanted_again else next_look_at,
    )


def fail(connection: Connection, claim: LaneClaim, *, due_at: datetime, error: str, counts: bool) -> bool:
    """Put a lane off after a failure; it never dies. False when the claim no longer holds."""
    if not still_owned(connection, claim):
        return False
    attempts = lanes.c.attempts + (1 if counts else 0)
    return QUEUE.end(connection, claim, attempts=attempts, last_error=storable(error), due_at=due_at)


def keep_plan(connection: Connection, claim: LaneClaim, plan: str) -> None:
    """Keep the plan of a run that is being broken off; nothing is written when the claim no longer holds."""
    QUEUE.write(connection, claim, plan=storable(plan))


def retire(connection: Connection, claim: LaneClaim) -> bool:
    """Leave a lane that is no longer configured idle."""
    return QUEUE.end(connection, claim, due_at=None, last_error=RETIRED)


def release(connection: Connection, claim: LaneClaim) -> None:
    """Give a lane back before its run has ended: it stays due, and this claim writes nothing any more."""
    QUEUE.release(connection, claim)


def release_all(connection: Connection) -> None:
    """Clear all leases and raise their fences: for a process that knows itself to be alone."""
    QUEUE.release_all(connection)


def next_due_at(connection: Connection, excluding: Sequence[str] = ()) -> datetime | None:
    """When the next lane that nobody runs is due."""
    idle = and_(lanes.c.due_at.is_not(None), lanes.c.owner.is_(None), lanes.c.key.not_in(excluding))
    found: datetime | None = connection.execute(select(func.min(lanes.c.due_at)).where(idle)).scalar()
    return found


def replace_images(connection: Connection, lane: str, images: Iterable[ImageName]) -> None:
    """Write down which images make a lane due."""
    connection.execute(delete(lane_images).where(lane_images.c.lane == lane))
    rows = [{"lane": lane, "image": str(image)} for image in sorted(set(images))]
    if rows:
        connection.execute(insert(lane_images), rows)


def lanes_of_image(connection: Connection, image: ImageName) -> Sequence[str]:
    """The lanes whose last run used an image."""
    return lanes_of_images(connection, [image])[image]


def lanes_of_images(connection: Connection, images: Iterable[ImageName]) -> Mapping[ImageName, Sequence[str]]:
    """The lanes whose last run used each of some images."""
    found: dict[ImageName, list[str]] = {image: [] for image in images}
    for some in lists_of(map(str, found)):
        for row in connection.execute(_LANES_OF_IMAGES, {"images": some}):
            found[ImageName.of_repository(row.image)].append(row.lane)
    return found


def find(connection: Connection, key: str) -> LaneRow | None:
    """One lane."""
    row = connection.execute(select(lanes).where(lanes.c.key == key)).one_or_none()
    return _row(row) if row is not None else None


def every(connection: Connection) -> Sequence[LaneRow]:
    """All lanes by key; there are as many as base branches are configured."""
    return [_row(row) for row in connection.execute(select(lanes).order_by(lanes.c.key))]


def _row(row: Row[tuple[object, ...]]) -> LaneRow:
    return LaneRow(**row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
