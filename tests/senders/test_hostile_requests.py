"""Whatever arrives, a sender answers with a fact, a reason or an error of its own kinds."""

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import example as by_hand
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import NotAuthentic
from app.core.facts import ImagePushed, TagDeleted
from app.senders import SENDERS
from app.senders.saved_bodies import read_saved_body
from app.senders.sender import MOST_BYTES, Origin, Sender, Unusable, WebhookRequest
from tests import extent
from tests.senders.examples import EXAMPLES, KEYS, ORIGIN, PROOFS, SIGNED_AT, example, origin_of, sender_of
from tests.senders.hostile import damaged_examples, json_values, torn_examples

KINDS = st.sampled_from(sorted(SENDERS))
CONTENT_TYPES = st.sampled_from(["application/json", "application/x-www-form-urlencoded", ""])
EVENTS = st.sampled_from(
    ["push", "pull_request", "ping", "repo:push", "pullrequest:fulfilled", "repo:refs_changed", "pr:merged"]
)


def of_event(event: str) -> dict[str, str]:
    """The event in the header of every forge."""
    return {"x-github-event": event, "x-gitea-event-type": event, "x-event-key": event}


def read_or_refuse(sender: Sender, request: WebhookRequest, origin: Origin = ORIGIN) -> None:
    external_id = sender.external_id(request)
    assert external_id is None or external_id
    say_only_what_the_kind_tells(sender, request)
    try:
        parsed = sender.parse(request, origin)
    except Unusable as error:
        str(error).encode()  # what cannot be encoded could not be kept either
        return
    for text in (*parsed.ignored, *parsed.problems):
        text.encode()
        assert text.isprintable()
    for fact in parsed.facts:
        if isinstance(fact, ImagePushed | TagDeleted):
            assert fact.image.registry == origin.registry
            say_only_what_stands_there(request.body, fact)


def say_only_what_the_kind_tells(sender: Sender, request: WebhookRequest) -> None:
    """Read it as a person would, and see that facts have the fields that the kind promises, and no others."""
    said = read_saved_body(sender, request)
    json.dumps(said.as_json()).encode()
    assert (said.verdict == "facts") == bool(said.facts)
    assert said.facts or said.ignored or said.problems
    for fact in said.facts:
        told = {name for name, value in asdict(fact).items() if value is not None} - {"type"}
        assert told <= set(sender.tells[fact.type])


def say_only_what_stands_there(body: bytes, fact: ImagePushed | TagDeleted) -> None:
    """Whatever a fact names, some text of the body has it, in whichever case; also in what it wraps as base64."""
    there = list(texts_of(json.loads(body)))
    texts = "\n".join([*there, *map(unwrapped, there)]).lower()
    digest = (fact.digest or "").removeprefix("sha256:")
    name = fact.image.path.rpartition("/")[2]
    assert all(told.lower() in texts for told in (fact.tag or "", digest, name))


def unwrapped(text: str) -> str:
    """What a text is in base64; nothing where it is none."""
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except ValueError:
        return ""


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys too."""
    match value:
        case str():
            yield value
        case dict():
            yield from value
            yield from (text for each in value.values() for text in texts_of(each))
        case list():
            yield from (text for each in value for text in texts_of(each))


@settings(max_examples=4 * extent.EXAMPLES)
@given(KINDS, st.binary(), CONTENT_TYPES, EVENTS)
@by_hand("github", b"payload=%ED%A0%80", "application/x-www-form-urlencoded", "push")
def test_any_bytes_are_read_or_unusable(kind: str, body: bytes, content_type: str, event: str) -> None:
    headers = {"content-type": content_type, **of_event(event)}
    read_or_refuse(SENDERS[kind], WebhookRequest(headers=headers, body=body))


@settings(max_examples=4 * extent.EXAMPLES)
@given(KINDS, json_values(), EVENTS)
def test_any_json_is_read_or_unusable(kind: str, value: Any, event: str) -> None:
    request = WebhookRequest(headers=of_event(event), body=json.dumps(value).encode())
    read_or_refuse(SENDERS[kind], request)


@settings(max_examples=4 * extent.EXAMPLES)
@given(damaged_examples(), EVENTS)
def test_any_damaged_example_is_read_or_unusable(damaged: tuple[str, bytes], event: str) -> None:
    file, body = damaged
    read_or_refuse(sender_of(file), WebhookRequest(headers=of_event(event), body=body), origin_of(file))


@settings(max_examples=4 * extent.EXAMPLES)
@given(torn_examples())
def test_any_torn_example_is_read_or_unusable(torn: tuple[str, bytes]) -> None:
    file, body = torn
    read_or_refuse(sender_of(file), replace(example(file), body=body), origin_of(file))


@pytest.mark.parametrize("file", EXAMPLES)
def test_an_example_says_nothing_that_its_kind_does_not_tell(file: str) -> None:
    read_or_refuse(sender_of(file), example(file), origin_of(file))


@pytest.mark.parametrize("file", EXAMPLES)
def test_an_example_that_is_larger_than_what_is_read_tells_of_nothing(file: str) -> None:
    whole = example(file)
    padded = replace(whole, body=whole.body + b" " * (MOST_BYTES + 1 - len(whole.body)))
    assert read_saved_body(sender_of(file), padded).verdict in {"unusable", "ignored"}


@settings(max_examples=4 * extent.EXAMPLES)
@given(KINDS, st.text(), st.text(), st.text(), st.binary())
def test_no_invented_proof_is_accepted(kind: str, proof: str, timestamp: str, token: str, body: bytes) -> None:
    headers = {PROOFS[kind].header or "authorization": proof, "x-signature-timestamp": timestamp}
    with pytest.raises(NotAuthentic):
        SENDERS[kind].verify(WebhookRequest(headers=headers, body=body, query={"token": token}), KEYS[kind], SIGNED_AT)
