"""Gitea and Forgejo: pull requests and moved branches; their packages come by the same webhook."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, JsonValue

from app.core.facts import PullRequestChanged
from app.senders.forges.parts import Account, CommitId, Repository, commit_after, read_push
from app.senders.forms import json_of
from app.senders.payload import PAYLOAD, Line, PositiveNumber, read_model
from app.senders.proofs import expect_bare_hmac, verify_bare_hmac, verify_headers
from app.senders.registries.gitea import read_package
from app.senders.sender import (
    EACH_IS_NEW_S,
    MOST_BYTES,
    Keys,
    Origin,
    Parsed,
    Sender,
    Unusable,
    WebhookRequest,
    no_external_id,
)
from app.senders.strict_json import read_json

_SIGNATURE = "X-Gitea-Signature"
# `X-Gitea-Event` is empty for packages in many versions, and only a group for others: the type is looked for first.
_EVENTS = ("x-gitea-event-type", "x-forgejo-event-type", "x-gitea-event", "x-forgejo-event")


class _Side(BaseModel):
    """Head or base: `label` stays the branch's name when the branch is gone. A fork that is gone is null."""

    model_config = PAYLOAD
    label: Line
    repo: Repository | None = None


class _PullRequest(BaseModel):
    """The two branches; everything else is read back from Gitea."""

    model_config = PAYLOAD
    head: _Side
    base: _Side


class _PullRequestEvent(BaseModel):
    """Any event of a pull request, reviews among them."""

    model_config = PAYLOAD
    action: Line
    number: PositiveNumber
    pull_request: _PullRequest
    repository: Repository
    sender: Account | None = None


class _PushEvent(BaseModel):
    """A `push` event; `after` is all zeros where the ref was deleted."""

    model_config = PAYLOAD
    ref: Line
    before: CommitId
    after: CommitId
    repository: Repository


def verify(request: WebhookRequest, keys: Keys, _now: datetime) -> None:
    """Check the signature over the JSON, or the hook's Authorization.

    Raises NoKeyConfigured, ProofMissing, WrongProof.
    """
    if keys.headers:
        verify_headers(request, keys)
    else:
        verify_bare_hmac(request, keys, header=_SIGNATURE, signed=_signed(request))


def _signed(request: WebhookRequest) -> bytes:
    """What the signature is over: the JSON text, in a form too; the body where it is no such form."""
    try:
        return json_of(request)
    except Unusable:
        return request.body


def prove_head(request: WebhookRequest, keys: Keys, _now: datetime) -> bool:
    """The head tells only whether there is a signature; a header of the settings is the whole proof."""
    if keys.headers:
        verify_headers(request, keys)
        return True
    expect_bare_hmac(request, keys, header=_SIGNATURE)
    return False


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read pull requests, pushes of branches and packages; every other event is ignored. Raises Unusable.

    Without a header that names the event, as of a saved body, the body's own parts do.
    """
    told = next((request.headers[name] for name in _EVENTS if request.headers.get(name)), "")
    if told not in {"", "package", "push"} and not told.startswith("pull_request"):
        return Parsed(ignored=(f"event {told[:40]!r} says nothing of use here",))
    body = read_json(json_of(request), most_bytes=MOST_BYTES)
    if not isinstance(body, dict):
        raise Unusable("it must be a JSON object")
    match told or _kind_of(body):
        case "push":
            return _read_push(read_model(body, _PushEvent))
        case "package":
            return read_package(body, origin)
        case _ if "pull_request" in body and "issue" not in body:
            return _read_pull_request(read_model(body, _PullRequestEvent))
        case _:
            return Parsed(ignored=("it is a comment, or about no pull request",))


def _kind_of(body: Mapping[str, JsonValue]) -> str:
    if "pull_request" in body:
        return "pull_request"
    return "push" if "after" in body else "package"


def _read_pull_request(event: _PullRequestEvent) -> Parsed:
    head = event.pull_request.head
    fact = PullRequestChanged(
        repository=event.repository.full_name,
        number=event.number,
        head_branch=head.label,
        head_repository=head.repo.full_name if head.repo else None,
        base_branch=event.pull_request.base.label,
        action=event.action,
        actor=event.sender.login if event.sender else None,
    )
    return Parsed(facts=(fact,))


def _read_push(event: _PushEvent) -> Parsed:
    if event.before == event.after:
        return Parsed(ignored=("it moves nothing, as the test of a webhook does",))
    return read_push(event.repository.full_name, event.ref, commit_after(event.after))


GITEA = Sender(
    kind="gitea",
    verify=verify,
    prove_head=prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", "x-gitea-delivery", *_EVENTS),
    needs=("secrets", "headers"),
    tells={
        "push": ("image", "tag", "time"),
        "delete": ("image", "tag", "digest", "time"),
        "pull_request": ("number", "branch"),
        "branch": ("commit", "branch"),
    },
    slot_s=EACH_IS_NEW_S,
)
