"""Distribution: what each captured notification means, batches with bad events, and headers that prove."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import ImagePushed, TagDeleted
from app.core.images import ImageName
from app.senders import SENDERS
from app.senders.sender import Keys, Origin, OriginNotNamed, Unusable, WebhookRequest
from tests.senders.examples import CAPTURED, DIGEST, DISTRIBUTION, ORIGIN, captured, load, read

SENDER = SENDERS["distribution"]
NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
PUSHES = {
    "push-tag-docker": ("team/app", "1.2.3", False),
    "push-tag-oci": ("team/app", "1.2.4", False),
    "retag-same-digest": ("team/app", "stable", False),
    "repush-identical-tag": ("team/app", "1.2.4", False),
    "tag-moved-new-digest": ("team/app", "1.2.4", False),
    "multiarch-index-oci": ("team/multi", "2.0.0", False),
    "multiarch-manifest-list-docker": ("team/multi", "2.0.1", False),
    "odd-tags": ("team/tags", "v1.0.0_build.5", False),
    "odd-tags-6": ("team/tags", "A" * 128, False),
    "push-tag-with-actor-skopeo": ("team/umoci", "3.0.0", False),
    "skopeo-copy-all-multiarch-3": ("team/multi-prod", "2.0.0", False),
    "helm-chart-handmade": ("charts/app", "0.3.1", True),
    # Without references nothing in the body tells that it is a chart.
    "helm-push-real-helm4-step2-with-tag": ("charts/demo", "0.1.0", False),
}
# A blob's deletion looks the same as a manifest's; no tag will have a blob's digest.
DELETIONS = {
    "delete-manifest-by-digest": ("team/app", None),
    "delete-blob": ("team/app", None),
    "skopeo-delete-manifest": ("team/multi-prod", None),
    "skopeo-delete-tag-event": ("team/multi-prod", "2.0.0"),
}


def event(action: str = "push", **target: object) -> dict[str, Any]:
    return {
        "id": "1",
        "timestamp": "2025-10-09T08:55:19.1Z",
        "action": action,
        "target": {"repository": "team/app", **target},
    }


def tagged(**target: object) -> dict[str, Any]:
    whole = event(tag="1.0.0", digest=DIGEST, mediaType="application/vnd.oci.image.index.v1+json")
    return {**whole, "target": {**whole["target"], **target}}


def notification(one: dict[str, Any]) -> WebhookRequest:
    return WebhookRequest(headers={}, body=json.dumps({"events": [one]}).encode())


def test_every_captured_notification_has_an_expectation() -> None:
    assert len(CAPTURED) == 33
    assert set(CAPTURED) >= PUSHES.keys() | DELETIONS.keys()


@pytest.mark.parametrize("name", PUSHES)
def test_a_pushed_tag_is_a_fact(name: str) -> None:
    repository, tag, is_chart = PUSHES[name]
    (sent,) = load(DISTRIBUTION / f"{name}.json")["events"]
    parsed = SENDER.parse(captured(name), ORIGIN)
    assert not parsed.ignored
    assert not parsed.problems
    assert parsed.facts == (
        ImagePushed(
            image=ImageName("registry.lumen.example", repository),
            tag=tag,
            digest=sent["target"]["digest"],
            at=datetime.fromisoformat(sent["timestamp"]),
            is_chart=is_chart,
        ),
    )


@pytest.mark.parametrize("name", DELETIONS)
def test_a_deletion_is_a_fact(name: str) -> None:
    repository, tag = DELETIONS[name]
    (sent,) = load(DISTRIBUTION / f"{name}.json")["events"]
    assert SENDER.parse(captured(name), ORIGIN).facts == (
        TagDeleted(
            image=ImageName("registry.lumen.example", repository),
            tag=tag,
            digest=sent["target"].get("digest"),
            at=datetime.fromisoformat(sent["timestamp"]),
        ),
    )


@pytest.mark.parametrize("name", sorted(set(CAPTURED) - PUSHES.keys() - DELETIONS.keys()))
def test_blobs_children_signatures_pulls_and_mounts_are_ignored(name: str) -> None:
    parsed = SENDER.parse(captured(name), ORIGIN)
    assert not parsed.facts
    assert not parsed.problems
    assert len(parsed.ignored) == 1


def test_another_body_with_the_same_event_id_is_another_delivery() -> None:
    first, other = map(notification, (tagged(), tagged(tag="1.0.1")))
    assert SENDER.external_id(first) == SENDER.external_id(notification(tagged()))
    assert SENDER.external_id(first) != SENDER.external_id(other)


def test_a_retry_keeps_the_external_id_and_a_second_push_does_not() -> None:
    assert SENDER.external_id(captured("retry-503-first")) == SENDER.external_id(captured("retry-503-last"))
    assert SENDER.external_id(captured("push-tag-oci")) != SENDER.external_id(captured("repush-identical-tag"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"events": [{}]}',
        b'{"events": [{"id": 7}]}',
        b'{"events": [{"id": "a"}, {}]}',
        b"nope",
    ],
)
def test_a_body_without_ids_has_no_external_id(body: bytes) -> None:
    assert SENDER.external_id(WebhookRequest(headers={}, body=body)) is None


@pytest.mark.parametrize(
    "content_type",
    [
        "application/vnd.docker.distribution.events.v1+json",
        "application/vnd.docker.distribution.events.v2+json",
        "application/json",
    ],
)
def test_all_envelopes_are_read(content_type: str) -> None:
    assert len(read("distribution", {"events": [tagged()]}, content_type=content_type).facts) == 1


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        pytest.param("text", "events[1]:", id="no object"),
        pytest.param({"action": "push"}, "events[1]: 'target': Field required", id="no target"),
        pytest.param(tagged(tag="-x"), "target.tag is not", id="tag"),
        pytest.param(tagged(tag=""), "target.tag is not", id="empty tag"),
        pytest.param(tagged(tag=DIGEST), "target.tag is not", id="a digest as tag"),
        pytest.param(tagged(digest="sha256:4d3e"), "target.digest is not", id="short digest"),
        pytest.param(tagged(repository="../x"), "a path has", id="repository"),
        pytest.param(tagged() | {"timestamp": "yesterday"}, "no RFC 3339 time", id="time"),
        pytest.param(event("delete", tag=""), "target.tag is not", id="deletion of an empty tag"),
        pytest.param(event("delete", digest=""), "target.digest is not", id="deletion of an empty digest"),
    ],
)
def test_a_malformed_event_does_not_cost_the_others(bad: object, problem: str) -> None:
    parsed = read("distribution", {"events": [tagged(tag="1.0.0"), bad, tagged(tag="2.0.0")]})
    assert [fact.tag for fact in parsed.facts if isinstance(fact, ImagePushed)] == ["1.0.0", "2.0.0"]
    assert len(parsed.problems) == 1
    assert problem in parsed.problems[0]


@pytest.mark.parametrize(
    ("sent", "facts"),
    [
        pytest.param(tagged(mediaType="application/vnd.acme.future+json"), 1, id="unknown media type"),
        pytest.param(tagged(mediaType=None), 1, id="no media type"),
        pytest.param(tagged(mediaType="application/octet-stream"), 0, id="a blob with a tag"),
        pytest.param(tagged(tag="sha256-" + "a" * 64 + ".att"), 0, id="attestation"),
        pytest.param(tagged(tag="sha256-" + "a" * 64), 0, id="referrers"),
        pytest.param(event("push", digest=DIGEST), 0, id="no tag"),
        pytest.param(event("delete", tag="sha256-" + "a" * 64 + ".sig"), 0, id="deleted signature"),
        pytest.param(event("untag", tag="1.0.0"), 0, id="unknown action"),
    ],
)
def test_only_tags_of_images_count(sent: object, facts: int) -> None:
    parsed = read("distribution", {"events": [sent]})
    assert (len(parsed.facts), len(parsed.ignored), len(parsed.problems)) == (facts, 1 - facts, 0)


def test_a_deletion_that_names_only_the_repository_is_of_all_of_it() -> None:
    (fact,) = read("distribution", {"events": [event("delete")]}).facts
    assert isinstance(fact, TagDeleted)
    assert (fact.image.path, fact.tag, fact.digest) == ("team/app", None, None)


def test_the_registry_is_the_configured_one_whatever_the_body_says() -> None:
    sent = tagged(url="https://evil.example/v2/x") | {"request": {"host": "evil.example"}}
    (fact,) = read("distribution", {"events": [sent]}).facts
    assert isinstance(fact, ImagePushed)
    assert str(fact.image) == "registry.lumen.example/team/app"


def test_a_time_that_go_never_set_is_unknown() -> None:
    (fact,) = read("distribution", {"events": [tagged() | {"timestamp": "0001-01-01T00:00:00Z"}]}).facts
    assert isinstance(fact, ImagePushed)
    assert fact.at is None


def test_a_source_without_a_registry_says_what_to_configure() -> None:
    with pytest.raises(OriginNotNamed, match="add `registry:`"):
        read("distribution", {"events": []}, origin=Origin(source="registry"))


@pytest.mark.parametrize("body", [{}, [], {"events": None}, {"events": {}}, b"", b"{"])
def test_a_body_without_events_is_unusable(body: object) -> None:
    with pytest.raises(Unusable):
        read("distribution", body)


def test_all_configured_headers_must_match() -> None:
    keys = Keys(headers={"authorization": ("Bearer s3cret-token",), "x-registry-name": ("ci-registry", "other")})
    SENDER.verify(captured("push-tag-docker"), keys, NOW)
    with pytest.raises(NotAuthentic, match="authorization is missing or empty"):
        SENDER.verify(captured("push-tag-with-actor-skopeo"), keys, NOW)
    wrong = Keys(headers={"authorization": ("Bearer s3cret-token",), "x-registry-name": ("another",)})
    with pytest.raises(NotAuthentic, match="x-registry-name matches no key"):
        SENDER.verify(captured("push-tag-docker"), wrong, NOW)


def test_a_header_value_beyond_ascii_is_compared_by_its_bytes() -> None:
    sent = WebhookRequest(headers={"x-key": "schlüssel".encode().decode("latin-1")}, body=b"")
    SENDER.verify(sent, Keys(headers={"x-key": ("schlüssel",)}), NOW)


def test_a_header_without_a_usable_value_is_no_proof_beside_a_good_one() -> None:
    keys = Keys(headers={"authorization": ("Bearer s3cret-token",), "x-registry-name": ("",)})
    with pytest.raises(NotAuthentic, match="is configured for this source"):
        SENDER.verify(captured("push-tag-docker"), keys, NOW)
