"""Fields: each place that a policy sets, as the lane's last run saw it at the base head."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Integer, Table, and_, case, delete, insert, select
from sqlalchemy.engine import Row

from app.db.policies import policies
from app.db.tables import Instant, SafeString, SafeText, metadata, storable

fields = Table(
    "fields",
    metadata,
    Column("lane", SafeString(400), primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("stage", SafeString(64), nullable=False),
    Column("policy", SafeText, nullable=False),
    Column("image", SafeText, nullable=False),
    Column("file", SafeText, nullable=False),
    Column("line", Integer, nullable=False),
    Column("text", SafeText, nullable=False),
    Column("tag", SafeText),
    Column("spec_hash", SafeText, nullable=False),
    Column("commit", SafeString(64), nullable=False),
    Column("seen_at", Instant, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRow:
    """A field at the base head; `image` is the one that its text is of.

    `spec_hash` is that of the policy's spec under which its text came there; empty while that could choose nothing.
    """

    lane: str
    stage: str
    policy: str
    image: str
    file: str
    line: int
    text: str
    tag: str | None
    spec_hash: str
    commit: str
    seen_at: datetime


def replace_all(connection: Connection, lane: str, rows: Iterable[FieldRow]) -> None:
    """Write down all fields of a lane anew."""
    connection.execute(delete(fields).where(fields.c.lane == lane))
    values = [{**asdict(row), "text": storable(row.text), "ordinal": ordinal} for ordinal, row in enumerate(rows)]
    if values:
        connection.execute(insert(fields), values)


def of(connection: Connection, lane: str) -> Sequence[FieldRow]:
    """All fields of a lane in their files' order."""
    return [
        _row(row) for row in connection.execute(select(fields).where(fields.c.lane == lane).order_by(fields.c.ordinal))
    ]


def every(connection: Connection) -> Sequence[FieldRow]:
    """The fields of all lanes."""
    return [_row(row) for row in connection.execute(select(fields).order_by(fields.c.lane, fields.c.ordinal))]


def in_git(
    connection: Connection, *, repository: str | None = None, registry: str | None = None
) -> AbstractSet[tuple[str, str]]:
    """The tags in Git with their repositories: of one repository, or of all of one registry."""
    name = policies.c.namespace + "/" + policies.c.name
    written = case((policies.c.root == "", name), else_=policies.c.root + ":" + name)
    is_its = and_(fields.c.lane == policies.c.lane, fields.c.policy == written)
    wanted = select(policies.c.repository, fields.c.tag).join(policies, is_its).where(fields.c.tag.is_not(None))
    if repository is not None:
        wanted = wanted.where(policies.c.repository == repository)
    if registry is not None:
        wanted = wanted.where(policies.c.repository.startswith(f"{registry}/", autoescape=True))
    return {(row.repository, row.tag) for row in connection.execute(wanted.distinct()) if row.repository is not None}


def _row(row: Row[tuple[object, ...]]) -> FieldRow:
    values = dict(row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
    values.pop("ordinal")
    return FieldRow(**values)
