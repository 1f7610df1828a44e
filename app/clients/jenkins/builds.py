"""What Jenkins' REST API says of one build, read into a fact."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import BaseModel, BeforeValidator, Field

from app.core.builds.change_requests import Cause, find_change_request
from app.core.facts import BuildFinished, BuildResult, Checkout, TestCounts

# A whole answer can be megabytes: `buildsByBranchName` of a long-lived job holds every branch.
TREE = (
    "building,result,number,timestamp,duration,url,"
    "actions[_class,parameters[name,value],causes[_class,shortDescription],remoteUrls,lastBuiltRevision[SHA1,branch[SHA1,name]],"
    "buildsByBranchName[*[buildNumber,revision[SHA1,branch[name]]]],failCount,skipCount,totalCount]"
)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCH_PREFIX = re.compile(r"(?:refs/)?remotes/[^/]+/|origin/|refs/heads/")
_TAG_PREFIX = "refs/tags/"
_NO_BRANCH = frozenset({"", "detached", "HEAD"})
_LATEST_MS = 4_102_444_800_000  # the year 2100: later ones are no times, and overflow
_MOST_CHECKOUTS = 100
_RESULTS = frozenset(result.value for result in BuildResult)


def _list_or_empty(value: object) -> object:
    return [] if value is None else value


def _mapping_or_empty(value: object) -> object:
    return {} if value is None else value


class Branch(BaseModel):
    """A branch as git saw it at the checkout, in one of many forms."""

    name: str | None = None


class Revision(BaseModel):
    """A commit that was checked out."""

    sha1: str | None = Field(None, alias="SHA1")
    branch: Annotated[list[Branch], BeforeValidator(_list_or_empty)] = []


class BranchBuild(BaseModel):
    """The newest build of a branch, as of this build."""

    build_number: int | None = Field(None, alias="buildNumber")
    revision: Revision | None = None


class Parameter(BaseModel):
    """A build parameter; secrets come without a value."""

    name: str | None = None
    value: object = None


class CauseAnswer(BaseModel):
    """Why a build was started."""

    kind: str = Field("", alias="_class")
    words: str | None = Field(None, alias="shortDescription")


class Action(BaseModel):
    """One of the things that plugins attached to a build: parameters, a checkout, test results or nothing."""

    kind: str = Field("", alias="_class")
    parameters: Annotated[list[Parameter], BeforeValidator(_list_or_empty)] = []
    causes: Annotated[list[CauseAnswer | None], BeforeValidator(_list_or_empty)] = []
    remote_urls: Annotated[list[str], BeforeValidator(_list_or_empty)] = Field([], alias="remoteUrls")
    last_built: Revision | None = Field(None, alias="lastBuiltRevision")
    builds_by_branch: Annotated[dict[str, BranchBuild | None], BeforeValidator(_mapping_or_empty)] = Field(
        {}, alias="buildsByBranchName"
    )
    failed: int | None = Field(None, alias="failCount")
    skipped: int | None = Field(None, alias="skipCount")
    total: int | None = Field(None, alias="totalCount")


class BuildAnswer(BaseModel):
    """The answer to `TREE`. `timestamp` is the start in ms, `duration` is 0 while the build runs."""

    building: bool
    result: str | None
    timestamp: int
    duration: int = 0
    url: str | None = None
    actions: Annotated[list[Action | None], BeforeValidator(_list_or_empty)] = []


@dataclass(frozen=True, slots=True)
class _Checkout:
    """What a build checked out; `ref` is the branch or tag in whatever form git's plugin told it."""

    commit: str | None = None
    ref: str = ""
    git_url: str | None = None
    others: tuple[str, ...] = ()
    """Further names of what was checked out."""

    @property
    def branch(self) -> str | None:
        name = _BRANCH_PREFIX.sub("", self.ref, count=1) if _BRANCH_PREFIX.match(self.ref) else self.ref
        return None if name in _NO_BRANCH or self.tag else name

    @property
    def tag(self) -> str | None:
        return self.ref.removeprefix(_TAG_PREFIX) if self.ref.startswith(_TAG_PREFIX) else None


