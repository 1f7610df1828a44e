"""A body that the settings describe: what stands where they say counts, a result only where it is signed."""

import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import Artifact, BuildFinished, BuildMentioned, BuildResult, ImagePushed
from app.senders import SENDERS
from app.senders.sender import Keys, Unusable, WebhookRequest
from tests.senders.examples import DIGEST, KEYS, ORIGIN, PROOFS, SIGNED_AT, example, read

BODY = json.loads(example("generic-push.json").body)
COMMIT = "7dfc862b85790f4e7ea4d3e4cf1b5dd1ed0ca0d2"
PAGE = "https://ci.lumen.example/job/lumen/job/parcel-api/job/main/318/"
BUILT = {**BODY, "ci": {"build": PAGE, "result": "success", "commit": COMMIT}}
UNSIGNED = replace(ORIGIN, is_signed=False)


def pushed(body: dict[str, Any]) -> ImagePushed:
    [fact] = read("generic", body).facts
    assert isinstance(fact, ImagePushed)
    return fact


@pytest.mark.parametrize(
    "name",
    ["lumen/parcel-api", "registry.lumen.example/lumen/parcel-api", "mirror.lumen.example:5000/lumen/parcel-api"],
)
def test_an_image_may_be_told_with_its_registry_by_any_of_its_names(name: str) -> None:
    origin = replace(ORIGIN, registry_aliases=("mirror.lumen.example:5000",))
    [fact] = read("generic", {**BODY, "repository": {"name": name}}, origin=origin).facts
    assert isinstance(fact, ImagePushed)
    assert str(fact.image) == "registry.lumen.example/lumen/parcel-api"


@pytest.mark.parametrize(
    ("told", "second"),
    [(1760000119, 19), (1760000119.5, 19), (1760000119000, 19), ("2025-10-09T08:55:19Z", 19), ("09.10.2025", None)],
)
def test_a_time_is_text_or_a_number_and_what_is_none_costs_nothing(told: object, second: int | None) -> None:
    at = pushed({**BODY, "pushed_at": told}).at
    assert (at.replace(microsecond=0) if at else None) == (
        datetime(2025, 10, 9, 8, 55, second, tzinfo=UTC) if second else None
    )


def test_what_is_not_there_is_not_told() -> None:
    fact = pushed({"repository": {"name": "lumen/parcel-api"}, "tags": ["1.4.2"]})
    assert (fact.digest, fact.at) == (None, None)


@pytest.mark.parametrize("build", [PAGE, PAGE + "console", "lumen/parcel-api/main#318", "lumen/parcel-api/main #318"])
def test_a_signed_result_is_a_build_that_published_the_image(build: str) -> None:
    push, fact = read("generic", {**BUILT, "ci": {**BUILT["ci"], "build": build}}).facts
    assert isinstance(push, ImagePushed)
    assert isinstance(fact, BuildFinished)
    assert (fact.controller, fact.job, fact.number) == ("main", "lumen/parcel-api/main", 318)
    assert (fact.result, fact.commit) == (BuildResult.SUCCESS, COMMIT)
    assert fact.artifacts == (Artifact("image", push.image, "1.4.2", DIGEST),)


def test_a_result_that_is_not_signed_only_makes_jenkins_be_asked() -> None:
    parsed = read("generic", BUILT, origin=UNSIGNED)
    assert parsed.facts[1:] == (BuildMentioned(controller="main", job="lumen/parcel-api/main", number=318),)
    assert parsed.ignored == ("a result counts only where the body is signed: Jenkins is asked",)


@pytest.mark.parametrize(
    ("ci", "jenkins", "reason"),
    [
        pytest.param({"result": "SUCCESS"}, "main", "no build", id="a result of nothing"),
        pytest.param({"build": PAGE, "result": "SUCCESS"}, None, "no `jenkins`", id="no Jenkins is set"),
    ],
)
def test_a_build_that_cannot_count_is_left_out_and_the_push_counts(
    ci: dict[str, str], jenkins: str | None, reason: str
) -> None:
    parsed = read("generic", {**BODY, "ci": ci}, origin=replace(ORIGIN, jenkins=jenkins))
    assert [type(fact) for fact in parsed.facts] == [ImagePushed]
    assert reason in parsed.ignored[0]


