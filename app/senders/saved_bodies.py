"""What a saved body says, as one line for people who set a webhook up: read without settings, and without its proof."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal, assert_never

from app.core.errors import Invalid
from app.core.facts import (
    BranchMoved,
    BuildFinished,
    BuildMentioned,
    Fact,
    ImagePushed,
    PullRequestChanged,
    RevisionApplied,
    RevisionUnderway,
    TagDeleted,
)
from app.core.images import ImageName
from app.senders.sender import NOWHERE, FactType, Origin, Parsed, Sender, Unusable, WebhookRequest

Verdict = Literal["facts", "ignored", "unusable"]
_OFFLINE = Origin("a saved body", is_offline=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldFact:
    """One fact in the words that all kinds share; None is what a body does not tell."""

    type: FactType
    image: str | None = None
    tag: str | None = None
    digest: str | None = None
    job: str | None = None
    number: int | None = None
    result: str | None = None
    url: str | None = None
    commit: str | None = None
    branch: str | None = None
    time: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedBody:
    """What became of it."""

    kind: str
    verdict: Verdict
    facts: tuple[ToldFact, ...] = ()
    ignored: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def as_json(self) -> Mapping[str, object]:
        """The same for a program."""
        return asdict(self)


def read_saved_body(sender: Sender, request: WebhookRequest) -> SavedBody:
    """Read a body as its kind does, whatever it is: what is wrong with it is told, never raised."""
    try:
        parsed = sender.parse(request, _OFFLINE)
    except Unusable as error:
        return SavedBody(kind=sender.kind, verdict="unusable", problems=(error.problem,))
    except Invalid as error:
        return SavedBody(kind=sender.kind, verdict="unusable", problems=(str(error),))
    told = tuple(one for fact in parsed.facts for one in _told(fact))
    return SavedBody(
        kind=sender.kind,
        verdict=_verdict(parsed),
        facts=told,
        ignored=parsed.ignored or (() if parsed.facts or parsed.problems else ("it tells of nothing",)),
        problems=parsed.problems,
    )


def _verdict(parsed: Parsed) -> Verdict:
    if parsed.facts:
        return "facts"
    return "unusable" if parsed.problems else "ignored"


def _told(fact: Fact) -> Iterator[ToldFact]:
    match fact:
        case ImagePushed() | TagDeleted():
            event: FactType = "push" if isinstance(fact, ImagePushed) else "delete"
            image = _named(fact.image)
            yield ToldFact(type=event, image=image, tag=fact.tag, digest=fact.digest, time=_time(fact.at))
        case BuildFinished():
            yield from _told_of_build(fact)
        case BuildMentioned():
            yield ToldFact(type="build", job=fact.job, number=fact.number)
        case PullRequestChanged():
            yield ToldFact(type="pull_request", number=fact.number, branch=fact.head_branch)
        case BranchMoved():
            yield ToldFact(type="branch", commit=fact.commit, branch=fact.branch)
        case RevisionApplied():
            result, at = "failure" if fact.is_failure else "success", _time(fact.at)
            yield ToldFact(type="applied", result=result, commit=fact.commit, branch=fact.branch, time=at)
        case RevisionUnderway():
            yield ToldFact(type="underway", time=_time(fact.at))
        case _:
            assert_never(fact)


def _told_of_build(build: BuildFinished) -> Iterator[ToldFact]:
    """The build, once for each image or chart that it names."""
    told = ToldFact(
        type="build",
        job=build.job,
        number=build.number,
        result=build.result.value,
        url=build.url,
        commit=build.commit,
        branch=build.branch,
        time=_time(build.finished_at),
    )
    named = [replace(told, image=_named(one.image), tag=one.tag, digest=one.digest) for one in build.artifacts]
    yield from named or [told]


def _named(image: ImageName) -> str:
    """The image in full, or its path alone where the body does not tell of which registry."""
    return image.path if image.registry == NOWHERE else str(image)


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
