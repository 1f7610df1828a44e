"""Fields: each place that a policy sets, as the lane's last run saw it at the base head."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Integer, Table, delete, insert, select
from sqlalchemy.engine import Row

from app.core.flux.objects import PolicyName
from app.db.policies import policies
from app.db.tables import Instant, SafeString, SafeText, lists_of, metadata, storable

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
    its = (policies.c.lane, policies.c.root, policies.c.namespace, policies.c.name, policies.c.repository)
    wanted = select(*its).where(policies.c.repository.is_not(None))
    if repository is not None:
        wanted = wanted.where(policies.c.repository == repository)
    if registry is not None:
        wanted = wanted.where(policies.c.repository.startswith(f"{registry}/", autoescape=True))
    repository_of = {
        (row.lane, str(PolicyName(row.root, row.namespace, row.name))): row.repository
        for row in connection.execute(wanted)
    }
    found: set[tuple[str, str]] = set()
    for names in lists_of(name for _, name in repository_of):
        set_by = select(fields.c.lane, fields.c.policy, fields.c.tag)
        rows = connection.execute(set_by.where(fields.c.policy.in_(names), fields.c.tag.is_not(None)))
        its_own = ((repository_of.get((row.lane, row.policy)), row.tag) for row in rows)
        found |= {(of, tag) for of, tag in its_own if of is not None}
    return found


def _row(row: Row[tuple[object, ...]]) -> FieldRow:
    values = dict(row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
    values.pop("ordinal")
    return FieldRow(**values)
