"""Read what the last run of each lane saw: its queue, its policies and its plan."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from app.core.errors import Conflict, NotFound
from app.core.nearest import among
from app.db import lanes, policies
from app.db.lanes import LaneRow
from app.db.policies import PolicyRow
from app.services.reading.lanes import LaneView
from app.services.reading.pages import Listing
from app.services.reading.plans import PlanDescription
from app.services.reading.policies import PolicyDetails, PolicyFilters, PolicyView


class UnknownLane(NotFound):
    """No base branch of a config repository is called so."""

    def __init__(self, repo: str, branch: str) -> None:
        super().__init__(f"no lane is called {repo}:{branch}; config_repos says which there are")


class NeverRun(NotFound):
    """A lane has no plan before its first run."""

    def __init__(self, repo: str, branch: str) -> None:
        super().__init__(f"the lane {repo}:{branch} has not been run yet, so there is no plan; ask again in a moment")


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


def list_lanes(connection: Connection) -> Listing[LaneView]:
    """Every lane, on one page: there are as many as base branches are configured."""
    return Listing(items=[_lane(row) for row in lanes.every(connection)], next=None)


def lane(connection: Connection, repo: str, branch: str) -> LaneView:
    """One lane. Raises UnknownLane."""
    return _lane(_find(connection, repo, branch))


def lane_plan(connection: Connection, repo: str, branch: str) -> PlanDescription:
    """What the last run of a lane planned, and why that was broken off if it was. Raises UnknownLane, NeverRun."""
    row = _find(connection, repo, branch)
    if row.plan is None:
        raise NeverRun(repo, branch)
    planned = PlanDescription.model_validate_json(row.plan)
    if row.last_error is None:
        return planned
    return planned.model_copy(update={"broken_off": row.last_error, "tried_again_at": row.due_at})


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


def _find(connection: Connection, repo: str, branch: str) -> LaneRow:
    row = lanes.find(connection, lanes.key_of(repo, branch))
    if row is None:
        raise UnknownLane(repo, branch)
    return row


def _lane(row: LaneRow) -> LaneView:
    return LaneView(
        repo=row.repo,
        branch=row.branch,
        due_at=row.due_at,
        is_running=row.owner is not None,
        attempts=row.attempts,
        last_error=row.last_error or row.problem,
        last_head=row.last_head,
        last_run_at=row.last_run_at,
        next_look_at=row.next_look_at,
        problems=PlanDescription.model_validate_json(row.plan).problems if row.plan is not None else [],
    )


def _repo(row: PolicyRow) -> str:
    return row.lane.partition(":")[0]


def policy_details(row: PolicyRow) -> PolicyDetails:
    """A policy with its spec, as its lane's last run saw it."""
    return PolicyDetails(**_policy(row).model_dump(), spec=json.loads(row.spec))


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
