"""CNCF Distribution's notifications: many events a body, proven by fixed headers, hints until the registry is asked."""

from datetime import MINYEAR, datetime

from pydantic import BaseModel, Field, JsonValue

from app.core.errors import Invalid
from app.core.facts import Fact, ImagePushed, TagDeleted
from app.core.images import ImageName, InvalidImage, is_hinted_digest, is_signature_tag, is_tag
from app.senders.payload import PAYLOAD, Instant, Line, OptionalLine, read_body, read_model, text_at
from app.senders.proof_kinds import HEADERS
from app.senders.sender import Origin, Parsed, Sender, Unusable, WebhookRequest, body_id

_BLOB = "application/octet-stream"
_HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"


class _Reference(BaseModel):
    """One part of a manifest; sent only where the registry is set to include references."""

    model_config = PAYLOAD
    media_type: OptionalLine = Field(default=None, alias="mediaType")


class _Target(BaseModel):
    """What an event is about. A tag is there only where the client named one."""

    model_config = PAYLOAD
    repository: Line
    media_type: OptionalLine = Field(default=None, alias="mediaType")
    tag: str | None = None
    digest: str | None = None
    references: list[_Reference] | None = None


class _Event(BaseModel):
    """One event. Who asked is of no use here, and by which host is shown at most."""

    model_config = PAYLOAD
    action: Line
    target: _Target
    timestamp: Instant | None = None
    request: JsonValue = None


class _Envelope(BaseModel):
    """Both versions of the envelope; events are read one by one, since a bad one must not cost the others."""

    model_config = PAYLOAD
    events: list[JsonValue]


class _EventId(BaseModel):
    """The id of an event, the same over all of the registry's retries."""

    model_config = PAYLOAD
    id: Line


def external_id(request: WebhookRequest) -> str | None:
    """Name the delivery by its body, in which its events have ids of their own; None where one has none.

    The ids alone name nothing: whoever has the header could take that of a push before the registry tells of it.
    """
    try:
        for event in read_body(request, _Envelope).events:
            read_model(event, _EventId)
    except Unusable:
        return None
    return body_id(request)


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read pushes of tags and deletions; blobs, children of an index, pulls and mounts are ignored.

    Raises Unusable where there is no list of events. A malformed event is a problem and the others count.
    """
    events = read_body(request, _Envelope).events
    origin.named("registry")
    facts: list[Fact] = []
    ignored, problems = [], []
    for position, item in enumerate(events):
        try:
            fact = _read_event(read_model(item, _Event), origin)
        except Unusable as error:
            problems.append(f"events[{position}]: {error.problem}")
        except Invalid as error:
            problems.append(f"events[{position}]: {error}")
        else:
            if isinstance(fact, str):
                ignored.append(f"events[{position}]: {fact}")
            else:
                facts.append(fact)
    return Parsed(tuple(facts), tuple(ignored), tuple(problems))


def _read_event(event: _Event, origin: Origin) -> Fact | str:
    """Return the fact, or why there is none. Raises Unusable, InvalidImage."""
    target = event.target
    if event.action not in {"push", "delete"}:
        return f"action {event.action[:40]!r} changes no tag"
    if target.media_type == _BLOB:
        return "a blob"
    _check_names(target)
    if target.tag is not None and is_signature_tag(target.tag):
        return f"tag {target.tag} holds a signature or a list of referrers, no image"
    registry = origin.registry_for(text_at(event.request, "host"))
    image, at = ImageName.at(registry, target.repository), _known(event.timestamp)
    if event.action == "delete":
        return TagDeleted(image=image, tag=target.tag, digest=target.digest, at=at)
    if target.tag is None:
        return "pushed by digest, without a tag"
    is_chart = any(part.media_type == _HELM_CONFIG for part in target.references or ())
    return ImagePushed(image=image, tag=target.tag, digest=target.digest, at=at, is_chart=is_chart)


def _check_names(target: _Target) -> None:
    # An empty tag or digest must not pass for an absent one: a deletion without both is one of the whole repository.
    if target.tag is not None and not is_tag(target.tag):
        raise InvalidImage(target.tag, "target.tag is not 1 to 128 of A-Z a-z 0-9 _ . -")
    # The registry is asked in any case: whatever OCI allows is a hint.
    if target.digest is not None and not is_hinted_digest(target.digest):
        raise InvalidImage(target.digest, "target.digest is not sha256 with 64 hex digits, or another that OCI allows")


def _known(timestamp: datetime | None) -> datetime | None:
    # Go writes a time that was never set as year 1.
    return None if timestamp is None or timestamp.year == MINYEAR else timestamp


DISTRIBUTION = Sender(
    kind="distribution",
    verify=HEADERS.verify,
    prove_head=HEADERS.prove_head,
    external_id=external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent"),
    needs=("headers",),
    tells={"push": ("image", "tag", "digest", "time"), "delete": ("image", "tag", "digest", "time")},
    speaks_for="registry",
    keeps_oversized=True,
)
