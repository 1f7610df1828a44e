"""What Bitbucket Cloud's REST API says of pull requests, read into our own values.

Commits are cut short to twelve digits. Nobody has a login: an account is its `uuid`, and nicknames are not unique.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from app.core.ports import PullRequest, PullRequestSeen, PullRequestState

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12,40}$")]
Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next` is the whole address of the following one."""

    values: list[Item]
    next: str | None = None


class AccountAnswer(BaseModel):
    """An account, of a person or one that was made for a token."""

    uuid: str
    nickname: str | None = None
    display_name: str | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.nickname or self.display_name or self.uuid


class RepositoryAnswer(BaseModel):
    """A repository; `type` is what tells that it is Bitbucket."""

    type: Literal["repository"]
    full_name: str


class PermissionAnswer(BaseModel):
    """What an account may do in a repository: admin, write or read."""

    permission: str


class _Repository(BaseModel):
    full_name: str


class _Branch(BaseModel):
    name: str


class _Commit(BaseModel):
    hash: Hash


class _Side(BaseModel):
    """Head or base; repository and commit of a head are null once its fork is gone."""

    branch: _Branch
    commit: _Commit | None = None
    repository: _Repository | None = None


class _Participant(BaseModel):
    """Who has to do with a pull request; not said in lists."""

    user: AccountAnswer | None = None
    approved: bool = False
    state: str | None = None


class _Link(BaseModel):
    href: Annotated[str, StringConstraints(pattern=r"^https?://")]


class _Links(BaseModel):
    html: _Link


class _Text(BaseModel):
    raw: str = ""


class PullAnswer(BaseModel):
    """A pull request; lists leave out its participants and reviewers."""

    id: Annotated[int, Field(gt=0)]
    title: str
    description: str | None = None
    summary: _Text | None = None
    state: Literal["OPEN", "MERGED", "DECLINED", "SUPERSEDED"]
    queued: bool | None = None
    source: _Side
    destination: _Side
    merge_commit: _Commit | None = None
    author: AccountAnswer | None = None
    closed_by: AccountAnswer | None = None
    reviewers: tuple[AccountAnswer, ...] = ()
    participants: tuple[_Participant, ...] = ()
    close_source_branch: bool | None = None
    updated_on: AwareDatetime
    links: _Links

    @property
    def outcome(self) -> PullRequestState:
        """Where it stands."""
        if self.state in {"DECLINED", "SUPERSEDED"}:
            return PullRequestState.CLOSED
        return PullRequestState.MERGED if self.state == "MERGED" else PullRequestState.OPEN

    @property
    def is_from_fork(self) -> bool:
        """Tell whether the head lies in another repository than the base, or in one that is gone."""
        head, base = self.source.repository, self.destination.repository
        return head is None or base is None or not is_same_repository(head.full_name, base.full_name)

    @property
    def head_sha(self) -> str:
        """The head, cut short; nothing where it is gone with its fork."""
        return self.source.commit.hash if self.source.commit else ""


class _Content(BaseModel):
    raw: str = ""


class CommentAnswer(BaseModel):
    """A comment in the list of a pull request."""

    user: AccountAnswer | None = None
    content: _Content = _Content()
    created_on: AwareDatetime
    deleted: bool = False


class _Detail(BaseModel):
    required: list[str] = []


class _Error(BaseModel):
    detail: _Detail | str | None = None


class ErrorAnswer(BaseModel):
    """Why Bitbucket says no; `type` is what tells that it is Bitbucket."""

    type: Literal["error"]
    error: _Error

    @property
    def required(self) -> list[str]:
        """The scopes that the token would need, as Bitbucket calls them."""
        detail = self.error.detail
        return [scope[:60] for scope in detail.required[:10]] if isinstance(detail, _Detail) else []


@dataclass(frozen=True, slots=True)
class Ourselves:
    """The account of our token: only its `uuid` is it, `name` is what we call it."""

    uuid: str
    name: str

    def name_of(self, account: AccountAnswer | None) -> str | None:
        """What we call an account, so that nobody is taken for us by a name."""
        if account is None:
            return None
        if account.uuid == self.uuid:
            return self.name
        return f"{account.name} {account.uuid}" if account.name == self.name else account.name


def is_same_repository(one: str, other: str) -> bool:
    """Compare two full names as Bitbucket does."""
    return one.casefold() == other.casefold()


def is_approved(pull: PullAnswer) -> bool:
    """Tell whether somebody approved it: approvals are of no certain head."""
    return any(each.approved or each.state == "approved" for each in pull.participants)


def edited(pull: PullAnswer, *, title: str, body: str) -> Mapping[str, object]:
    """What an edit sends: reviewers that it leaves out Bitbucket would take away."""
    kept = {} if pull.close_source_branch is None else {"close_source_branch": pull.close_source_branch}
    return {
        "title": title,
        "description": body,
        "destination": {"branch": {"name": pull.destination.branch.name}},
        "reviewers": [{"uuid": each.uuid} for each in pull.reviewers],
        **kept,
    }


def quoted(text: str) -> str:
    r"""A text as it stands in a query.

    >>> quoted('a"b')
    '"a\\"b"'
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def to_seen(pull: PullAnswer) -> PullRequestSeen:
    """Say in our words what a list shows."""
    head, base = pull.source.branch.name, pull.destination.branch.name
    return PullRequestSeen(pull.id, pull.outcome, head, pull.head_sha, base)


def to_pull_request(pull: PullAnswer, us: Ourselves) -> PullRequest:
    """Say it in our words. When it ended Bitbucket does not tell: the last change of an ended one stands for that."""
    state, who = pull.outcome, us.name_of(pull.closed_by)
    is_merged, is_open = state is PullRequestState.MERGED, state is PullRequestState.OPEN
    body = pull.description if pull.description is not None else pull.summary.raw if pull.summary else ""
    return PullRequest(
        number=pull.id,
        url=pull.links.html.href,
        state=state,
        head=pull.source.branch.name,
        head_sha=pull.head_sha,
        base=pull.destination.branch.name,
        title=pull.title,
        body=body,
        author=us.name_of(pull.author) or "unknown",
        is_from_fork=pull.is_from_fork,
        is_committed=is_open and (bool(pull.queued) or is_approved(pull)),
        merge_commit=pull.merge_commit.hash if is_merged and pull.merge_commit else None,
        merged_by=who if is_merged else None,
        merged_at=pull.updated_on if is_merged else None,
        closed_by=None if is_merged else who,
        closed_at=None if is_open else pull.updated_on,
    )
