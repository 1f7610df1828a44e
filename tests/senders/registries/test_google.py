"""Google: what a Pub/Sub message says of an image, wrapped or not."""

import base64
import json
from typing import Any

import pytest

from app.core.facts import ImagePushed, TagDeleted
from app.senders.sender import Parsed, Unusable
from tests.senders.examples import DIGEST, example, origin_of, read

FILE = "gcr-pubsub-push.json"
ENVELOPE = json.loads(example(FILE).body)
ORIGIN = origin_of(FILE)
IMAGE = "europe-west1-docker.pkg.dev/lumen-prod/apps/parcel-api"
TAG, BY_DIGEST = f"{IMAGE}:1.4.2", f"{IMAGE}@{DIGEST}"


def message(data: bytes, **changed: object) -> dict[str, Any]:
    return {**ENVELOPE, "message": {**ENVELOPE["message"], "data": base64.b64encode(data).decode(), **changed}}


def told(change: object) -> Parsed:
    return read("google", message(json.dumps(change).encode()), origin=ORIGIN)


def test_a_message_that_is_not_wrapped_says_the_same_but_its_time() -> None:
    change = {"action": "INSERT", "digest": BY_DIGEST, "tag": TAG}
    [wrapped], [bare] = told(change).facts, read("google", change, origin=ORIGIN).facts
    assert isinstance(wrapped, ImagePushed)
    assert isinstance(bare, ImagePushed)
    assert (bare.image, bare.tag, bare.digest, bare.at) == (wrapped.image, wrapped.tag, wrapped.digest, None)


def test_one_spelling_of_the_envelope_is_enough() -> None:
    for left_out in ({"message_id", "publish_time"}, {"messageId", "publishTime"}):
        its = {name: value for name, value in ENVELOPE["message"].items() if name not in left_out}
        [fact] = read("google", {"message": its, "deliveryAttempt": 2}, origin=ORIGIN).facts
        assert isinstance(fact, ImagePushed)
        assert fact.at is not None


@pytest.mark.parametrize(
    ("change", "tag", "digest"),
    [
        pytest.param({"tag": TAG}, "1.4.2", None, id="a tag"),
        pytest.param({"digest": BY_DIGEST}, None, DIGEST, id="a digest"),
        pytest.param({"tag": TAG, "digest": BY_DIGEST}, "1.4.2", DIGEST, id="both"),
    ],
)
def test_a_deletion_is_of_what_it_names(change: dict[str, str], tag: str | None, digest: str | None) -> None:
    [fact] = told({"action": "DELETE", **change}).facts
    assert isinstance(fact, TagDeleted)
    assert (str(fact.image), fact.tag, fact.digest) == (IMAGE, tag, digest)


def test_an_older_message_has_a_tag_only() -> None:
    [fact] = told({"action": "INSERT", "tag": TAG}).facts
    assert isinstance(fact, ImagePushed)
    assert (fact.tag, fact.digest) == ("1.4.2", None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(message(json.dumps({"action": "INSERT", "digest": BY_DIGEST}).encode()), "no tag", id="untagged"),
        pytest.param(message(b'{"action": "INSERT"}'), "neither tag nor digest", id="nothing named"),
        pytest.param(message(b'{"action": "SCAN", "tag": "x"}'), "'SCAN'", id="another action"),
        pytest.param(message(b'{"name": "x", "kind": "VULNERABILITY"}'), "about no image", id="another topic"),
        pytest.param({"message": {"attributes": {"a": "b"}, "messageId": "1"}}, "without data", id="no data"),
        pytest.param(message(b'{"action": "INSERT", "tag": "gcr.io/a/b:1"}'), "gcr.io/a/b", id="another registry"),
        pytest.param({"hello": "world"}, "about no image", id="no message"),
    ],
)
def test_what_is_no_push_of_a_tag_is_ignored_with_the_reason(body: object, reason: str) -> None:
    parsed = read("google", body, origin=ORIGIN)
    assert (parsed.facts, parsed.problems) == ((), ())
    assert reason in parsed.ignored[0]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"tag": f"{IMAGE}:1", "digest": f"{IMAGE}-x@{DIGEST}"}, id="two images"),
        pytest.param({"tag": "1.4.2"}, id="a bare tag"),
        pytest.param({"tag": BY_DIGEST}, id="a digest as the tag"),
        pytest.param({"digest": f"{IMAGE}@sha256:1"}, id="a short digest"),
    ],
)
def test_references_that_name_no_one_image_are_a_problem(change: dict[str, str]) -> None:
    parsed = told({"action": "INSERT", **change})
    assert not parsed.facts
    assert len(parsed.problems) == 1


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param({"message": {"data": "not base64!"}}, "no base64", id="no base64"),
        pytest.param(message(b"{}}"), "not JSON", id="one brace too many within"),
        pytest.param(example(FILE).body + b"}", "not JSON", id="one brace too many"),
        pytest.param({"message": "x"}, "message", id="no message"),
    ],
)
def test_what_is_no_message_is_unusable(body: object, problem: str) -> None:
    with pytest.raises(Unusable, match=problem):
        read("google", body, origin=ORIGIN)
