"""Accept a webhook: prove who sent it and say what will be kept; nothing is read into it here."""

from collections.abc import Mapping
from datetime import UTC, datetime

from app.core.errors import NotFound
from app.db.deliveries import NewDelivery
from app.db.delivery_bodies import pack
from app.senders import SENDERS
from app.senders.sender import SLOT_S, Sender, WebhookRequest, content_id
from app.services.systems import Source

_LONGEST_HEADER = 500


class UnknownSource(NotFound):
    """A webhook came for a source that is not configured."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no source is called {name[:64]!r}; sources are declared in fluxbridge.yaml")


def find_source(sources: Mapping[str, Source], name: str) -> tuple[Source, Sender]:
    """The source of that name with its sender. Raises UnknownSource."""
    source = sources.get(name)
    if source is None:
        raise UnknownSource(name)
    return source, SENDERS[source.kind]


def accept(source: Source, sender: Sender, request: WebhookRequest, now: datetime) -> NewDelivery:
    """Verify a request and turn it into what is kept. Raises NotAuthentic."""
    sender.verify(request, source.keys(), now)
    told_id = sender.external_id(request) or _content_id(request.body, now, sender.slot_s)
    body = pack(request.body)
    return NewDelivery(
        source=source.name,
        kind=source.kind,
        external_id=sender.signed_id(request) if sender.signed_id is not None else told_id,
        # Before there was a signed id, deliveries were kept under the one that was told.
        former_id=told_id if sender.signed_id is not None else None,
        headers={
            name: request.headers[name][:_LONGEST_HEADER] for name in sender.kept_headers if name in request.headers
        },
        body=body.stored,
        unpacked_bytes=body.unpacked_bytes,
        received_at=now,
    )


def oversized(source: Source, *, size: int | None, now: datetime) -> NewDelivery:
    """What is kept of a delivery that is too large, from a sender that would block on a refusal."""
    words = f"{size} bytes" if size is not None else "an unknown number of bytes"
    note = f'{{"truncated": "a delivery of {words} was not kept"}}'.encode()
    return NewDelivery(
        source=source.name,
        kind=source.kind,
        external_id=_content_id(note, now, SLOT_S),
        headers={"fluxbridge-truncated": words},
        body=note,
        received_at=now,
    )


def _content_id(body: bytes, now: datetime, slot_s: int) -> str:
    """Name a delivery that has no id of its own: its content, within a slot of that many seconds (DESIGN 4.1)."""
    slot = int(now.astimezone(UTC).timestamp()) // slot_s
    return f"{content_id(body)}:{slot}"
