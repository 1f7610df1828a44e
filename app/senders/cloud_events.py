"""CloudEvents 1.0 over HTTP: attributes in the head with the data as the body, or both in one JSON object."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from app.senders.instants import parse_moment
from app.senders.sender import MOST_BYTES, WebhookRequest
from app.senders.strict_json import read_json

HEADERS = ("ce-id", "ce-source", "ce-subject", "ce-time", "ce-type")
"""What of the head is needed to read one later."""


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event; what is not told, or is no text, is empty, and what is no time is none."""

    type: str
    source: str
    subject: str
    time: datetime | None
    data: JsonValue


def read_cloud_event(request: WebhookRequest) -> CloudEvent:
    """Read one in either mode. Raises Unusable where the body is no JSON."""
    body = read_json(request.body, most_bytes=MOST_BYTES)
    told: dict[str, JsonValue] = {name.removeprefix("ce-"): request.headers.get(name, "") for name in HEADERS}
    if isinstance(body, dict) and "specversion" in body:
        told, body = body, body.get("data")
    type_, source, subject, time = (_text(told.get(name)) for name in ("type", "source", "subject", "time"))
    return CloudEvent(type_, source, subject, _moment(time), body)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _moment(text: str) -> datetime | None:
    # A header may have been cut; the time of an event is worth less than what it says.
    try:
        return parse_moment(text)
    except ValueError:
        return None
