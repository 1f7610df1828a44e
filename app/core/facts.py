"""What a delivery can say, as values. The same fact twice is one fact."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from app.core.images import ImageName

US = "fluxbridge"
"""By which name what we did ourselves stands in the history."""
DEPLOYER = "deployer"
"""The kind of a Jenkins that deploys to a cluster, beside the kinds of Flux's objects there."""


class BuildResult(StrEnum):
    """How a Jenkins build ended; `unknown` where Jenkins no longer tells."""

    SUCCESS = "SUCCESS"
    UNSTABLE = "UNSTABLE"
    FAILURE = "FAILURE"
    NOT_BUILT = "NOT_BUILT"
    ABORTED = "ABORTED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Artifact:
    """An image or a Helm chart that a build says it published. For a chart `tag` is its version as a tag."""

    kind: Literal["image", "chart"]
    image: ImageName
    tag: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class TestCounts:
    """What a build's tests came to."""

    __test__ = False

    total: int
    passed: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Checkout:
    """One of the repositories that a build checked out, at which commit."""

    url: str
    commit: str
    branch: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFinished:
    """A Jenkins build ended. `job` is JOB_NAME: `/` between folders, a branch's own `/` as `%2F`.

    `checkouts` are all that Jenkins tells, `commit` is of that which is taken for the job's own.
    """

    controller: str
    job: str
    number: int
    result: BuildResult
    url: str | None = None
    finished_at: datetime | None = None
    started_at: datetime | None = None
    commit: str | None = None
    branch: str | None = None
    git_tag: str | None = None
    git_url: str | None = None
    change_id: str | None = None
    tests: TestCounts | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    checkouts: tuple[Checkout, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildMentioned:
    """An unsigned sender says that a build ended: nothing counts before Jenkins itself was asked.

    `report` is what the build says of itself where a token proves that it is this one: what it published, its tests and
    parameters count then, and all else is as Jenkins tells it.
    """

    controller: str
    job: str
    number: int
    report: BuildFinished | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePushed:
    """A tag pointed at a digest at a time. `digest` is None where the sender does not tell it."""

    image: ImageName
    tag: str
    digest: str | None
    at: datetime | None = None
    is_chart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDeleted:
    """A tag, or with `tag` None every tag of `digest`, or with both None the whole repository, was deleted."""

    image: ImageName
    tag: str | None
    digest: str | None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchMoved:
    """A branch of a forge's repository points at another commit. `repository` is its full name there."""

    repository: str
    branch: str
    commit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestChanged:
    """Something happened to a pull request; its state is read back from the forge before it counts."""

    repository: str
    number: int
    head_branch: str
    head_repository: str | None
    base_branch: str
    action: str
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionApplied:
    """Flux, or a deployer's build, told how it fared with a revision in one cluster.

    `kind` is Flux's, or DEPLOYER with the source's `name`. `commit` is None where the revision names none.
    `branch` is the branch or tag of Git that the commit was taken from, None where that is not told.
    """

    cluster: str
    kind: str
    namespace: str
    name: str
    revision: str
    commit: str | None
    is_failure: bool
    reason: str
    message: str
    at: datetime
    branch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionUnderway:
    """Flux told that it works on a revision, or waits with it: no result yet. `revision` may be empty."""

    cluster: str
    kind: str
    namespace: str
    name: str
    revision: str
    reason: str
    message: str
    at: datetime


Fact = (
    BuildFinished
    | BuildMentioned
    | ImagePushed
    | TagDeleted
    | BranchMoved
    | PullRequestChanged
    | RevisionApplied
    | RevisionUnderway
)
