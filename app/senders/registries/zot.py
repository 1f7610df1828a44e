"""zot's events: one a body, as CloudEvents, proven by what its sink is given to send along."""

from pydantic import BaseModel, Field

from app.senders.cloud_events import HEADERS, read_cloud_event
from app.senders.payload import PAYLOAD, Line, OptionalLine, read_model
from app.senders.proof_kinds import SHARED_SECRET
from app.senders.registries.tellings import Telling, read_one
from app.senders.sender import (
    EACH_IS_NEW_S,
    MOST_BYTES,
    Origin,
    Parsed,
    Sender,
    Unusable,
    WebhookRequest,
    no_external_id,
)
from app.senders.strict_json import read_json

_CHART = "application/vnd.cncf.helm."
_UPDATED, _DELETED = "zotregistry.image.updated", "zotregistry.image.deleted"


class _Image(BaseModel):
    """What was pushed or deleted: `reference` is a tag or a digest, `manifest` is JSON as text."""

    model_config = PAYLOAD
    name: Line
    reference: Line
    digest: OptionalLine = None
    media_type: OptionalLine = Field(default=None, alias="mediaType")
    manifest: str | None = None


class _Config(BaseModel):
    """What a manifest says of its configuration."""

    model_config = PAYLOAD
    media_type: OptionalLine = Field(default=None, alias="mediaType")


class _Manifest(BaseModel):
    """What tells a chart from an image; an index has none."""

    model_config = PAYLOAD
    config: _Config | None = None


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read which tag was pushed or deleted; scans, lints and new repositories are ignored. Raises Unusable."""
    event = read_cloud_event(request)
    if event.type not in {_UPDATED, _DELETED}:
        return Parsed(ignored=(f"event {event.type[:60]!r} changes no tag",))
    image = read_model(event.data, _Image)
    config = _config(image.manifest)
    return read_one(
        origin,
        lambda: Telling(
            path=image.name,
            tag=image.reference,
            digest=image.digest,
            media_type=config if (config or "").startswith(_CHART) else image.media_type,
            at=event.time,
            is_deletion=event.type == _DELETED,
        ),
    )


def _config(manifest: str | None) -> str | None:
    """The media type of what a manifest is configured by; the manifest only tells charts from images."""
    try:
        read = read_model(read_json((manifest or "").encode(), most_bytes=MOST_BYTES), _Manifest)
    except Unusable:
        return None
    return read.config.media_type if read.config else None


ZOT = Sender(
    kind="zot",
    verify=SHARED_SECRET.verify,
    prove_head=SHARED_SECRET.prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", *HEADERS),
    needs=("headers", "basic"),
    tells={"push": ("image", "tag", "digest", "time"), "delete": ("image", "tag", "digest", "time")},
    speaks_for="registry",
    slot_s=EACH_IS_NEW_S,
)
