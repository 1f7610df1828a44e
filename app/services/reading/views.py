"""What people and programs are shown of the history: plain values for the API, the command line and pages.

Times are UTC and written as RFC 3339 with `Z`.
"""

from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, JsonValue

Item = TypeVar("Item")


class Listing(BaseModel, Generic[Item]):
    """One page of a list; `next` is what `after` must be for the following one, None on the last."""

    items: list[Item]
    next: str | None


class DeliveryView(BaseModel):
    """One webhook as it was kept, and what became of it; `attempts` are those that count toward giving up.

    From `dropped_at` on its body is not kept, so it cannot be interpreted again.
    """

    id: str
    source: str
    kind: str
    external_id: str
    state: str
    outcome: str | None
    error: str | None
    attempts: int
    tries: int
    received_at: datetime
    due_at: datetime
    ended_at: datetime | None
    dropped_at: datetime | None


class ArtifactView(BaseModel):
    """An image or chart that a build says it published; `owed` says why its registry has not confirmed it yet."""

    kind: str
    image: str
    tag: str
    digest: str | None
    owed: str | None = None


class BuildView(BaseModel):
    """A finished Jenkins build; `run` where several have its number, as the job was deleted and made anew."""

    id: str
    controller: str
    job: str
    number: int
    run: int | None
    result: str
    url: str | None
    commit: str | None
    branch: str | None
    git_tag: str | None
    git_url: str | None
    change_id: str | None
    started_at: datetime | None
    finished_at: datetime | None
    recorded_at: datetime
    source: str
    delivery: str | None
    is_ours: bool


class BuildDetails(BuildView):
    """A finished Jenkins build with what it published and how its tests went."""

    tests: dict[str, int] | None
    parameters: dict[str, str]
    artifacts: list[ArtifactView]


class ImageView(BaseModel):
    """A repository at a registry; `listed_at` None: never listed in full.

    `problem` says why the list that was asked for at `failed_at` is none, or not whole.
    """

    image: str
    first_seen_at: datetime
    listed_at: datetime | None
    problem: str | None = None
    failed_at: datetime | None = None


class TagView(BaseModel):
    """One tag of a repository and the digest that it names now."""

    tag: str
    digest: str | None
    is_gone: bool
    first_seen_at: datetime
    looked_at: datetime | None


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


class BuildLink(BaseModel):
    """Which build it was; `run` where several have its number."""

    id: str
    job: str
    number: int
    run: int | None
    url: str | None
    result: str


class PullRequestLink(BaseModel):
    """Where it was proposed."""

    number: int
    url: str | None


class ApplicationView(BaseModel):
    """Since when one cluster's Kustomization stands so with a promotion, and the last revision at which it did.

    `state` is applied, not healthy, overridden, failed or replaced; `newest_…` None: the first is the last.
    """

    promotion: str
    cluster: str
    kustomization: str
    revision: str
    at: datetime
    state: str
    message: str
    newest_revision: str | None
    newest_at: datetime | None


class StandingView(BaseModel):
    """How one cluster's Kustomization stands now with what was let in.

    `state` is that of an application, or waiting, or overdue: nothing was heard, and `message` says what is known.
    `runs` is the tag that was applied there last, whatever Git has; None where that is not known. `promotion` is the
    one that `state` is about.
    """

    cluster: str
    kustomization: str
    state: str
    at: datetime | None
    message: str
    promotion: str | None
    runs: str | None
    revision: str | None
    newest_revision: str | None
    newest_at: datetime | None


class StageView(BaseModel):
    """What one policy has in one stage now, and how it came there; None where nobody saw it come.

    `doubtful` says what speaks against the tag that is there; `applied` how each cluster stands.
    """

    repo: str
    branch: str
    stage: str
    policy: str
    image: str
    tag: str | None
    digest: str | None
    build: BuildLink | None
    pull_request: PullRequestLink | None
    merged_by: str | None
    merged_at: datetime | None
    merge_commit: str | None
    origin: str | None
    promotion: str | None
    doubtful: str | None
    applied: list[StandingView]


class PromotionView(BaseModel):
    """One policy moving to a tag in one stage; `applied` tells how the clusters stand with it once it is let in."""

    id: str
    repo: str
    branch: str
    stage: str
    policy: str
    image: str
    from_tag: str | None
    tag: str
    digest: str | None
    state: str
    reason: str
    origin: str
    build: BuildLink | None
    pull_request: PullRequestLink | None
    merged_by: str | None
    merged_at: datetime | None
    merge_commit: str | None
    began_at: datetime
    updated_at: datetime
    applied: list[StandingView]


class EventView(BaseModel):
    """One line of a promotion's history."""

    at: datetime
    who: str
    what: str
    reason: str


class PromotionDetails(PromotionView):
    """A promotion with its history, oldest first, and where it was applied."""

    events: list[EventView]
    applications: list[ApplicationView]


class LaneView(BaseModel):
    """The queue of one base branch; `due_at` None: nothing to do.

    `problems` are what the last run found to be mended: in rules that cannot be used, or in the paths of stages.
    `last_error` is why the last run was broken off, or else what it could not bring about.
    """

    repo: str
    branch: str
    due_at: datetime | None
    is_running: bool
    attempts: int
    last_error: str | None
    last_head: str | None
    last_run_at: datetime | None
    next_look_at: datetime | None
    problems: list[str] = []
