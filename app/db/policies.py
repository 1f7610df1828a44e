"""Policies: each lane's policies as its last run saw them at the base head."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import JSON, Column, Connection, Index, Table, delete, insert, select
from sqlalchemy.engine import Row

from app.core.flux.objects import PolicyName
from app.core.images import ImageName
from app.db.pages import Page, cut, decode_cursor, encode_cursor
from app.db.tables import SafeString, SafeText, metadata, storable

policies = Table(
    "policies",
    metadata,
    Column("lane", SafeString(400), primary_key=True),
    Column("root", SafeText, primary_key=True),
    Column("namespace", SafeString(255), primary_key=True),
    Column("name", SafeString(255), primary_key=True),
    Column("file", SafeText, nullable=False),
    Column("image", SafeText, nullable=False),
    Column("repository", SafeString(400)),
    Column("spec", SafeText, nullable=False),
    Column("stages", JSON, nullable=False),
    Column("selected_tag", SafeString(128)),
    Column("status", SafeText, nullable=False),
    Column("reason", SafeText, nullable=False),
    Index("ix_policies_namespace_name", "namespace", "name"),
    Index("ix_policies_repository", "repository"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """A policy at the base head: what it selects ungated, and where it stands in each stage.

    `image` is as it was written, `repository` under its registry's own host.
    """

    lane: str
    root: str
    namespace: str
    name: str
    file: str
    image: str
    repository: str | None
    spec: str
    stages: Sequence[str]
    selected_tag: str | None
    status: str
    reason: str


def replace_all(connection: Connection, lane: str, rows: Iterable[PolicyRow]) -> None:
    """Write down all policies of a lane anew."""
    connection.execute(delete(policies).where(policies.c.lane == lane))
    values = [
        {**asdict(row), "status": storable(row.status), "reason": storable(row.reason), "spec": storable(row.spec)}
        for row in rows
    ]
    if values:
        connection.execute(insert(policies), values)


def find(connection: Connection, namespace: str, name: str) -> Sequence[PolicyRow]:
    """Every policy of this namespace and name, in any lane and root."""
    wanted = select(policies).where(policies.c.namespace == namespace, policies.c.name == name)
    return [_row(row) for row in connection.execute(wanted.order_by(policies.c.lane, policies.c.root))]


def of_repository(connection: Connection, image: ImageName, *, limit: int | None = None) -> Sequence[PolicyRow]:
    """The policies that choose from a repository, under its registry's own host, by lane and name."""
    order = (policies.c.lane, policies.c.root, policies.c.namespace, policies.c.name)
    wanted = select(policies).where(policies.c.repository == str(image)).order_by(*order).limit(limit)
    return [_row(row) for row in connection.execute(wanted)]


@dataclass(frozen=True, slots=True)
class PolicyPlace:
    """Where a policy is: its lane, its stages, and its repository under its registry's own host."""

    lane: str
    name: PolicyName
    stages: Sequence[str]
    repository: str | None

    @property
    def repo(self) -> str:
        """Its config repository."""
        return self.lane.partition(":")[0]


def places(connection: Connection) -> Sequence[PolicyPlace]:
    """Where every policy is."""
    columns = (policies.c.lane, policies.c.root, policies.c.namespace, policies.c.name)
    wanted = select(*columns, policies.c.stages, policies.c.repository).order_by(*columns)
    return [
        PolicyPlace(row.lane, PolicyName(row.root, row.namespace, row.name), row.stages, row.repository)
        for row in connection.execute(wanted)
    ]


def names(connection: Connection) -> Sequence[str]:
    """Every policy as namespace/name, in whatever lane and root."""
    wanted = select(policies.c.namespace, policies.c.name).distinct().order_by(policies.c.namespace, policies.c.name)
    return [f"{namespace}/{name}" for namespace, name in connection.execute(wanted)]


def repositories(connection: Connection) -> Sequence[str]:
    """Every repository that a policy names, under its registry's own host."""
    wanted = select(policies.c.repository).where(policies.c.repository.is_not(None)).distinct()
    return list(connection.execute(wanted.order_by(policies.c.repository)).scalars())


def page(
    connection: Connection, *, limit: int, after: str | None = None, repo: str | None = None, status: str | None = None
) -> Page[PolicyRow]:
    """Policies by lane, root, namespace and name; `status` matches its beginning."""
    keys = (policies.c.lane, policies.c.root, policies.c.namespace, policies.c.name)
    wanted = select(policies).order_by(*keys).limit(limit + 1)
    if after is not None:
        lane, root, namespace, name = decode_cursor(after, str, str, str, str)
        wanted = wanted.where(
            (keys[0] > lane)
            | ((keys[0] == lane) & (keys[1] > root))
            | ((keys[0] == lane) & (keys[1] == root) & (keys[2] > namespace))
            | ((keys[0] == lane) & (keys[1] == root) & (keys[2] == namespace) & (keys[3] > name))
        )
    if repo is not None:
        wanted = wanted.where(policies.c.lane.startswith(f"{storable(repo)}:", autoescape=True))
    if status is not None:
        wanted = wanted.where(policies.c.status.startswith(status, autoescape=True))
    rows = [_row(row) for row in connection.execute(wanted)]
    return cut(rows, limit, lambda row: encode_cursor(row.lane, row.root, row.namespace, row.name))


def _row(row: Row[tuple[object, ...]]) -> PolicyRow:
    return PolicyRow(**row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