def to_fact(answer: BuildAnswer, *, controller: str, job: str, number: int) -> BuildFinished | None:
    """The fact that a build ended, or None while it runs."""
    if answer.building or answer.result is None:
        return None
    actions = [action for action in answer.actions if action is not None]
    parameters = _parameters(actions)
    checkouts = [_checkout(action, number) for action in actions if action.kind.endswith(".BuildData")]
    checkout = _own_checkout(checkouts, job)
    started_at = _time(answer.timestamp)
    finished_at = _time(answer.timestamp + max(answer.duration, 0))
    return BuildFinished(
        controller=controller,
        job=job,
        number=number,
        result=BuildResult(answer.result) if answer.result in _RESULTS else BuildResult.UNKNOWN,
        url=answer.url if answer.url and answer.url.startswith(("https://", "http://")) else None,
        started_at=started_at,
        finished_at=finished_at,
        commit=checkout.commit,
        branch=checkout.branch,
        git_tag=checkout.tag,
        git_url=checkout.git_url,
        change_id=find_change_request(
            job, refs=(checkout.ref, *checkout.others), parameters=parameters, causes=_causes(actions)
        ),
        tests=next((counts for counts in map(_tests, actions) if counts), None),
        parameters=parameters,
        checkouts=tuple(
            Checkout(one.git_url, one.commit, one.branch)
            for one in checkouts[:_MOST_CHECKOUTS]
            if one.git_url is not None and one.commit is not None
        ),
    )


def _own_checkout(checkouts: Sequence[_Checkout], job: str) -> _Checkout:
    """The checkout of the job's own repository, among those of shared libraries and others.

    Jenkins does not tell which is which. A multibranch job is named after its branch, so the checkout of that
    branch is the job's own; else the first one counts, which is the order of checking out.
    """
    own_name = unquote(job.rpartition("/")[2])
    named = [checkout for checkout in checkouts if own_name in {checkout.branch, checkout.tag}]
    return next(iter(named or checkouts), _Checkout())


def _checkout(action: Action, number: int) -> _Checkout:
    """Read one BuildData. `buildsByBranchName` is cumulative: only an entry with this build's number is its own."""
    url = _without_userinfo(action.remote_urls[0]) if action.remote_urls else None
    for ref, built in action.builds_by_branch.items():
        if built and built.build_number == number and built.revision:
            return _Checkout(_commit(built.revision), ref, url, _names(built.revision))
    if action.last_built is None:
        return _Checkout(git_url=url)
    names = _names(action.last_built)
    return _Checkout(_commit(action.last_built), names[0] if names else "", url, names[1:])


def _names(revision: Revision) -> tuple[str, ...]:
    return tuple(branch.name for branch in revision.branch if branch.name)


def _commit(revision: Revision) -> str | None:
    return revision.sha1 if revision.sha1 and _COMMIT.fullmatch(revision.sha1) else None


def _without_userinfo(url: str) -> str:
    """Leave out user and password of an HTTP URL: people put tokens there."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _parameters(actions: Sequence[Action]) -> Mapping[str, str]:
    given = [parameter for action in actions for parameter in action.parameters]
    texts = {each.name: str(each.value) if type(each.value) is int else each.value for each in given if each.name}
    return {name: value for name, value in texts.items() if isinstance(value, str)}


def _causes(actions: Sequence[Action]) -> Sequence[Cause]:
    return [Cause(one.kind, one.words or "") for action in actions for one in action.causes if one is not None]


def _tests(action: Action) -> TestCounts | None:
    if action.total is None or action.failed is None:
        return None
    skipped = action.skipped or 0
    return TestCounts(
        total=action.total, passed=action.total - action.failed - skipped, failed=action.failed, skipped=skipped
    )


def _time(milliseconds: int) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if 0 < milliseconds < _LATEST_MS else None
