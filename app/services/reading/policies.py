"""Read policies: Flux's objects as the last run of each lane saw them."""

import json
from collections.abc import Sequence

from pydantic import BaseModel, JsonValue
from sqlalchemy import Connection

from app.core.errors import Conflict, NotFound
from app.core.nearest import among
from app.db import policies
from app.db.policies import PolicyRow
from app.services.reading.pages import Line, Listing, Paging


class NoSuchPolicy(NotFound):
    """No policy is called so, where it was looked for."""

    def __init__(self, namespace: str, name: str, known: Sequence[str]) -> None:
        wanted = f"{namespace}/{name}"
        super().__init__(f"no lane's last run saw a policy {wanted}: {among(wanted, known)}")


class AmbiguousPolicy(Conflict):
    """Several policies have this namespace and name."""

    def __init__(self, namespace: str, name: str, places: list[str]) -> None:
        super().__init__(
            f"{len(places)} policies are called {namespace}/{name}: say `repo` and `root` ({'; '.join(places[:10])})"
        )


class PolicyView(BaseModel):
    """A policy of a config repository as the last run of its lane saw it."""

    repo: str
    branch: str
    root: str
    namespace: str
    name: str
    file: str
    image: str
    stages: list[str]
    selected_tag: str | None
    status: str
    reason: str


class PolicyDetails(PolicyView):
    """A policy with Flux's own spec of it."""

    spec: JsonValue


class PolicyFilters(Paging):
    """Which policies; `status` is its first words, such as `waiting`."""

    repo: Line | None = None
    status: Line | None = None


def list_policies(connection: Connection, filters: PolicyFilters) -> Listing[PolicyView]:
    """Policies by lane and name. Raises InvalidCursor."""
    page = policies.page(connection, limit=filters.limit, after=filters.after, repo=filters.repo, status=filters.status)
    return Listing(items=[_policy(row) for row in page.items], next=page.next)


def policy(connection: Connection, *, namespace: str, name: str, repo: str | None, root: str | None) -> PolicyDetails:
    """One policy with its spec. Raises NoSuchPolicy, AmbiguousPolicy."""
    found = [
        row
        for row in policies.find(connection, namespace, name)
        if repo in {None, _repo(row)} and root in {None, row.root}
    ]
    if not found:
        raise NoSuchPolicy(namespace, name, policies.names(connection))
    if len(found) > 1:
        raise AmbiguousPolicy(namespace, name, [f"{row.lane}, root {row.root!r}" for row in found])
    return policy_details(found[0])


def policy_details(row: PolicyRow) -> PolicyDetails:
    """A policy with its spec, as its lane's last run saw it."""
    return PolicyDetails(**_policy(row).model_dump(), spec=json.loads(row.spec))


def is_named(policy: str, text: str) -> bool:
    """Tell whether a text names this policy: in full, as `namespace/name`, or by its name alone."""
    return policy == text or policy.endswith((f":{text}", f"/{text}"))


def _repo(row: PolicyRow) -> str:
    return row.lane.partition(":")[0]


def _policy(row: PolicyRow) -> PolicyView:
    repo, _, branch = row.lane.partition(":")
    return PolicyView(
        repo=repo,
        branch=branch,
        root=row.root,
        namespace=row.namespace,
        name=row.name,
        file=row.file,
        image=row.image,
        stages=list(row.stages),
        selected_tag=row.selected_tag,
        status=row.status,
        reason=row.reason,
    )
