"""Policies: Flux's objects as the last run of each lane saw them."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.core.flux.objects import PolicyName
from app.services.reading import policies
from app.services.reading.pages import Limit, Line, Listing, Text
from app.services.reading.policies import PolicyDetails, PolicyFilters, PolicyView
from app.services.reading.policy_explained import PolicyExplanation, Question, explain_policy
from app.services.reading.timeline import Timeline, timeline_of_policy
from app.web.api.answers import CONFLICT, INVALID, NOT_FOUND
from app.web.parts import Parts

router = APIRouter(prefix="/policies", tags=["policies"])


@router.get("", responses=INVALID)
def list_policies(parts: Parts, filters: Annotated[PolicyFilters, Query()]) -> Listing[PolicyView]:
    """Policies by config repository and name."""
    with parts.database.transaction() as connection:
        return policies.list_policies(connection, filters)


@router.get("/{namespace}/{name}", responses=NOT_FOUND | CONFLICT)
def show_policy(
    parts: Parts, namespace: Line, name: Line, repo: Line | None = None, root: Text | None = None
) -> PolicyDetails:
    """One policy with its spec; `repo` and `root` are needed only where the name is ambiguous."""
    with parts.database.transaction() as connection:
        return policies.policy(connection, namespace=namespace, name=name, repo=repo, root=root)


@router.get("/{namespace}/{name}/history", responses=INVALID | NOT_FOUND)
def show_history(  # noqa: PLR0913 (one argument a parameter)
    parts: Parts,
    namespace: Line,
    name: Line,
    *,
    repo: Line | None = None,
    root: Text | None = None,
    limit: Limit = 20,
) -> Timeline:
    """What happened to the tags that a policy moved to last, from build to cluster, oldest first."""
    policy = PolicyName(root or "", namespace, name)
    with parts.database.transaction() as connection:
        return timeline_of_policy(connection, parts.systems, policy=policy, repo=repo, limit=limit, now=parts.clock())


@router.get("/{namespace}/{name}/explain", responses=INVALID | NOT_FOUND | CONFLICT)
def explain(  # noqa: PLR0913 (one argument a parameter)
    parts: Parts,
    namespace: Line,
    name: Line,
    *,
    repo: Line | None = None,
    root: Text | None = None,
    push: Line | None = None,
) -> PolicyExplanation:
    """Why a policy selects what it selects, and what gates and holds add; `push` tries out a push of `image:tag`."""
    question = Question(namespace=namespace, name=name, repo=repo, root=root, push=push)
    return explain_policy(parts.database, parts.systems, question, scans=parts.scans, now=parts.clock())
