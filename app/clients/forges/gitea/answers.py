"""What the API of Gitea and Forgejo says of pull requests, reviews and their timelines, read into our own values."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter

from app.core.ports import PullRequest, PullRequestSeen, PullRequestState

_VERDICTS = frozenset({"APPROVED", "REQUEST_CHANGES"})
_SCHEDULED, _CANCELLED = "pull_scheduled_merge", "pull_cancel_scheduled_merge"

# Empty where Gitea itself no longer finds the commit; such a pull request must not hide the others of a list.
Sha = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64}|)$")]


class AccountAnswer(BaseModel):
    """An account; it has the name `Ghost` once it is deleted."""

    login: str


class VersionAnswer(BaseModel):
    """What the server is; `revision` is GitLab's, which has the same path for it."""

    version: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_~-]{0,79}$")]
    revision: str | None = None


class _Permissions(BaseModel):
    """What the token's account may do."""

    push: bool | None = None


class BranchAnswer(BaseModel):
    """A branch with what its protection lets our account do, and demands."""

    user_can_push: bool | None = None
    required_approvals: int = 0
    enable_status_check: bool = False
    status_check_contexts: tuple[str, ...] | None = None

    @property
    def demands(self) -> tuple[str, ...]:
        """What has to be there before a merge, in words."""
        checks = self.status_check_contexts or () if self.enable_status_check else ()
        approvals = (f"{self.required_approvals} approvals",) if self.required_approvals else ()
        return (*approvals, *(f"check {one}" for one in checks))


class RepositoryAnswer(BaseModel):
    """The repository: why something else is not there, and whether it takes merges by git for such (newer versions)."""

    full_name: str
    has_pull_requests: bool = True
    archived: bool = False
    permissions: _Permissions = _Permissions()
    autodetect_manual_merge: bool = False


class LabelAnswer(BaseModel):
    """A label. Several may have one name."""

    id: int
    name: str


class _Side(BaseModel):
    """Head or base. `label` stays the branch's name when the branch is gone; `ref` does not."""

    label: str
    ref: str
    sha: Sha
    repo_id: int


class PullAnswer(BaseModel):
    """A pull request; lists have it in full as well. The sha of its head follows the branch even once it ended."""

    number: Annotated[int, Field(gt=0)]
    html_url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    state: Literal["open", "closed"]
    title: str
    body: str | None = None
    user: AccountAnswer | None
    labels: tuple[LabelAnswer, ...] | None = None
    head: _Side
    base: _Side
    merged: bool
    merged_at: datetime | None = None
    merge_commit_sha: Sha | None = None
    merged_by: AccountAnswer | None = None
    closed_at: datetime | None = None

    @property
    def outcome(self) -> PullRequestState:
        """Where it stands; Gitea itself calls a merged one closed."""
        return PullRequestState.MERGED if self.merged else PullRequestState(self.state)

    @property
    def is_from_fork(self) -> bool:
        """Tell whether the head lies in another repository than the base, or in one that is gone."""
        return self.head.repo_id != self.base.repo_id

    @property
    def has_branch(self) -> bool:
        """Tell whether the branch that the head came from is there, perhaps at another commit."""
        return self.head.ref == self.head.label


class ReviewAnswer(BaseModel):
    """One review; `official` says that the reviewer's word counts, `commit_id` is the head that was looked at."""

    user: AccountAnswer | None
    state: str
    commit_id: str | None = None
    official: bool = False
    stale: bool = False
    dismissed: bool = False


class EventAnswer(BaseModel):
    """One entry of a timeline."""

    type: str
    user: AccountAnswer | None = None


class CommentAnswer(BaseModel):
    """A comment."""

    user: AccountAnswer | None
    body: str | None = None


class _Object(BaseModel):
    sha: Sha


class RefAnswer(BaseModel):
    """A ref and what it points at."""

    ref: str
    object: _Object


PULLS = TypeAdapter(list[PullAnswer])
LABELS = TypeAdapter(list[LabelAnswer])
REVIEWS = TypeAdapter(list[ReviewAnswer])
TIMELINE = TypeAdapter(list[EventAnswer])
COMMENTS = TypeAdapter(list[CommentAnswer])
# One ref that was asked for by its whole name comes by itself in some versions.
REFS: TypeAdapter[list[RefAnswer] | RefAnswer] = TypeAdapter(list[RefAnswer] | RefAnswer)


def is_approved(reviews: Iterable[ReviewAnswer], head_sha: str) -> bool:
    """Tell whether someone whose word counts approved exactly this head. `reviews` are oldest first.

    A reviewer's last verdict counts; a comment is none.
    """
    last = {review.user.login: review for review in reviews if review.user and review.state in _VERDICTS}
    return any(
        review.state == "APPROVED"
        and review.official
        and not review.stale
        and not review.dismissed
        and review.commit_id == head_sha
        for review in last.values()
    )


def is_scheduled(timeline: Iterable[EventAnswer]) -> bool:
    """Tell whether it merges by itself once its checks pass: only the timeline shows that. `timeline` oldest first."""
    last = [event.type for event in timeline if event.type in {_SCHEDULED, _CANCELLED}][-1:]
    return last == [_SCHEDULED]


def closer(timeline: Iterable[EventAnswer]) -> str | None:
    """Who closed it last. `timeline` is oldest first."""
    last = [event.user for event in timeline if event.type == "close"][-1:]
    return last[0].login if last and last[0] else None


def to_seen(pull: PullAnswer) -> PullRequestSeen:
    """Say in our words what a list shows."""
    return PullRequestSeen(pull.number, pull.outcome, pull.head.label, pull.head.sha, pull.base.label)


def to_pull_request(
    pull: PullAnswer, *, head_sha: str, closed_by: str | None = None, is_committed: bool = False
) -> PullRequest:
    """Say it in our words. Whether it fits its base is left open: Gitea says no while it is still looking."""
    is_merged = pull.merged
    return PullRequest(
        number=pull.number,
        url=pull.html_url,
        state=pull.outcome,
        head=pull.head.label,
        head_sha=head_sha,
        base=pull.base.label,
        title=pull.title,
        body=pull.body or "",
        author=pull.user.login if pull.user else "Ghost",
        labels=tuple(dict.fromkeys(label.name for label in pull.labels or ())),
        is_from_fork=pull.is_from_fork,
        is_committed=is_committed,
        merge_commit=pull.merge_commit_sha or None if is_merged else None,
        merged_by=pull.merged_by.login if is_merged and pull.merged_by else None,
        merged_at=pull.merged_at if is_merged else None,
        closed_by=closed_by,
        closed_at=pull.closed_at,
    )
