"""CDEvents' artifact.published, alone or in a CloudEvent: what was published is named by its purl."""

import re
from datetime import datetime
from urllib.parse import unquote

from pydantic import BaseModel, JsonValue

from app.core.images import ImageName
from app.senders.cloud_events import HEADERS, read_cloud_event
from app.senders.payload import PAYLOAD, Line, Moment, OptionalLine, read_model
from app.senders.proof_kinds import SHARED_SECRET
from app.senders.registries.tellings import Telling, read_one
from app.senders.sender import Origin, Parsed, Sender, Unusable, WebhookRequest, body_id

_PUBLISHED = re.compile(r"dev\.cdevents\.artifact\.published\.0\..+")
_PURL = re.compile(r"pkg:/*(?P<type>[^/@?#]+)/(?P<name>[^@?#]*)(?:@(?P<version>[^?#]*))?(?:\?(?P<more>[^#]*))?(?:#.*)?")


class _Context(BaseModel):
    """What kind of event it is; `specversion` and its older name `version` decide nothing here."""

    model_config = PAYLOAD
    id: OptionalLine = None
    type: OptionalLine = None
    timestamp: Moment = None


class _Subject(BaseModel):
    """What the event is about."""

    model_config = PAYLOAD
    id: Line


class _Event(BaseModel):
    """A whole event of any version: what is read here is alike in all."""

    model_config = PAYLOAD
    context: _Context
    subject: dict[str, JsonValue]


def external_id(request: WebhookRequest) -> str | None:
    """Name the delivery by its body, in which the event has an id; None where it has none."""
    try:
        event = read_model(read_cloud_event(request).data, _Event)
    except Unusable:
        return None
    return body_id(request) if event.context.id else None


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read which tag of an image was published; other events and other artifacts are ignored. Raises Unusable."""
    envelope = read_cloud_event(request)
    event = read_model(envelope.data, _Event)
    kind = event.context.type or envelope.type
    if not _PUBLISHED.fullmatch(kind):
        return Parsed(ignored=(f"event {kind[:80]!r} is not that an artifact was published",))
    at = event.context.timestamp or envelope.time
    return read_one(origin, lambda: _read_purl(read_model(event.subject, _Subject).id, at))


def _read_purl(purl: str, at: datetime | None) -> Telling | str:
    """The tag that a package URL names, or why it names none. Raises Unusable, InvalidImage.

    Source: purl-spec, type `oci`.
    """
    found = _PURL.fullmatch(purl)
    if found is None:
        raise Unusable("subject.id: is no package URL such as pkg:oci/app@sha256%3A…?repository_url=…&tag=…")
    if found["type"].lower() != "oci":
        return f"a package of type {found['type'][:40]!r} is no image"
    more = _qualifiers(found["more"] or "")
    repository = more.get("repository_url", "").removeprefix("https://").strip("/")
    if not repository:
        return "the package URL has no repository_url, and its name alone tells no repository"
    name = unquote(found["name"]).strip("/").rpartition("/")[2]
    whole = repository if repository.rpartition("/")[2] == name else f"{repository}/{name}"
    image, version = ImageName.parse(whole), unquote(found["version"] or "")
    return Telling(
        host=image.registry,
        path=image.path,
        tag=more.get("tag") or ("" if ":" in version else version),
        digest=version if ":" in version else None,
        at=at,
    )


def _qualifiers(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        key, _, value = part.partition("=")
        if found.setdefault(key.lower(), unquote(value)) != unquote(value):
            raise Unusable(f"subject.id: {key[:40]!r} stands twice in the package URL")
    return found


CDEVENTS = Sender(
    kind="cdevents",
    verify=SHARED_SECRET.verify,
    prove_head=SHARED_SECRET.prove_head,
    external_id=external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", *HEADERS),
    needs=("headers", "url_tokens", "basic"),
    tells={"push": ("image", "tag", "digest", "time")},
    speaks_for="registry",
)
