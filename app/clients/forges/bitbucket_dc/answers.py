"""What Bitbucket Data Center's REST API says of pull requests, read into our own values.

Dates are milliseconds since 1970, in some versions texts. What no version is sure to send has a default.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from app.core.ports import PullRequest, PullRequestSeen, PullRequestState

BRANCHES = "refs/heads/"

Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Item = TypeVar("Item")


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class Page(_Answer, Generic[Item]):
    """One page of a list; the server may give fewer than was asked for."""

    values: list[Item]
    is_last_page: bool = True
    next_page_start: int | None = None


class PropertiesAnswer(_Answer):
    """What tells that it is Bitbucket."""

    version: str
    display_name: str


class UserAnswer(_Answer):
    """An account."""

    name: str


class _Project(_Answer):
    key: str


class _Repository(_Answer):
    slug: str
    project: _Project

    @property
    def name(self) -> str:
        return f"{self.project.key}/{self.slug}"


class RepositoryAnswer(_Answer):
    """The repository by itself; older versions archive none."""

    archived: bool = False


class _Ref(_Answer):
    """One side of a pull request; `id` is the whole name of a branch or tag."""

    id: str
    latest_commit: Sha
    repository: _Repository


class _Participant(_Answer):
    """Who has to do with a pull request; what they approved is `last_reviewed_commit`."""

    user: UserAnswer
    approved: bool = False
    status: str = ""
    last_reviewed_commit: str | None = None


class _Commit(_Answer):
    id: Sha


class _Properties(_Answer):
    merge_commit: _Commit | None = None


class _Link(_Answer):
    href: Annotated[str, StringConstraints(pattern=r"^https?://")]


class _Links(_Answer):
    to_self: tuple[_Link, ...] = Field(default=(), alias="self")


class PullAnswer(_Answer):
    """A pull request, in lists as by itself. `draft` is None in versions that know no drafts."""

    id: Annotated[int, Field(gt=0)]
    version: int
    title: str
    description: str = ""
    state: Literal["OPEN", "DECLINED", "MERGED"]
    draft: bool | None = None
    updated_date: AwareDatetime
    closed_date: AwareDatetime | None = None
    from_ref: _Ref
    to_ref: _Ref
    author: _Participant
    reviewers: tuple[_Participant, ...] = ()
    participants: tuple[_Participant, ...] = ()
    properties: _Properties = _Properties()
    links: _Links = _Links()

    @property
    def outcome(self) -> PullRequestState:
        """Where it stands."""
        return {
            "OPEN": PullRequestState.OPEN,
            "DECLINED": PullRequestState.CLOSED,
            "MERGED": PullRequestState.MERGED,
        }[self.state]

    @property
    def is_from_fork(self) -> bool:
        """Tell whether the head lies in another repository than the base."""
        return not is_same_repository(self.from_ref.repository.name, self.to_ref.repository.name)

    @property
    def head(self) -> str:
        """The branch that it is from; of a tag the whole name, which no branch of ours has."""
        return self.from_ref.id.removeprefix(BRANCHES)

    @property
    def base(self) -> str:
        """The branch that it goes into."""
        return self.to_ref.id.removeprefix(BRANCHES)


class _Comment(_Answer):
    text: str
    author: UserAnswer
    created_date: AwareDatetime


class ActivityAnswer(_Answer):
    """One thing that happened to a pull request: `action` is MERGED, DECLINED, COMMENTED and more."""

    action: str
    created_date: AwareDatetime
    user: UserAnswer | None = None
    commit: _Commit | None = None
    comment: _Comment | None = None
    comment_action: str | None = None


class MergeAnswer(_Answer):
    """Whether it could be merged; `outcome` is CLEAN, CONFLICTED or UNKNOWN."""

    conflicted: bool = False
    outcome: str = "UNKNOWN"

    @property
    def has_conflict(self) -> bool | None:
        """None while Bitbucket does not know."""
        return None if self.outcome == "UNKNOWN" and not self.conflicted else self.conflicted


class _Error(_Answer):
    exception_name: str | None = None
    existing_pull_request: PullAnswer | None = None


class ErrorsAnswer(_Answer):
    """Why Bitbucket says no, by the names of its own exceptions."""

    errors: tuple[_Error, ...] = ()

    def is_for(self, exception: str) -> bool:
        """Tell whether one of them has this name, without its package."""
        return any((one.exception_name or "").rpartition(".")[2] == exception for one in self.errors)


def is_same_repository(one: str, other: str) -> bool:
    """Compare two names as Bitbucket does."""
    return one.casefold() == other.casefold()


def is_approved(pull: PullAnswer) -> bool:
    """Tell whether somebody approved exactly the present head; of whom it is not said which head, any."""
    return any(
        (each.approved or each.status == "APPROVED")
        and each.last_reviewed_commit in {None, pull.from_ref.latest_commit}
        for each in (*pull.reviewers, *pull.participants)
    )


def edited(pull: PullAnswer, *, title: str, body: str) -> Mapping[str, object]:
    """What an edit sends: what it leaves out Bitbucket would clear."""
    kept: dict[str, object] = {"draft": pull.draft} if pull.draft is not None else {}
    reviewers = [{"user": {"name": each.user.name}} for each in pull.reviewers]
    return {
        "version": pull.version,
        "title": title,
        "description": body,
        "reviewers": reviewers,
        "toRef": reference(pull.to_ref.id, pull.to_ref.repository.project.key, pull.to_ref.repository.slug),
        **kept,
    }


def reference(ref: str, key: str, slug: str) -> Mapping[str, object]:
    """A branch of a repository, as Bitbucket is given one."""
    return {"id": ref, "repository": {"slug": slug, "project": {"key": key}}}


def last_of(activities: Sequence[ActivityAnswer], action: str) -> ActivityAnswer | None:
    """The one of a kind that happened last; in what order they are given does not matter."""
    return max((one for one in activities if one.action == action), key=lambda one: one.created_date, default=None)


def to_seen(pull: PullAnswer) -> PullRequestSeen:
    """Say in our words what a list shows."""
    return PullRequestSeen(pull.id, pull.outcome, pull.head, pull.from_ref.latest_commit, pull.base)


def to_pull_request(
    pull: PullAnswer, *, url: str, ended: ActivityAnswer | None, has_conflict: bool | None, merges_by_itself: bool
) -> PullRequest:
    """Say it in our words; `ended` tells who merged or declined it, `url` is for answers that lack one."""
    state, who = pull.outcome, ended.user.name if ended and ended.user else None
    is_merged = state is PullRequestState.MERGED
    merged = (ended.commit if ended else None) or pull.properties.merge_commit
    ended_at = pull.closed_date or (ended.created_date if ended else None)
    return PullRequest(
        number=pull.id,
        url=pull.links.to_self[0].href if pull.links.to_self else url,
        state=state,
        head=pull.head,
        head_sha=pull.from_ref.latest_commit,
        base=pull.base,
        title=pull.title,
        body=pull.description,
        author=pull.author.user.name,
        is_from_fork=pull.is_from_fork,
        has_conflict=has_conflict,
        is_committed=merges_by_itself or is_approved(pull),
        merge_commit=merged.id if is_merged and merged else None,
        merged_by=who if is_merged else None,
        merged_at=ended_at if is_merged else None,
        closed_by=who if state is PullRequestState.CLOSED else None,
        closed_at=ended_at if state is not PullRequestState.OPEN else None,
        version=str(pull.version),
    )
