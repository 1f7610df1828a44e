"""What GitHub's REST API says of pull requests and reviews, read into our own values."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from app.core.ports import PullRequest, PullRequestSeen, PullRequestState

# Who else may approve is anyone with an account; only these may write to the repository or belong to its owner.
_HEARD = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_VERDICTS = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})

Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]


class AccountAnswer(BaseModel):
    """An account; GitHub gives null in its place once it is deleted."""

    login: str


class _Label(BaseModel):
    name: str


class _Repository(BaseModel):
    full_name: str


class _Head(BaseModel):
    """Where the change lies; `repo` is null once its fork is deleted."""

    ref: str
    sha: Sha
    repo: _Repository | None


class _Base(BaseModel):
    ref: str
    repo: _Repository


class ListedPull(BaseModel):
    """A pull request as far as lists tell what matters of it."""

    number: Annotated[int, Field(gt=0)]
    state: Literal["open", "closed"]
    head: _Head
    base: _Base
    merged_at: datetime | None

    @property
    def outcome(self) -> PullRequestState:
        """Where it stands; GitHub itself calls a merged one closed."""
        if self.merged_at is not None:
            return PullRequestState.MERGED
        return PullRequestState(self.state)

    @property
    def is_from_fork(self) -> bool:
        """Tell whether the head lies in another repository than the base, or in one that is gone."""
        return self.head.repo is None or not is_same_repository(self.head.repo.full_name, self.base.repo.full_name)


class PullAnswer(ListedPull):
    """A pull request in its full form, as `GET /pulls/{number}` gives it."""

    html_url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    title: str
    body: str | None
    user: AccountAnswer | None
    labels: tuple[_Label, ...]
    mergeable: bool | None
    auto_merge: dict[str, object] | None
    merge_commit_sha: Sha | None = None
    merged_by: AccountAnswer | None
    closed_at: datetime | None


class ListedEvent(BaseModel):
    """Something that happened to a pull request; `commit_id` is the commit by which it was merged."""

    event: str
    commit_id: Sha | None = None


class _Permissions(BaseModel):
    """What the token's account may do; tokens of Apps are told other things, or nothing."""

    push: bool | None = None


class RepositoryAnswer(BaseModel):
    """The repository, as the token sees it."""

    archived: bool = False
    permissions: _Permissions = _Permissions()


class _Checks(BaseModel):
    contexts: tuple[str, ...] = ()


class _Protection(BaseModel):
    required_status_checks: _Checks = _Checks()


class BranchAnswer(BaseModel):
    """A branch, and as much of its protection as whoever may read it is told."""

    protected: bool
    protection: _Protection = _Protection()

    @property
    def demands(self) -> tuple[str, ...]:
        """What has to be there before a merge, in words."""
        return tuple(f"check {one}" for one in self.protection.required_status_checks.contexts)


class IssueAnswer(BaseModel):
    """The issue behind a pull request: only it says who closed it."""

    closed_by: AccountAnswer | None


class CommentAnswer(BaseModel):
    """A comment that was kept: PyGithub takes a redirect for one as well."""

    id: int


class ListedComment(BaseModel):
    """A comment in the list of an issue; `user` is None where the account is gone."""

    user: "AccountAnswer | None"
    body: str | None = None


class ReviewAnswer(BaseModel):
    """One review; `commit_id` is the head that was looked at."""

    user: AccountAnswer | None
    state: str
    commit_id: str | None
    author_association: str


def json_object(text: str) -> dict[str, object]:
    """An answer that need not be one of its API's; empty where it is no JSON object."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_same_repository(one: str, other: str) -> bool:
    """Compare two full names as GitHub does."""
    return one.casefold() == other.casefold()


def is_approved(reviews: Iterable[ReviewAnswer], head_sha: str) -> bool:
    """Tell whether someone who has a say approved exactly this head. `reviews` are oldest first.

    A reviewer's last verdict counts; a comment is none.
    """
    last = {review.user.login: review for review in reviews if review.user and review.state in _VERDICTS}
    return any(
        review.state == "APPROVED" and review.commit_id == head_sha and review.author_association in _HEARD
        for review in last.values()
    )


def to_seen(pull: ListedPull) -> PullRequestSeen:
    """Say in our words what a list shows."""
    return PullRequestSeen(pull.number, pull.outcome, pull.head.ref, pull.head.sha, pull.base.ref)


def to_pull_request(pull: PullAnswer, *, closed_by: str | None, is_approved: bool) -> PullRequest:
    """Say it in our words. Before a merge GitHub's merge commit is only a trial, and is left out."""
    state = pull.outcome
    is_merged, is_open = state is PullRequestState.MERGED, state is PullRequestState.OPEN
    return PullRequest(
        number=pull.number,
        url=pull.html_url,
        state=state,
        head=pull.head.ref,
        head_sha=pull.head.sha,
        base=pull.base.ref,
        title=pull.title,
        body=pull.body or "",
        author=pull.user.login if pull.user else "ghost",
        labels=tuple(label.name for label in pull.labels),
        is_from_fork=pull.is_from_fork,
        has_conflict=not pull.mergeable if is_open and pull.mergeable is not None else None,
        is_committed=is_approved or (is_open and pull.auto_merge is not None),
        merge_commit=pull.merge_commit_sha if is_merged else None,
        merged_by=pull.merged_by.login if is_merged and pull.merged_by else None,
        merged_at=pull.merged_at,
        closed_by=closed_by,
        closed_at=pull.closed_at,
    )
