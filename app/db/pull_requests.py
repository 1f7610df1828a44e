"""Pull requests that we opened, as the forge last showed them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import JSON, Column, Connection, Index, Integer, Table, and_, bindparam, func, insert, select, update
from sqlalchemy.engine import Row

from app.core.ports import PullRequestState
from app.db import pushed_heads
from app.db.pushed_heads import renamed
from app.db.tables import Instant, SafeString, SafeText, metadata

pull_requests = Table(
    "pull_requests",
    metadata,
    Column("lane", SafeString(400), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("branch", SafeText, nullable=False),
    Column("stage", SafeString(64), nullable=False),
    Column("group", SafeText, nullable=False),
    Column("url", SafeText, nullable=False),
    Column("title", SafeText, nullable=False),
    Column("state", SafeString(16), nullable=False),
    Column("head_sha", SafeString(64), nullable=False),
    Column("tags", JSON, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ended_by", SafeText),
    Column("text_hash", SafeString(64)),
    Column("closing_at", Instant),
    Column("request", SafeString(32)),
    Index("ix_pull_requests_lane_state", "lane", "state"),
)

_IS_IT = and_(pull_requests.c.lane == bindparam("its_lane"), pull_requests.c.number == bindparam("its_number"))
_FIND = select(pull_requests).where(_IS_IT)
_CHANGE = update(pull_requests).where(_IS_IT)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestRow:
    """A pull request of ours; `tags` maps each policy to the tag that it brings.

    `text_hash` stands for the title and body that we wrote last, `closing_at` is when we were about to close it.
    `ended_by` is None of a merge that only Git shows yet. One without tags was given another base by a person, and is
    theirs since. `request` is the one that it carries out.
    """

    lane: str
    number: int
    branch: str
    stage: str
    group: str
    url: str
    title: str
    state: PullRequestState
    head_sha: str
    tags: Mapping[str, str]
    opened_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None
    text_hash: str | None = None
    closing_at: datetime | None = None
    request: str | None = None


def upsert(connection: Connection, row: PullRequestRow) -> None:
    """Write a pull request as it stands now."""
    values = asdict(row)
    is_known = connection.execute(_CHANGE, values | {"its_lane": row.lane, "its_number": row.number}).rowcount > 0
    if not is_known:
        connection.execute(insert(pull_requests), values)


def open_in(connection: Connection, lane: str) -> Sequence[PullRequestRow]:
    """Those of a lane that were open when we last looked, oldest first."""
    wanted = select(pull_requests).where(pull_requests.c.lane == lane, pull_requests.c.state == PullRequestState.OPEN)
    return [_row(row) for row in connection.execute(wanted.order_by(pull_requests.c.number))]


def merged_untold(connection: Connection, lane: str) -> Sequence[PullRequestRow]:
    """Those of which Git shows that they were merged, while the forge has not told by whom."""
    wanted = select(pull_requests).where(
        pull_requests.c.lane == lane,
        pull_requests.c.state == PullRequestState.MERGED,
        pull_requests.c.ended_by.is_(None),
    )
    return [_row(row) for row in connection.execute(wanted.order_by(pull_requests.c.number))]


def rename(connection: Connection, lane: str, old: tuple[str, str], new: tuple[str, str]) -> int:
    """Move what is known of a place, a stage and a policy, to the names that it has now; returns how much that is."""
    its = (pull_requests.c.lane == lane, pull_requests.c.stage == old[0])
    rows = [
        row
        for row in connection.execute(select(pull_requests).where(*its)).all()
        if row.group == old[1] or old[1] in row.tags
    ]
    for row in rows:
        group = new[1] if row.group == old[1] else row.group
        changes = {"stage": new[0], "group": group, "tags": renamed(row.tags, old[1], new[1])}
        connection.execute(_CHANGE, {**changes, "its_lane": lane, "its_number": row.number})
    pushed_heads.rename(connection, lane, {row.branch for row in rows}, old[1], new[1])
    return len(rows)


def find(connection: Connection, lane: str, number: int) -> PullRequestRow | None:
    """One pull request."""
    row = connection.execute(_FIND, {"its_lane": lane, "its_number": number}).one_or_none()
    return _row(row) if row is not None else None


def with_head(connection: Connection, lane: str, sha: str) -> PullRequestRow | None:
    """The newest one whose head was this commit when it was written down last."""
    wanted = select(pull_requests).where(pull_requests.c.lane == lane, pull_requests.c.head_sha == sha)
    row = connection.execute(wanted.order_by(pull_requests.c.number.desc()).limit(1)).one_or_none()
    return _row(row) if row is not None else None


def numbered(connection: Connection, lane: str, numbers: Iterable[int]) -> Sequence[PullRequestRow]:
    """Those of a lane that have one of these numbers, of which there are few hundreds at most."""
    wanted = select(pull_requests).where(pull_requests.c.lane == lane, pull_requests.c.number.in_(sorted(set(numbers))))
    return [_row(row) for row in connection.execute(wanted.order_by(pull_requests.c.number))]


def count_open(connection: Connection, lane: str) -> int:
    """How many of a lane are open."""
    is_open = (pull_requests.c.lane == lane, pull_requests.c.state == PullRequestState.OPEN)
    return connection.execute(select(func.count()).select_from(pull_requests).where(*is_open)).scalar_one()


def _row(row: Row[tuple[object, ...]]) -> PullRequestRow:
    values = dict(row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
    return PullRequestRow(**{**values, "state": PullRequestState(values["state"])})
