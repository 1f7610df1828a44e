"""Bitbucket Data Center: pull requests and moved branches."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel

from app.core.facts import BranchMoved, PullRequestChanged
from app.senders.forges.parts import CommitId, branch_of, commit_after, delivery_id, matching
from app.senders.payload import PAYLOAD, Line, PositiveNumber, read_body
from app.senders.proof_kinds import BodySignature
from app.senders.sender import Origin, Parsed, Sender, Unusable, WebhookRequest, body_id

_PUSH = "repo:refs_changed"
_ENDED = frozenset({"pr:merged", "pr:declined", "pr:deleted"})
_CHANGED = frozenset({"pr:opened", "pr:from_ref_updated", "pr:to_ref_updated", "pr:modified", "pr:reopened"})
_REVIEWED = frozenset(
    f"pr:reviewer:{each}" for each in ("updated", "approved", "unapproved", "changes_requested", "needs_work")
)
_READ = _ENDED | _CHANGED | _REVIEWED | {_PUSH}
_MOST_CHANGES = 100
_PROOF = BodySignature("X-Hub-Signature")


class _Project(BaseModel):
    """A project; of a person the key is `~user`."""

    model_config = PAYLOAD
    key: Annotated[Line, matching(r"~?[A-Za-z0-9_.-]+", "the key of a project, or ~user")]


class _Repository(BaseModel):
    """A repository by its project and slug."""

    model_config = PAYLOAD
    slug: Annotated[Line, matching(r"[A-Za-z0-9_.-]+", "the slug of a repository")]
    project: _Project

    @property
    def name(self) -> str:
        """Both, as in the settings."""
        return f"{self.project.key}/{self.slug}"


class _Account(BaseModel):
    """Who did it."""

    model_config = PAYLOAD
    name: Line


class _Side(BaseModel):
    """Head or base of a pull request; `id` is the whole name of a branch, or of a tag."""

    model_config = PAYLOAD
    id: Line
    repository: _Repository

    @property
    def branch(self) -> str:
        """The branch; of a tag its whole name."""
        return branch_of(self.id) or self.id


class _PullRequest(BaseModel):
    """The two branches; everything else is read back from Bitbucket."""

    model_config = PAYLOAD
    id: PositiveNumber
    fromRef: _Side  # noqa: N815 - as it is sent
    toRef: _Side  # noqa: N815


class _PullRequestEvent(BaseModel):
    """An event of a pull request."""

    model_config = PAYLOAD
    pullRequest: _PullRequest  # noqa: N815
    actor: _Account | None = None


class _Ref(BaseModel):
    """A branch or tag by its whole name."""

    model_config = PAYLOAD
    id: Line


class _Change(BaseModel):
    """One ref that moved; `toHash` is all zeros where it is gone."""

    model_config = PAYLOAD
    ref: _Ref
    toHash: CommitId  # noqa: N815


class _PushEvent(BaseModel):
    """A `repo:refs_changed`."""

    model_config = PAYLOAD
    changes: list[_Change]
    repository: _Repository


def external_id(request: WebhookRequest) -> str | None:
    """Return the id of the request."""
    return delivery_id(request, "x-request-id")


def signed_id(request: WebhookRequest) -> str:
    """Name the delivery by its body and how that is read: the id is not signed, and each body has its time in it."""
    event = request.headers.get("x-event-key", "")
    return f"{body_id(request)}:{event if event in _READ else 'other'}"


def parse(request: WebhookRequest, _origin: Origin) -> Parsed:
    """Read events of pull requests and moved branches; tests (`diagnostics:ping`) and all others are ignored.

    Raises Unusable.
    """
    event = request.headers.get("x-event-key", "")
    if not event:
        raise Unusable("the header X-Event-Key is missing: send Bitbucket's own headers along")
    if event not in _READ:
        return Parsed(ignored=(f"event {event[:60]!r} says nothing of use here",))
    if event == _PUSH:
        return _read_push(read_body(request, _PushEvent))
    return _read_pull_request(read_body(request, _PullRequestEvent), event)


def _read_pull_request(event: _PullRequestEvent, key: str) -> Parsed:
    head, base = event.pullRequest.fromRef, event.pullRequest.toRef
    fact = PullRequestChanged(
        repository=base.repository.name,
        number=event.pullRequest.id,
        head_branch=head.branch,
        head_repository=head.repository.name,
        base_branch=base.branch,
        action="closed" if key in _ENDED else key.removeprefix("pr:"),
        actor=event.actor.name if event.actor else None,
    )
    return Parsed(facts=(fact,))


def _read_push(event: _PushEvent) -> Parsed:
    facts = tuple(_branches(event))
    return Parsed(facts=facts, ignored=() if facts else ("no branch was pushed",))


def _branches(event: _PushEvent) -> Iterator[BranchMoved]:
    for change in event.changes[:_MOST_CHANGES]:
        branch = branch_of(change.ref.id)
        if branch is not None:
            commit = commit_after(change.toHash)
            yield BranchMoved(repository=event.repository.name, branch=branch, commit=commit)


BITBUCKET_DC = Sender(
    kind="bitbucket-dc",
    verify=_PROOF.verify,
    prove_head=_PROOF.prove_head,
    external_id=external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", "x-event-key", "x-request-id"),
    needs=("secrets",),
    tells={"pull_request": ("number", "branch"), "branch": ("commit", "branch")},
    signed_id=signed_id,
)
