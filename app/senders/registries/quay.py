"""Quay's webhooks: unsigned, without digest, time or id, so a push is a hint and the URL's token is all the proof."""

from pydantic import BaseModel, JsonValue

from app.senders.payload import PAYLOAD, OptionalLine, read_body, text_at
from app.senders.proof_kinds import URL_TOKEN
from app.senders.registries.tellings import Reading, Telling, read_each
from app.senders.sender import EACH_IS_NEW_S, Origin, Parsed, Sender, Unusable, WebhookRequest, no_external_id


class _Event(BaseModel):
    """An event: a push if it has `updated_tags`, which are read one by one. Other hooks send the same but for these."""

    model_config = PAYLOAD
    repository: OptionalLine = None
    namespace: OptionalLine = None
    name: OptionalLine = None
    docker_url: JsonValue = None
    updated_tags: list[JsonValue] | None = None


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read the pushed tags; builds, scans, mirrors and tests of the hook are ignored. Raises Unusable."""
    event = read_body(request, _Event)
    if not event.updated_tags:
        return Parsed(ignored=("an event without updated_tags pushes nothing",))
    return read_each(
        origin,
        [(f"updated_tags[{position}]", _reading(event, tag)) for position, tag in enumerate(event.updated_tags)],
    )


def _reading(event: _Event, tag: JsonValue) -> Reading:
    def read() -> Telling:
        if not isinstance(tag, str):
            raise Unusable("a tag must be text")
        host, _, path = (text_at(event.docker_url) or "").partition("/")
        whole = f"{event.namespace}/{event.name}" if event.namespace and event.name else path
        if not (event.repository or whole):
            raise Unusable("nothing names the repository")
        return Telling(host=host, path=event.repository or whole, tag=tag)

    return read


QUAY = Sender(
    kind="quay",
    verify=URL_TOKEN.verify,
    prove_head=URL_TOKEN.prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent"),
    needs=("url_tokens",),
    tells={"push": ("image", "tag")},
    speaks_for="registry",
    slot_s=EACH_IS_NEW_S,
    keeps_oversized=True,
)
