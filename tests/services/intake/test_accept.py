"""A webhook is kept as it came once its sender is proven, under a name by which a copy is known."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.errors import NotAuthentic
from app.db.deliveries import NewDelivery
from app.senders import SENDERS
from app.senders.sender import Keys, Origin, WebhookRequest
from app.services.intake.accept import UnknownSource, accept, find_source, oversized
from app.services.systems import Source
from tests.senders.examples import PROOFS

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SLOT = timedelta(minutes=10)
SECRET = "a-secret-of-the-sender"
HEADERS = {
    "content-type": "application/json",
    "cookie": "session=1",
    "x-forwarded-for": "10.0.0.1",
    "x-github-event": "ping",
    "x-github-delivery": "72d3162e",
}
SOURCES = {kind: Source(name=f"my-{kind}", kind=kind, origin=Origin(kind), keys=Keys) for kind in SENDERS}


def request(kind: str, body: bytes = b"{}", *, at: datetime = NOW, secret: str = SECRET) -> WebhookRequest:
    """A request that its sender has proven, with headers that nobody needs, or only one kind."""
    return PROOFS[kind].prove(body, HEADERS, at=at, secret=secret)


def accepted(kind: str, sent: WebhookRequest, *, now: datetime = NOW, keys: Keys | None = None) -> NewDelivery:
    """What is kept of a request."""
    source, sender = find_source(SOURCES, kind)
    return accept(replace(source, keys=lambda: keys or PROOFS[kind].keys(SECRET)), sender, sent, now)


@pytest.mark.parametrize("kind", SENDERS)
def test_a_proven_request_is_kept_byte_for_byte_and_without_its_secrets(kind: str) -> None:
    body = b'{"odd": "\xc3\xa9 \xff",  "spaces":1}\n'
    kept = accepted(kind, request(kind, body))
    assert (kept.source, kept.kind, kept.received_at, kept.body) == (f"my-{kind}", kind, NOW, body)
    assert kept.headers["content-type"] == "application/json"
    secret = {"authorization", "cookie", "x-signature", "x-hub-signature-256", "x-forwarded-for"}
    assert not secret & kept.headers.keys()
    assert SECRET not in str(kept.headers)


@pytest.mark.parametrize("kind", SENDERS)
def test_a_request_with_another_secret_is_not_kept(kind: str) -> None:
    with pytest.raises(NotAuthentic) as refused:
        accepted(kind, request(kind, secret="guessed"))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("kind", SENDERS)
def test_a_source_without_a_key_takes_nothing(kind: str) -> None:
    with pytest.raises(NotAuthentic):
        accepted(kind, request(kind, secret=""), keys=Keys(secrets=("",), url_tokens=(" ",)))


def test_both_secrets_are_taken_while_one_replaces_the_other() -> None:
    both = Keys(secrets=("new", "old"))
    bodies = [
        accepted("flux", request("flux", secret.encode(), secret=secret), keys=both).body for secret in both.secrets
    ]
    assert bodies == [b"new", b"old"]


def test_a_secret_is_read_at_each_request() -> None:
    secrets = ["old"]
    source = replace(SOURCES["flux"], keys=lambda: Keys(secrets=tuple(secrets)))
    accept(source, SENDERS["flux"], request("flux", secret="old"), NOW)
    secrets[:] = ["new"]
    accept(source, SENDERS["flux"], request("flux", secret="new"), NOW)
    with pytest.raises(NotAuthentic):
        accept(source, SENDERS["flux"], request("flux", secret="old"), NOW)


def test_a_report_signed_too_long_ago_is_not_kept_and_both_clocks_are_named() -> None:
    late = NOW + timedelta(minutes=6)
    with pytest.raises(NotAuthentic, match=r"12:00:00.*12:06:00"):
        accepted("jenkins", request("jenkins", at=NOW), now=late)


@pytest.mark.parametrize("kind", SENDERS)
def test_another_body_is_another_delivery_whatever_ids_it_bears(kind: str) -> None:
    pushed, thiefs = (
        json.dumps({"events": [{"id": "320678d8", "action": action, "target": {}}]}) for action in ("push", "pull")
    )
    kept = [accepted(kind, request(kind, body.encode())) for body in (thiefs, pushed, pushed)]
    assert kept[0].external_id != kept[1].external_id == kept[2].external_id


def test_a_registrys_event_that_is_sent_again_is_the_same_delivery_at_any_time() -> None:
    sent = request("distribution", b'{"events": [{"id": "320678d8", "action": "push", "target": {}}]}')
    assert accepted("distribution", sent).external_id == accepted("distribution", sent, now=NOW + SLOT).external_id


@pytest.mark.parametrize(("kind", "former"), [("github", "72d3162e"), ("flux", "sha256:44136fa355b3678a")])
def test_a_signed_body_names_the_delivery_and_what_was_its_name_before_is_told(kind: str, former: str) -> None:
    first, again, other = (accepted(kind, request(kind, body)) for body in (b"{}", b"{}", b"{ }"))
    assert first.external_id == again.external_id != other.external_id
    assert (first.former_id or "")[: len(former)] == former


COPIES: list[Any] = [
    pytest.param(b"{}", timedelta(0), True, id="at once"),
    pytest.param(b"{}", SLOT - timedelta(seconds=1), True, id="in the same ten minutes"),
    pytest.param(b"{}", SLOT, False, id="later"),
    pytest.param(b"{ }", timedelta(0), False, id="another body"),
]


@pytest.mark.parametrize("kind", ["jenkins", "jenkins-notification"])
@pytest.mark.parametrize(("body", "after", "is_copy"), COPIES)
def test_without_an_id_the_same_body_within_ten_minutes_is_a_copy(
    kind: str, body: bytes, after: timedelta, *, is_copy: bool
) -> None:
    first = accepted(kind, request(kind, b"{}"))
    second = accepted(kind, request(kind, body, at=NOW + after), now=NOW + after)
    assert (first.external_id == second.external_id) is is_copy


@pytest.mark.parametrize("kind", ["github", "flux"])
@pytest.mark.parametrize(("body", "after"), [one.values[:2] for one in COPIES])
def test_of_a_kind_that_signs_nothing_but_the_body_the_same_one_is_a_copy_at_any_time(
    kind: str, body: bytes, after: timedelta
) -> None:
    first = accepted(kind, request(kind, b"{}"))
    second = accepted(kind, request(kind, body, at=NOW + after), now=NOW + after)
    assert (first.external_id == second.external_id) is (body == b"{}")


def test_a_source_that_is_not_configured_is_named_without_its_tail() -> None:
    with pytest.raises(UnknownSource, match="no source is called 'nobody'"):
        find_source(SOURCES, "nobody")
    with pytest.raises(UnknownSource) as refused:
        find_source(SOURCES, "x" * 10_000)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("size", "words"), [(6_000_000, "6000000 bytes"), (None, "an unknown number of bytes")], ids=["told", "not told"]
)
def test_of_what_is_too_large_a_marker_is_kept(size: int | None, words: str) -> None:
    source, _ = find_source(SOURCES, "distribution")
    kept = oversized(source, size=size, now=NOW)
    assert kept.headers == {"fluxbridge-truncated": words}
    assert words in json.loads(kept.body)["truncated"]
    again = oversized(source, size=size, now=NOW + timedelta(minutes=1))
    assert (kept.source, kept.external_id) == (again.source, again.external_id)
