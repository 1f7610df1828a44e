"""Google's registries by Pub/Sub push: one change of an image a body, proven by a token of its service account."""

import base64
import binascii
from datetime import datetime

from pydantic import AliasChoices, BaseModel, Field, JsonValue

from app.core.images import ImageReference
from app.senders.id_tokens import WrongToken, read_claims, verify_id_token
from app.senders.payload import PAYLOAD, Line, Moment, OptionalLine, read_model
from app.senders.registries.tellings import Telling, read_one
from app.senders.sender import MOST_BYTES, Keys, Origin, Parsed, Sender, Unusable, WebhookRequest, body_id
from app.senders.strict_json import read_json

_ISSUERS = ("https://accounts.google.com", "accounts.google.com")


class _Account(BaseModel):
    """The service account that a token speaks for."""

    model_config = PAYLOAD
    email: Line
    email_verified: bool


class _Message(BaseModel):
    """What Pub/Sub delivers; it sends each name in both spellings."""

    model_config = PAYLOAD
    data: str | None = None
    id: OptionalLine = Field(default=None, validation_alias=AliasChoices("messageId", "message_id"))
    at: Moment = Field(default=None, validation_alias=AliasChoices("publishTime", "publish_time"))


class _Envelope(BaseModel):
    """How it delivers it, unless the subscription unwraps payloads."""

    model_config = PAYLOAD
    message: _Message


class _Change(BaseModel):
    """What became of an image; tag and digest are references in full."""

    model_config = PAYLOAD
    action: OptionalLine = None
    tag: OptionalLine = None
    digest: OptionalLine = None


def verify(request: WebhookRequest, keys: Keys, now: datetime) -> None:
    """Check the token's signature, issuer, audience, account and time. Raises NotAuthentic leaves, KeysNotFetched."""
    told = read_claims(verify_id_token(request, keys, now, issuers=_ISSUERS), _Account)
    if keys.id_tokens is None or told.email != keys.id_tokens.account or not told.email_verified:
        raise WrongToken("speaks for another account than that of this source")


def prove_head(request: WebhookRequest, keys: Keys, now: datetime) -> bool:
    """The token is the whole proof: it says nothing of the body."""
    verify(request, keys, now)
    return True


def external_id(request: WebhookRequest) -> str | None:
    """Name the delivery by its body, in which the message has an id; None where it has none."""
    try:
        envelope = read_model(read_json(request.body, most_bytes=MOST_BYTES), _Envelope)
    except Unusable:
        return None
    return body_id(request) if envelope.message.id else None


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read which tag was set or deleted, wrapped or not; images without a tag are ignored. Raises Unusable."""
    body, at = read_json(request.body, most_bytes=MOST_BYTES), None
    if isinstance(body, dict) and "message" in body:
        message = read_model(body, _Envelope).message
        if not message.data:
            return Parsed(ignored=("a message without data",))
        body, at = _decoded(message.data), message.at
    if not isinstance(body, dict) or "action" not in body:
        return Parsed(ignored=("a message that is about no image",))
    change = read_model(body, _Change)
    if change.action not in {"INSERT", "DELETE"}:
        return Parsed(ignored=(f"action {(change.action or '')[:40]!r} changes no tag",))
    if change.tag is None and change.digest is None:
        return Parsed(ignored=("it names neither tag nor digest",))
    return read_one(origin, lambda: _read_references(change, at))


def _decoded(data: str) -> JsonValue:
    try:
        text = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Unusable("message.data: is no base64") from None
    return read_json(text, most_bytes=MOST_BYTES)


def _read_references(change: _Change, at: datetime | None) -> Telling:
    """What both references name, which must be one image. Raises Unusable, InvalidImage."""
    tag, digest = (ImageReference.parse(text) if text else None for text in (change.tag, change.digest))
    if (tag and (tag.tag is None or tag.digest)) or (digest and (digest.digest is None or digest.tag)):
        raise Unusable(
            "tag and digest: must be references such as HOST/PROJECT/IMAGE:TAG and HOST/PROJECT/IMAGE@DIGEST"
        )
    names = {one.name for one in (tag, digest) if one}
    if len(names) != 1:
        raise Unusable("tag and digest: name different images")
    [name] = names
    return Telling(
        host=name.registry,
        path=name.path,
        tag=tag.tag if tag else None,
        digest=digest.digest if digest else None,
        at=at,
        is_deletion=change.action == "DELETE",
    )


GOOGLE = Sender(
    kind="google",
    verify=verify,
    prove_head=prove_head,
    external_id=external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent"),
    needs=("id_tokens",),
    tells={"push": ("image", "tag", "digest", "time"), "delete": ("image", "tag", "digest", "time")},
    speaks_for="registry",
    keeps_oversized=True,
)
