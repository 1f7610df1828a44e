"""Whatever arrives, a sender answers with a fact, a reason or an error of its own kinds."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.core.errors import NotAuthentic
from app.senders import SENDERS
from app.senders.sender import Sender, Unusable, WebhookRequest
from tests.senders.examples import KEYS, ORIGIN, PROOFS, SIGNED_AT
from tests.senders.hostile import damaged_examples, json_values

KINDS = st.sampled_from(sorted(SENDERS))
CONTENT_TYPES = st.sampled_from(["application/json", "application/x-www-form-urlencoded", ""])
EVENTS = st.sampled_from(["push", "pull_request", "ping"])


def read_or_refuse(sender: Sender, request: WebhookRequest) -> None:
    external_id = sender.external_id(request)
    assert external_id is None or external_id
    try:
        parsed = sender.parse(request, ORIGIN)
    except Unusable as error:
        str(error).encode()  # what cannot be encoded could not be kept either
        return
    for text in (*parsed.ignored, *parsed.problems):
        text.encode()
        assert text.isprintable()


@settings(deadline=None, max_examples=300)
@given(KINDS, st.binary(), CONTENT_TYPES, EVENTS)
@example("github", b"payload=%ED%A0%80", "application/x-www-form-urlencoded", "push")
def test_any_bytes_are_read_or_unusable(kind: str, body: bytes, content_type: str, event: str) -> None:
    headers = {"content-type": content_type, "x-github-event": event}
    read_or_refuse(SENDERS[kind], WebhookRequest(headers=headers, body=body))


@settings(deadline=None, max_examples=300)
@given(KINDS, json_values(), EVENTS)
def test_any_json_is_read_or_unusable(kind: str, value: Any, event: str) -> None:
    request = WebhookRequest(headers={"x-github-event": event}, body=json.dumps(value).encode())
    read_or_refuse(SENDERS[kind], request)


@settings(deadline=None, max_examples=500)
@given(damaged_examples(), EVENTS)
def test_any_damaged_example_is_read_or_unusable(damaged: tuple[str, bytes], event: str) -> None:
    kind, body = damaged
    read_or_refuse(SENDERS[kind], WebhookRequest(headers={"x-github-event": event}, body=body))


@settings(deadline=None, max_examples=300)
@given(KINDS, st.text(), st.text(), st.text(), st.binary())
def test_no_invented_proof_is_accepted(kind: str, proof: str, timestamp: str, token: str, body: bytes) -> None:
    headers = {PROOFS[kind].header or "authorization": proof, "x-signature-timestamp": timestamp}
    with pytest.raises(NotAuthentic):
        SENDERS[kind].verify(WebhookRequest(headers=headers, body=body, query={"token": token}), KEYS[kind], SIGNED_AT)
