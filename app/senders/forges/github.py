"""GitHub: pull requests and moved branches."""

from pydantic import BaseModel

from app.core.facts import PullRequestChanged
from app.senders.forges.parts import Account, CommitId, Repository, commit_after, delivery_id, read_push
from app.senders.forms import is_form, json_of
from app.senders.payload import PAYLOAD, Line, Model, PositiveNumber, read_model
from app.senders.proof_kinds import BodySignature
from app.senders.sender import MOST_BYTES, Origin, Parsed, Sender, Unusable, WebhookRequest, body_id
from app.senders.strict_json import read_json

_READ_EVENTS = ("pull_request", "push")
_PROOF = BodySignature("X-Hub-Signature-256")


class _Side(BaseModel):
    """Head or base of a pull request; GitHub sends no repository for a head whose fork is gone."""

    model_config = PAYLOAD
    ref: Line
    repo: Repository | None = None


class _PullRequest(BaseModel):
    """The two branches; everything else is read back from GitHub."""

    model_config = PAYLOAD
    head: _Side
    base: _Side


class _PullRequestEvent(BaseModel):
    """A `pull_request` event."""

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
    after: CommitId
    deleted: bool = False
    repository: Repository


def external_id(request: WebhookRequest) -> str | None:
    """Return the delivery's GUID, which a redelivery keeps."""
    return delivery_id(request, "x-github-delivery")


def signed_id(request: WebhookRequest) -> str:
    """Name the delivery by its body and how that is read: the GUID is not signed, and no two events have one body.

    Of a head that names no event, as behind a proxy that drops headers, what GitHub sends again is another delivery.
    """
    event = request.headers.get("x-github-event", "")
    read_as = event if event in _READ_EVENTS else "other"
    return f"{body_id(request)}:{read_as}:{'form' if is_form(request) else 'json'}"


def parse(request: WebhookRequest, _origin: Origin) -> Parsed:
    """Read `pull_request` and `push` of branches; every other event, `ping` too, is ignored. Raises Unusable."""
    match request.headers.get("x-github-event", ""):
        case "":
            raise Unusable("the header X-GitHub-Event is missing: send GitHub's own headers along")
        case "pull_request":
            return _read_pull_request(_read(request, _PullRequestEvent))
        case "push":
            push = _read(request, _PushEvent)
            commit = None if push.deleted else commit_after(push.after)
            return read_push(push.repository.full_name, push.ref, commit)
        case other:
            return Parsed(ignored=(f"event {other[:40]!r} says nothing of use here",))


def _read(request: WebhookRequest, model: type[Model]) -> Model:
    return read_model(read_json(json_of(request), most_bytes=MOST_BYTES), model)


def _read_pull_request(event: _PullRequestEvent) -> Parsed:
    head = event.pull_request.head
    fact = PullRequestChanged(
        repository=event.repository.full_name,
        number=event.number,
        head_branch=head.ref,
        head_repository=head.repo.full_name if head.repo else None,
        base_branch=event.pull_request.base.ref,
        action=event.action,
        actor=event.sender.login if event.sender else None,
    )
    return Parsed(facts=(fact,))


GITHUB = Sender(
    kind="github",
    verify=_PROOF.verify,
    prove_head=_PROOF.prove_head,
    external_id=external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", "x-github-event", "x-github-delivery", "x-github-hook-id"),
    needs=("secrets",),
    tells={"pull_request": ("number", "branch"), "branch": ("commit", "branch")},
    signed_id=signed_id,
)
