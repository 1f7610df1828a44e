"""The signed build report: its clock window, and what bad parts of it cost."""

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import Artifact, BuildFinished, BuildResult, TestCounts
from app.core.images import ImageName
from app.senders import SENDERS
from app.senders.sender import Parsed, Unusable, WebhookRequest
from tests.senders.examples import DIGEST, KEYS, ORIGIN, SIGNED_AT, example, read, with_headers

SENDER = SENDERS["jenkins"]
REPORT = example("jenkins-curl-post.json")


def report(**changes: object) -> dict[str, Any]:
    return {**json.loads(REPORT.body), **changes}


def build_of(parsed: Parsed) -> BuildFinished:
    (fact,) = parsed.facts
    assert isinstance(fact, BuildFinished)
    return fact


def signed(timestamp: str, body: bytes = b"{}") -> WebhookRequest:
    mac = hmac.new(b"lumen-ci-secret", timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return WebhookRequest(headers={"x-signature-timestamp": timestamp, "x-signature": f"sha256={mac}"}, body=body)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_clocks_may_differ_by_five_minutes(seconds: int) -> None:
    SENDER.verify(REPORT, KEYS["jenkins"], SIGNED_AT + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-301, 301, 86400])
def test_a_report_outside_the_window_is_refused_naming_both_clocks(seconds: int) -> None:
    now = SIGNED_AT + timedelta(seconds=seconds)
    with pytest.raises(NotAuthentic) as refusal:
        SENDER.verify(REPORT, KEYS["jenkins"], now)
    assert "2025-10-09T08:55:23+00:00 by the sender's clock" in str(refusal.value)
    assert f"our clock says {now.isoformat()}" in str(refusal.value)
    assert "5 minutes" in str(refusal.value)


def test_only_an_authentic_sender_is_told_of_clocks() -> None:
    forged = with_headers(REPORT, x_signature="sha256=" + "0" * 64)
    with pytest.raises(NotAuthentic, match="matches no key"):
        SENDER.verify(forged, KEYS["jenkins"], SIGNED_AT + timedelta(days=1))


def test_the_timestamp_is_part_of_what_is_signed() -> None:
    with pytest.raises(NotAuthentic, match="matches no key"):
        SENDER.verify(with_headers(REPORT, x_signature_timestamp="1760000124"), KEYS["jenkins"], SIGNED_AT)


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1760000123.5", " 1760000123", "١٧٦", "9" * 12, "1e9"])
def test_a_timestamp_that_is_no_number_of_seconds_is_refused(timestamp: str) -> None:
    with pytest.raises(NotAuthentic, match="X-Signature-Timestamp is m"):
        SENDER.verify(signed(timestamp), KEYS["jenkins"], SIGNED_AT)


def test_the_latest_timestamp_that_can_be_written_is_outside_the_window() -> None:
    with pytest.raises(NotAuthentic, match="by the sender's clock"):
        SENDER.verify(signed("9" * 11), KEYS["jenkins"], SIGNED_AT)


@pytest.mark.parametrize("value", ["sha256=", "sha1=" + "0" * 40, "0" * 64, "sha256=" + "0" * 63, "sha256=" + "g" * 64])
def test_a_malformed_signature_is_refused_with_the_form_to_send(value: str) -> None:
    with pytest.raises(NotAuthentic, match="X-Signature is malformed: send sha256=<64 hex digits>"):
        SENDER.verify(with_headers(REPORT, x_signature=value), KEYS["jenkins"], SIGNED_AT)


def test_a_signature_in_capital_hex_is_the_same_signature() -> None:
    capital = "sha256=" + REPORT.headers["x-signature"].removeprefix("sha256=").upper()
    SENDER.verify(with_headers(REPORT, x_signature=capital), KEYS["jenkins"], SIGNED_AT)


def test_a_report_tells_all_of_a_build() -> None:
    whole = report(
        result="UNSTABLE",
        git={"url": "https://ci:t0ken@git.lumen.example/app.git", "branch": "PR-12", "tag": "", "change_id": "12"},
        charts=[{"repository": "oci://registry.lumen.example/charts/app", "version": "1.4.2+build.7", "digest": None}],
        tests={"total": 212, "passed": 209, "failed": 0, "skipped": 3},
        parameters={"DRY_RUN": "false"},
    )
    build = build_of(read("jenkins", whole))
    assert build.result is BuildResult.UNSTABLE
    assert (build.commit, build.branch, build.git_tag, build.change_id) == (None, "PR-12", None, "12")
    assert build.git_url == "https://git.lumen.example/app.git"
    assert build.tests == TestCounts(total=212, passed=209, failed=0, skipped=3)
    assert build.parameters == {"DRY_RUN": "false"}
    assert build.artifacts == (
        Artifact("image", ImageName("registry.lumen.example", "lumen/parcel-api"), "1.4.2", DIGEST),
        Artifact("chart", ImageName("registry.lumen.example", "charts/app"), "1.4.2_build.7", None),
    )


