"""zot: the event is told in the head, or in the body by what repacks it; charts are told by their manifest."""

import json
from typing import Any

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import ImagePushed, TagDeleted
from app.senders import SENDERS
from app.senders.sender import Keys, WebhookRequest
from tests.senders.examples import DIGEST, SIGNED_AT, example, read

IMAGE = json.loads(example("zot-image-updated.json").body)
UPDATED = {"ce_type": "zotregistry.image.updated", "ce_time": "2025-10-09T08:55:19.123456Z"}


def pushed(body: Any = IMAGE, **headers: str) -> ImagePushed:
    told = {**UPDATED, **headers}
    [fact] = read("zot", body, ce_type=told["ce_type"], ce_time=told["ce_time"]).facts
    assert isinstance(fact, ImagePushed)
    return fact


def test_an_event_in_structured_mode_says_the_same() -> None:
    event = {"specversion": "1.0", "type": UPDATED["ce_type"], "time": UPDATED["ce_time"], "data": IMAGE}
    assert read("zot", event).facts == (pushed(),)


def test_a_chart_is_told_by_its_manifest_and_a_manifest_that_is_none_tells_nothing() -> None:
    config = json.dumps({"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json"}})
    assert [pushed({**IMAGE, "manifest": one}).is_chart for one in (config, "{", "[]", "")] == [True, *[False] * 3]


def test_a_time_that_is_none_costs_nothing() -> None:
    assert [pushed(ce_time=one).at for one in ("", "yesterday", "0001-01-01T00:00:00Z")] == [None] * 3


@pytest.mark.parametrize("reference", ["1.4.2", DIGEST])
def test_a_deletion_is_of_a_tag_or_of_a_digest(reference: str) -> None:
    body = {"name": "lumen/parcel-api", "reference": reference, "digest": DIGEST}
    [fact] = read("zot", body, ce_type="zotregistry.image.deleted").facts
    assert isinstance(fact, TagDeleted)
    assert (fact.tag, fact.digest) == ("1.4.2" if reference == "1.4.2" else None, DIGEST)


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        pytest.param({"name": "lumen/api"}, "zotregistry.repository.created", "changes no tag", id="a new repository"),
        pytest.param(IMAGE, "zotregistry.image.scanned", "changes no tag", id="a scan"),
        pytest.param(IMAGE, "", "changes no tag", id="no type"),
        pytest.param({**IMAGE, "reference": DIGEST}, UPDATED["ce_type"], "names no tag", id="by digest"),
        pytest.param({**IMAGE, "mediaType": "application/octet-stream"}, UPDATED["ce_type"], "media type", id="a blob"),
    ],
)
def test_what_is_no_push_of_a_tag_is_ignored_with_the_reason(body: dict[str, Any], kind: str, reason: str) -> None:
    parsed = read("zot", body, ce_type=kind)
    assert (parsed.facts, parsed.problems) == ((), ())
    assert reason in parsed.ignored[0]


def test_a_sink_may_prove_itself_by_basic_credentials() -> None:
    keys, head = Keys(basic=(("zot", "a-password"),)), {"authorization": "Basic em90OmEtcGFzc3dvcmQ="}
    SENDERS["zot"].verify(WebhookRequest(head, b"{}"), keys, SIGNED_AT)
    with pytest.raises(NotAuthentic):
        SENDERS["zot"].verify(WebhookRequest(head | {"authorization": "Basic em90Og=="}, b"{}"), keys, SIGNED_AT)
