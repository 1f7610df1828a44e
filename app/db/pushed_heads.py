"""Pushed heads: every commit that we were about to push to a branch of ours, written down before the push."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import JSON, Column, Connection, Index, Table, select, update

from app.core.commits import SHORTEST, WHOLE
from app.db.tables import Instant, SafeString, SafeText, insert_absent, metadata

pushed_heads = Table(
    "pushed_heads",
    metadata,
    Column("lane", SafeString(400), primary_key=True),
    Column("sha", SafeString(64), primary_key=True),
    Column("branch", SafeText, nullable=False),
    Column("base_sha", SafeString(64), nullable=False),
    Column("tags", JSON, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Index("ix_pushed_heads_sha", "sha"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedHead:
    """A commit of ours with the base commit it was made on and the tag of each policy in it."""

    lane: str
    branch: str
    sha: str
    base_sha: str
    tags: Mapping[str, str]
    recorded_at: datetime


def record(connection: Connection, head: PushedHead) -> None:
    """Write down a commit before it is pushed. Idempotent."""
    insert_absent(connection, pushed_heads, asdict(head))


def find(connection: Connection, lane: str, sha: str) -> PushedHead | None:
    """What we know of a commit of ours; None for anybody else's, and for an id cut short that fits several."""
    is_it = pushed_heads.c.sha == sha if not SHORTEST <= len(sha) < WHOLE else pushed_heads.c.sha.startswith(sha)
    rows = connection.execute(select(pushed_heads).where(pushed_heads.c.lane == lane, is_it).limit(2)).all()
    row = rows[0] if len(rows) == 1 else None
    return PushedHead(**row._mapping) if row is not None else None  # noqa: SLF001 (SQLAlchemy's public name for it)


def among(connection: Connection, lane: str, shas: Iterable[str]) -> Mapping[str, PushedHead]:
    """Those of some commits that are ours, by commit; there are as many as branches at most."""
    wanted = select(pushed_heads).where(pushed_heads.c.lane == lane, pushed_heads.c.sha.in_(sorted(set(shas))))
    return {row.sha: PushedHead(**row._mapping) for row in connection.execute(wanted)}  # noqa: SLF001 (SQLAlchemy's public name for it)


def of_branches(connection: Connection, lane: str, branches: Iterable[str]) -> Sequence[PushedHead]:
    """Everything that we were about to push to some branches, which are as many as places that wait at most."""
    wanted = select(pushed_heads).where(pushed_heads.c.lane == lane, pushed_heads.c.branch.in_(sorted(branches)))
    rows = connection.execute(wanted.order_by(pushed_heads.c.recorded_at.desc(), pushed_heads.c.sha))
    return [PushedHead(**row._mapping) for row in rows]  # noqa: SLF001 (SQLAlchemy's public name for it)


def rename(connection: Connection, lane: str, branches: Iterable[str], old: str, new: str) -> None:
    """Let what was pushed to some branches bring its tags to a policy by the name that it has now."""
    for head in of_branches(connection, lane, branches) if old != new else ():
        its = (pushed_heads.c.lane == lane, pushed_heads.c.sha == head.sha)
        connection.execute(update(pushed_heads).where(*its).values(tags=renamed(head.tags, old, new)))


def renamed(tags: Mapping[str, str], old: str, new: str) -> dict[str, str]:
    """The tags of policies, one of which has another name now."""
    return {new if policy == old else policy: tag for policy, tag in tags.items()}


def has(connection: Connection, lane: str, sha: str) -> bool:
    """Tell whether a commit is one that we pushed, or were about to."""
    return find(connection, lane, sha) is not None


def is_known(connection: Connection, sha: str) -> bool:
    """Tell whether any lane pushed this commit."""
    return connection.execute(select(pushed_heads.c.sha).where(pushed_heads.c.sha == sha).limit(1)).first() is not None