def test_a_failed_build_says_what_it_built_too() -> None:
    build = build_of(read("jenkins", report(result="FAILURE")))
    assert build.result is BuildResult.FAILURE
    assert len(build.artifacts) == 1


def test_the_smallest_report_is_a_build() -> None:
    smallest = {"schema": 1, "job": "app", "build_number": 1, "result": "SUCCESS", "images": None, "git": None}
    assert read("jenkins", smallest).facts == (
        BuildFinished(controller="main", job="app", number=1, result=BuildResult.SUCCESS),
    )


def test_an_image_that_is_named_twice_is_one_artifact() -> None:
    image = {"repository": "registry.lumen.example/app", "tag": "1", "digest": DIGEST}
    assert len(build_of(read("jenkins", report(images=[image, image]))).artifacts) == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"images": ["app:1"]}, "images[0]: ", id="image as text"),
        pytest.param({"images": [{"repository": "r.example/app"}]}, "images[0]: 'tag': Field required", id="no tag"),
        pytest.param({"images": [{"repository": "r.example/App", "tag": "1"}]}, "'r.example/App'", id="image name"),
        pytest.param({"images": [{"repository": "https://r.example/app", "tag": "1"}]}, "leave the URL", id="URL"),
        pytest.param({"images": [{"repository": "r.example/app", "tag": "1+2"}]}, "'1+2'", id="tag"),
        pytest.param(
            {"images": [{"repository": "r.example/app", "tag": "1", "digest": "sha256:1"}]}, "'sha256:1'", id="digest"
        ),
        pytest.param({"charts": [{"repository": "r.example/app", "version": "1 2"}]}, "charts[0]: '1 2'", id="version"),
        pytest.param({"git": {"commit": "7dfc862"}}, "git.commit: '7dfc862'", id="short commit"),
        pytest.param({"build_url": "javascript:alert(1)"}, "build_url: 'javascript", id="build URL"),
    ],
)
def test_a_bad_part_is_named_and_the_build_is_kept(changes: dict[str, object], problem: str) -> None:
    parsed = read("jenkins", report(**changes))
    assert build_of(parsed).number == 318
    assert len(parsed.problems) == 1
    assert problem in parsed.problems[0]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"schema": 2}, "'schema': Input should be 1", id="schema"),
        pytest.param({"result": None}, "'result'", id="no result yet"),
        pytest.param({"result": "success"}, "'result'", id="result in small letters"),
        pytest.param({"build_number": "318"}, "'build_number': Input should be a valid integer", id="number as text"),
        pytest.param({"build_number": 0}, "'build_number'", id="number zero"),
        pytest.param({"build_number": 2**31}, "'build_number'", id="number too large"),
        pytest.param({"job": "../secrets"}, "must be a JOB_NAME", id="job outside"),
        pytest.param({"job": "/app"}, "must be a JOB_NAME", id="job with a slash before it"),
        pytest.param({"job": "a\nb"}, "must be one line", id="job of two lines"),
        pytest.param({"finished_at": 1760000123}, "'finished_at': must be an RFC 3339 time", id="time as number"),
        pytest.param({"images": {}}, "'images'", id="images no list"),
        pytest.param({"tests": {"total": 1}}, "'tests.passed': Field required", id="half of the tests"),
        pytest.param({"parameters": {"A": 1}}, "'parameters.A'", id="parameter as number"),
    ],
)
def test_a_report_that_breaks_the_contract_is_unusable(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(Unusable) as error:
        read("jenkins", report(**changes))
    assert problem in str(error.value)


def test_an_error_does_not_repeat_what_the_body_held() -> None:
    with pytest.raises(Unusable) as error:
        read("jenkins", report(parameters={"PASSWORD": ["hunter2"]}))
    assert "hunter2" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_report_has_no_id_of_its_own() -> None:
    assert SENDER.external_id(REPORT) is None
    assert SENDER.parse(REPORT, ORIGIN).problems == ()
