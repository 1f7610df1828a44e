"""Azure Container Registry's webhooks: one event a body, proven by a fixed header, hints until it is asked."""

from pydantic import BaseModel, Field, JsonValue

from app.senders.payload import PAYLOAD, Line, Moment, OptionalLine, read_body, text_at
from app.senders.proof_kinds import HEADERS
from app.senders.registries.tellings import Telling, read_one
from app.senders.sender import Origin, Parsed, Sender, WebhookRequest, no_external_id

_READ = frozenset({"push", "delete"})


class _Target(BaseModel):
    """What an event is about. A push by digest has no tag, nor has the deletion of a manifest."""

    model_config = PAYLOAD
    repository: Line
    media_type: OptionalLine = Field(default=None, alias="mediaType")
    tag: OptionalLine = None
    digest: OptionalLine = None


class _Event(BaseModel):
    """An event that changes a tag."""

    model_config = PAYLOAD
    timestamp: Moment = None
    action: Line
    target: _Target
    request: JsonValue = None


class _Named(BaseModel):
    """Any event: a `ping` has no target, charts of the API of Helm 2 have one of another form."""

    model_config = PAYLOAD
    action: Line


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read a push or a deletion; `ping`, `quarantine`, `chart_push` and `chart_delete` are ignored. Raises Unusable."""
    action = read_body(request, _Named).action
    if action.lower() not in _READ:
        return Parsed(ignored=(f"action {action[:40]!r} changes no tag of an image",))
    event = read_body(request, _Event)
    return read_one(
        origin,
        lambda: Telling(
            host=text_at(event.request, "host"),
            path=event.target.repository,
            tag=event.target.tag,
            digest=event.target.digest,
            media_type=event.target.media_type,
            at=event.timestamp,
            is_deletion=action.lower() == "delete",
        ),
    )


ACR = Sender(
    kind="acr",
    verify=HEADERS.verify,
    prove_head=HEADERS.prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent"),
    needs=("headers",),
    tells={"push": ("image", "tag", "digest", "time"), "delete": ("image", "tag", "digest", "time")},
    speaks_for="registry",
)
