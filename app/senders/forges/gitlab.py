"""GitLab: merge requests and moved branches, of a project's, a group's or the whole server's webhook."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel

from app.core.facts import PullRequestChanged
from app.senders.forges.parts import CommitId, commit_after, delivery_id, matching, read_push
from app.senders.payload import PAYLOAD, Line, OptionalLine, PositiveNumber, read_body
from app.senders.proofs import verify_headers
from app.senders.sender import Keys, Origin, Parsed, Sender, Unusable, WebhookRequest
from app.senders.standard_webhooks import expect_standard, verify_standard

_PATH = matching(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+", "the path of a project, with its group")
_IDS = ("idempotency-key", "webhook-id")
# What GitLab calls the end of a merge request; the driver asks which it was.
_ENDED = frozenset({"merge", "close"})


class _Project(BaseModel):
    """A project by its path."""

    model_config = PAYLOAD
    path_with_namespace: Annotated[Line, _PATH]


class _User(BaseModel):
    """Who did it."""

    model_config = PAYLOAD
    username: OptionalLine = None


class _MergeRequest(BaseModel):
    """The two branches; everything else is read back from GitLab. A test has no `action`."""

    model_config = PAYLOAD
    iid: PositiveNumber
    source_branch: Line
    target_branch: Line
    source_project_id: PositiveNumber | None = None
    target_project_id: PositiveNumber
    action: OptionalLine = None


class _MergeRequestEvent(BaseModel):
    """Something happened to a merge request."""

    model_config = PAYLOAD
    project: _Project
    object_attributes: _MergeRequest
    user: _User | None = None


class _PushEvent(BaseModel):
    """A branch moved; `after` is all zeros where it was deleted."""

    model_config = PAYLOAD
    ref: Line
    after: CommitId
    project: _Project


class _Event(BaseModel):
    """What kind of event it is; of those of the whole server some have `event_name` alone."""

    model_config = PAYLOAD
    object_kind: OptionalLine = None
    event_name: OptionalLine = None


def verify(request: WebhookRequest, keys: Keys, now: datetime) -> None:
    """Check the signature where the source has a signing token, else the token itself.

    Raises NoKeyConfigured, ProofMissing, WrongProof, OutsideWindow.
    """
    if keys.holds("secrets"):
        verify_standard(request, keys, now)
    else:
        verify_headers(request, keys)


def prove_head(request: WebhookRequest, keys: Keys, now: datetime) -> bool:
    """The token is the whole proof; of a signature the head tells only that there is one. Raises the same."""
    if keys.holds("secrets"):
        expect_standard(request, keys, now)
        return False
    verify_headers(request, keys)
    return True


def external_id(request: WebhookRequest) -> str | None:
    """Return the delivery's id, which stays when GitLab sends it once more."""
    return delivery_id(request, *_IDS)


def parse(request: WebhookRequest, _origin: Origin) -> Parsed:
    """Read merge requests and pushes of branches; every other event is ignored. Raises Unusable."""
    event = read_body(request, _Event)
    match event.object_kind or event.event_name:
        case "merge_request":
            return _read_merge_request(read_body(request, _MergeRequestEvent))
        case "push":
            push = read_body(request, _PushEvent)
            return read_push(push.project.path_with_namespace, push.ref, commit_after(push.after))
        case None:
            raise Unusable("object_kind is missing: a custom template of the webhook has to keep it")
        case other:
            return Parsed(ignored=(f"event {other[:40]!r} says nothing of use here",))


def _read_merge_request(event: _MergeRequestEvent) -> Parsed:
    merge, project = event.object_attributes, event.project.path_with_namespace
    if merge.action is None:
        return Parsed(ignored=("a merge request to which nothing happened: a test of the webhook",))
    fact = PullRequestChanged(
        repository=project,
        number=merge.iid,
        head_branch=merge.source_branch,
        head_repository=project if merge.source_project_id == merge.target_project_id else None,
        base_branch=merge.target_branch,
        action="closed" if merge.action in _ENDED else merge.action,
        actor=event.user.username if event.user else None,
    )
    return Parsed(facts=(fact,))


GITLAB = Sender(
    kind="gitlab",
    verify=verify,
    prove_head=prove_head,
    external_id=external_id,
    parse=parse,
    kept_headers=(
        "content-type",
        "user-agent",
        "x-gitlab-event",
        "x-gitlab-event-uuid",
        "x-gitlab-webhook-uuid",
        *_IDS,
    ),
    needs=("secrets", "headers"),
    tells={"pull_request": ("number", "branch"), "branch": ("commit", "branch")},
)
