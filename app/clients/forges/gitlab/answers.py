"""What GitLab's REST API says of projects and merge requests, read into our own values."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from app.clients.forges.gitlab.quick_actions import as_given
from app.core.ports import PullRequest, PullRequestSeen, PullRequestState

_DEVELOPER = 30

Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


Instant = Annotated[datetime, AfterValidator(_aware)]


class Account(BaseModel):
    """An account; that of a project's or group's token is a bot."""

    username: str


class _Access(BaseModel):
    access_level: int = 0


class _Permissions(BaseModel):
    """What our account may do in a project, by itself and by its groups; null where it is no member."""

    project_access: _Access | None = None
    group_access: _Access | None = None


class Project(BaseModel):
    """A project by the path that it has now."""

    path_with_namespace: str
    archived: bool = False
    merge_requests_enabled: bool = True
    permissions: _Permissions | None = None

    @property
    def is_below_developer(self) -> bool:
        """Whether our account is known to have a lesser role than it takes to open merge requests."""
        told = self.permissions
        if told is None:
            return False
        levels = [one.access_level for one in (told.project_access, told.group_access) if one is not None]
        return max(levels, default=0) < _DEVELOPER


class Branch(BaseModel):
    """A branch, and whether our account may push to it."""

    can_push: bool | None = None


class Token(BaseModel):
    """The token that asks; it has no `expires_at` where it never does."""

    expires_at: date | None = None

    @property
    def ends_at(self) -> datetime | None:
        """The end of it: GitLab tells the day, at whose beginning it ends."""
        return datetime.combine(self.expires_at, time(), UTC) if self.expires_at is not None else None


class _References(BaseModel):
    full: str = ""


class MergeRequest(BaseModel):
    """A merge request, as lists and single answers hold it alike.

    `source_project_id` is null once its fork is deleted. Older servers have `merged_by` for `merge_user`, who is, while
    it is open, whoever had it merge by itself. `merge_status` is deprecated, but only it tells whether a look is under
    way: of all that keeps it from being merged, `detailed_merge_status` names one.
    """

    iid: Annotated[int, Field(gt=0)]
    state: Literal["opened", "closed", "merged", "locked"]
    title: str
    description: str | None = None
    web_url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    source_branch: str
    target_branch: str
    source_project_id: int | None = None
    target_project_id: int
    sha: Sha | None = None
    author: Account | None = None
    labels: tuple[str, ...] = ()
    references: _References = _References()
    merge_status: str | None = None
    detailed_merge_status: str | None = None
    merge_when_pipeline_succeeds: bool = False
    merge_commit_sha: Sha | None = None
    squash_commit_sha: Sha | None = None
    merge_user: Account | None = None
    merged_by: Account | None = None
    merged_at: Instant | None = None
    closed_by: Account | None = None
    closed_at: Instant | None = None

    @property
    def outcome(self) -> PullRequestState:
        """Where it stands; it is `locked` while GitLab merges it."""
        match self.state:
            case "merged":
                return PullRequestState.MERGED
            case "closed":
                return PullRequestState.CLOSED
            case "opened" | "locked":
                return PullRequestState.OPEN

    @property
    def is_from_fork(self) -> bool:
        """Tell whether the head lies in another project than the base, or in one that is gone."""
        return self.source_project_id != self.target_project_id

    @property
    def project(self) -> str:
        """The path that its project has now; empty where it is not told."""
        return self.references.full.rpartition("!")[0]

    @property
    def seen(self) -> PullRequestSeen:
        """Say in our words what a list shows."""
        return PullRequestSeen(self.iid, self.outcome, self.source_branch, self.sha or "", self.target_branch)

    @property
    def has_conflict(self) -> bool | None:
        """What the last look came to; None while one is under way or due, and where it says nothing that we know."""
        match self.merge_status:
            case "can_be_merged":
                return False
            case "cannot_be_merged":
                return True
            case None:
                return {"conflict": True, "mergeable": False}.get(self.detailed_merge_status or "")
            case _:
                return None

    @property
    def commit_on_base(self) -> str | None:
        """What the merge left on the base branch; where neither a merge nor a squash made a commit, the head itself."""
        return self.merge_commit_sha or self.squash_commit_sha or self.sha


class Approval(BaseModel):
    """One account's approval; older servers do not tell when it was given."""

    user: Account
    approved_at: Instant | None = None


class Approvals(BaseModel):
    """Who approved a merge request. That `approved` is true says nothing where no approval is required."""

    approved_by: tuple[Approval, ...] = ()


class Version(BaseModel):
    """A head that a merge request had, and since when."""

    head_commit_sha: str
    created_at: Instant


class Note(BaseModel):
    """A comment, or what GitLab itself writes down of a change."""

    body: str
    author: Account | None = None
    created_at: Instant
    system: bool = False


def is_approved_since(approvals: Iterable[Approval], head_since: datetime | None) -> bool:
    """Tell whether one of these was given to the head that is there since then; without times any counts.

    GitLab keeps approvals when somebody pushes, unless a project asks for more.
    """
    return any(one.approved_at is None or head_since is None or one.approved_at >= head_since for one in approvals)


def to_pull_request(merge: MergeRequest, *, is_approved: bool = False) -> PullRequest:
    """Say it in our words. What GitLab merges at this moment, or will once its pipeline succeeds, is committed."""
    is_open, is_merged = merge.outcome is PullRequestState.OPEN, merge.state == "merged"
    merged_by = merge.merge_user or merge.merged_by
    return PullRequest(
        number=merge.iid,
        url=merge.web_url,
        state=merge.outcome,
        head=merge.source_branch,
        head_sha=merge.sha or "",
        base=merge.target_branch,
        title=merge.title,
        body=as_given(merge.description or ""),
        author=merge.author.username if merge.author else "ghost",
        labels=merge.labels,
        is_from_fork=merge.is_from_fork,
        has_conflict=merge.has_conflict if is_open else None,
        is_committed=is_open and (is_approved or merge.merge_when_pipeline_succeeds or merge.state == "locked"),
        merge_commit=merge.commit_on_base if is_merged else None,
        merged_by=merged_by.username if is_merged and merged_by else None,
        merged_at=merge.merged_at if is_merged else None,
        closed_by=merge.closed_by.username if merge.state == "closed" and merge.closed_by else None,
        closed_at=(merge.closed_at or merge.merged_at) if not is_open else None,
    )