@pytest.mark.parametrize(
    "ci",
    [
        pytest.param({"build": "https://evil.example/job/a/1/"}, id="another Jenkins"),
        pytest.param({"build": "https://ci.lumen.example/view/all/1/"}, id="no page of a build"),
        pytest.param({"build": "main"}, id="no number"),
        pytest.param({"build": 318}, id="a number only"),
        pytest.param({"build": "../main#1"}, id="a job that climbs"),
        pytest.param({"build": PAGE, "result": "passed"}, id="no result of Jenkins"),
        pytest.param({"build": PAGE, "result": "SUCCESS", "commit": "7dfc862"}, id="a short commit"),
    ],
)
def test_a_build_that_is_none_is_a_problem_and_the_push_counts(ci: dict[str, object]) -> None:
    parsed = read("generic", {**BODY, "ci": ci})
    assert [type(fact) for fact in parsed.facts] == [ImagePushed]
    assert len(parsed.problems) == 1


@pytest.mark.parametrize("body", [{}, {**BODY, "tags": []}, {**BODY, "repository": None}, {**BODY, "tags": [""]}, []])
def test_a_body_without_image_or_tag_is_ignored(body: object) -> None:
    parsed = read("generic", body)
    assert (parsed.facts, parsed.problems) == ((), ())
    assert "where the settings say" in parsed.ignored[0]


def test_an_image_of_another_registry_is_ignored() -> None:
    assert "ghcr.io/a/b" in read("generic", {**BODY, "repository": {"name": "ghcr.io/a/b"}}).ignored[0]


@pytest.mark.parametrize(
    "changed", [{"tags": [1.4]}, {"tags": [["1"]]}, {"tags": [True]}, {"digest": {}}, {"repository": {"name": "A/b"}}]
)
def test_a_part_of_the_wrong_kind_is_unusable(changed: dict[str, object]) -> None:
    with pytest.raises(Unusable):
        read("generic", {**BODY, **changed})


def test_a_signature_may_come_without_its_algorithm() -> None:
    body, secret = b"{}", PROOFS["generic"].secret
    mac = hmac.digest(secret.encode(), body, "sha256").hex()
    for sent in (mac, f"sha256={mac}"):
        request = WebhookRequest({"x-signature": sent}, body)
        SENDERS["generic"].verify(request, KEYS["generic"], SIGNED_AT)
        assert not SENDERS["generic"].prove_head(request, KEYS["generic"], SIGNED_AT)
    for sent in (mac[:-2], f"{mac}, {mac}", f"sha1={mac[:40]}", f"={mac}"):
        with pytest.raises(NotAuthentic, match="malformed"):
            SENDERS["generic"].verify(WebhookRequest({"x-signature": sent}, body), KEYS["generic"], SIGNED_AT)


@pytest.mark.parametrize(
    ("keys", "headers", "query"),
    [
        pytest.param(Keys(headers={"x-key": ("a-key",)}), {"x-key": "a-key"}, {}, id="header"),
        pytest.param(Keys(url_tokens=("a-token",)), {}, {"token": "a-token"}, id="token"),
        pytest.param(Keys(basic=(("u", "p"),)), {"authorization": "Basic dTpw"}, {}, id="basic"),
    ],
)
def test_it_may_prove_itself_in_other_ways(keys: Keys, headers: dict[str, str], query: dict[str, str]) -> None:
    sent = WebhookRequest(headers, b"{}", query)
    assert SENDERS["generic"].prove_head(sent, keys, SIGNED_AT)
    for wrong in (WebhookRequest({}, b"{}"), WebhookRequest({"x-key": "", "authorization": "Basic dTpx"}, b"{}")):
        with pytest.raises(NotAuthentic):
            SENDERS["generic"].verify(wrong, keys, SIGNED_AT)
