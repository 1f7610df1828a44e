"""Bitbucket Cloud: pull requests and moved branches."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel

from app.core.facts import BranchMoved, PullRequestChanged
from app.senders.forges.parts import delivery_id, matching
from app.senders.payload import PAYLOAD, Line, OptionalLine, PositiveNumber, read_body
from app.senders.proof_kinds import BodySignature
from app.senders.sender import Origin, Parsed, Sender, Unusable, WebhookRequest, body_id

_PULL_REQUEST, _PUSH = "pullrequest:", "repo:push"
_ENDED = frozenset({"fulfilled", "rejected"})
_REVIEWED = frozenset({"approved", "unapproved", "changes_request_created", "changes_request_removed"})
_READ = _ENDED | _REVIEWED | {"created", "updated", "push", "reopened"}
# Bitbucket tells of five at once, and leaves out the others.
_MOST_CHANGES = 100
_PROOF = BodySignature("X-Hub-Signature")


class _Repository(BaseModel):
    """A repository by its full name."""

    model_config = PAYLOAD
    full_name: Annotated[Line, matching(r"[A-Za-z0-9_.{}-]+/[A-Za-z0-9_.{}-]+", "workspace/slug")]


class _Account(BaseModel):
    """Who did it; nobody has a login."""

    model_config = PAYLOAD
    nickname: OptionalLine = None
    display_name: OptionalLine = None


class _Branch(BaseModel):
    """A branch by its name."""

    model_config = PAYLOAD
    name: Line


class _Side(BaseModel):
    """Head or base of a pull request; the repository of a head is null once its fork is gone."""

    model_config = PAYLOAD
    branch: _Branch
    repository: _Repository | None = None


class _PullRequest(BaseModel):
    """The two branches; everything else is read back from Bitbucket."""

    model_config = PAYLOAD
    id: PositiveNumber
    source: _Side
    destination: _Side


class _PullRequestEvent(BaseModel):
    """An event of a pull request."""

    model_config = PAYLOAD
    pullrequest: _PullRequest
    repository: _Repository
    actor: _Account | None = None


class _Commit(BaseModel):
    """What a branch points at."""

    model_config = PAYLOAD
    hash: Annotated[Line, matching(r"[0-9a-f]{12,64}", "a commit id")]


class _Ref(BaseModel):
    """A branch or tag, as it was or is."""

    model_config = PAYLOAD
    type: Line
    name: Line
    target: _Commit | None = None


class _Change(BaseModel):
    """One ref that moved: it had no `old` where it is new, and has no `new` where it is gone."""

    model_config = PAYLOAD
    old: _Ref | None = None
    new: _Ref | None = None


class _Push(BaseModel):
    """What was pushed at once."""

    model_config = PAYLOAD
    changes: list[_Change]


class _PushEvent(BaseModel):
    """A `repo:push`."""

    model_config = PAYLOAD
    push: _Push
    repository: _Repository


def external_id(request: WebhookRequest) -> str | None:
    """Return the id of the request, which stays when Bitbucket sends it once more."""
    return delivery_id(request, "x-request-uuid")


def signed_id(request: WebhookRequest) -> str:
    """Name the delivery by its body and how that is read: the id is not signed."""
    event = request.headers.get("x-event-key", "")
    return f"{body_id(request)}:{event if _is_read(event) else 'other'}"


def parse(request: WebhookRequest, _origin: Origin) -> Parsed:
    """Read events of pull requests and pushes of branches; comments and all others are ignored. Raises Unusable."""
    event = request.headers.get("x-event-key", "")
    if not event:
        raise Unusable("the header X-Event-Key is missing: send Bitbucket's own headers along")
    if not _is_read(event):
        return Parsed(ignored=(f"event {event[:60]!r} says nothing of use here",))
    if event == _PUSH:
        return _read_push(read_body(request, _PushEvent))
    return _read_pull_request(read_body(request, _PullRequestEvent), event.removeprefix(_PULL_REQUEST))


def _is_read(event: str) -> bool:
    return event == _PUSH or (event.startswith(_PULL_REQUEST) and event.removeprefix(_PULL_REQUEST) in _READ)


def _read_pull_request(event: _PullRequestEvent, action: str) -> Parsed:
    pull, actor = event.pullrequest, event.actor
    fact = PullRequestChanged(
        repository=event.repository.full_name,
        number=pull.id,
        head_branch=pull.source.branch.name,
        head_repository=pull.source.repository.full_name if pull.source.repository else None,
        base_branch=pull.destination.branch.name,
        action="closed" if action in _ENDED else action,
        actor=(actor.nickname or actor.display_name) if actor else None,
    )
    return Parsed(facts=(fact,))


def _read_push(event: _PushEvent) -> Parsed:
    facts = tuple(_branches(event))
    return Parsed(facts=facts, ignored=() if facts else ("no branch was pushed",))


def _branches(event: _PushEvent) -> Iterator[BranchMoved]:
    for change in event.push.changes[:_MOST_CHANGES]:
        ref = change.new or change.old
        if ref is not None and ref.type in {"branch", "named_branch"}:
            commit = change.new.target.hash if change.new and change.new.target else None
            yield BranchMoved(repository=event.repository.full_name, branch=ref.name, commit=commit)


BITBUCKET = Sender(
    kind="bitbucket",
    verify=_PROOF.verify,
    prove_head=_PROOF.prove_head,
    external_id=external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", "x-event-key", "x-request-uuid", "x-hook-uuid", "x-attempt-number"),
    needs=("secrets",),
    tells={"pull_request": ("number", "branch"), "branch": ("commit", "branch")},
    signed_id=signed_id,
)
