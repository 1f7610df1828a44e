"""The Notification plugin: which builds it mentions, and how its URL or Basic credentials prove it."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import BuildMentioned
from app.senders import SENDERS
from app.senders.jenkins.pages import job_of
from app.senders.sender import Keys, Origin, Unusable, WebhookRequest
from tests.senders.examples import SIGNED_AT, example, read

SENDER = SENDERS["jenkins-notification"]
NOTIFICATION = example("jenkins-notification-completed.json")
BASIC = Keys(basic=(("ci", "old"), ("ci", "pass:word")))


def notification(**build: object) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(NOTIFICATION.body)
    return {**whole, "build": {**whole["build"], **build}}


def basic(credentials: str) -> WebhookRequest:
    encoded = base64.b64encode(credentials.encode()).decode()
    return WebhookRequest(headers={"authorization": f"Basic {encoded}"}, body=b"{}")


@pytest.mark.parametrize("phase", ["COMPLETED", "FINALIZED", "FINISHED", "finalized"])
def test_the_end_of_a_build_is_mentioned(phase: str) -> None:
    assert read("jenkins-notification", notification(phase=phase)).facts == (
        BuildMentioned(controller="main", job="lumen/parcel-api/feature%2Flogin", number=42),
    )


@pytest.mark.parametrize("phase", ["QUEUED", "STARTED", "NONE", "DEPLOYED <b>"])
def test_any_other_phase_is_ignored(phase: str) -> None:
    parsed = read("jenkins-notification", notification(phase=phase))
    assert not parsed.facts
    assert phase in parsed.ignored[0]


@pytest.mark.parametrize(
    "build",
    [
        pytest.param({"phase": "FINISHED", "status": "FAILURE", "url": "job/app/7/"}, id="1.5, no root URL set"),
        pytest.param({"phase": "COMPLETED", "queue_id": 3, "scm": {}, "log": ""}, id="1.10"),
        pytest.param({"phase": "FINALIZED", "timestamp": 1, "scm": {"commit": "12345"}}, id="1.12, Subversion"),
        pytest.param({"phase": "FINALIZED", "duration": 0, "notes": "", "artifacts": {}}, id="1.15"),
        pytest.param({"phase": "FINISHED", "node_name": "a", "node_labels": ["b"]}, id="the ZMQ event publisher"),
    ],
)
def test_every_version_is_read(build: dict[str, object]) -> None:
    body = {"name": "app", "url": "job/app/", "build": {"number": 7, **build}}
    assert read("jenkins-notification", body).facts == (BuildMentioned(controller="main", job="app", number=7),)


@pytest.mark.parametrize(
    ("url", "job"),
    [
        pytest.param("job/app/", "app", id="top"),
        pytest.param("job/lumen/job/parcel-api/job/main/", "lumen/parcel-api/main", id="folders"),
        pytest.param("job/app/job/feature%252Flogin/", "app/feature%2Flogin", id="branch with a slash"),
        pytest.param("job/my%20app/", "my app", id="a space"),
        pytest.param("job/job/job/job/", "job/job", id="jobs that are called job"),
        pytest.param("job/caf%C3%A9", "café", id="beyond ASCII"),
    ],
)
def test_the_job_is_read_from_the_url(url: str, job: str) -> None:
    assert job_of(url) == job


@pytest.mark.parametrize(
    "url",
    ["", "job/", "app/", "view/all/app/", "job/a/b/c", "job/..%2Fx/", "job/%2E%2E/", "job//", "job/%FF/", "job/a%0Ab/"],
)
def test_a_url_that_is_no_job_is_unusable(url: str) -> None:
    with pytest.raises(Unusable, match="url"):
        read("jenkins-notification", {**notification(), "url": url})


@pytest.mark.parametrize(
    "full_url",
    [
        "https://evil.example/job/app/42/",
        "https://ci.lumen.example@evil.example/job/app/42/",
        "http://ci.lumen.example/job/app/42/",
        "https://ci.lumen.example:8443/job/app/42/",
        "https://ci.lumen.example.evil.example/job/app/42/",
        "https://[/",
        "javascript:alert(1)",
    ],
)
def test_a_build_of_another_jenkins_is_a_problem(full_url: str) -> None:
    parsed = read("jenkins-notification", notification(full_url=full_url))
    assert not parsed.facts
    assert "is not below https://ci.lumen.example" in parsed.problems[0]


@pytest.mark.parametrize(
    ("root", "full_url"),
    [
        pytest.param("https://ci.lumen.example/", "https://CI.lumen.example:443/job/app/42/", id="same server"),
        pytest.param("https://ci.lumen.example/jenkins", "https://ci.lumen.example/jenkins/job/app/42/", id="path"),
        pytest.param("https://ci.lumen.example", "", id="not told"),
        pytest.param(None, "https://any.example/job/app/42/", id="nothing to compare with"),
    ],
)
def test_a_build_of_the_configured_jenkins_is_mentioned(root: str | None, full_url: str) -> None:
    origin = Origin(source="ci-legacy", jenkins="main", jenkins_url=root)
    assert len(read("jenkins-notification", notification(full_url=full_url), origin=origin).facts) == 1


def test_a_path_that_only_begins_like_the_configured_one_is_a_problem() -> None:
    origin = Origin(source="ci-legacy", jenkins="main", jenkins_url="https://ci.lumen.example/jenkins")
    for full_url in ("https://ci.lumen.example/jenkins2/job/a/1/", "https://ci.lumen.example/jenkins/../job/a/1/"):
        assert read("jenkins-notification", notification(full_url=full_url), origin=origin).problems


@pytest.mark.parametrize("body", [{}, {"url": "job/app/"}, {"url": "job/app/", "build": None}, [], "text", 7])
def test_another_shape_is_unusable(body: object) -> None:
    with pytest.raises(Unusable):
        read("jenkins-notification", body)


def test_basic_credentials_prove_it_while_rotating() -> None:
    SENDER.verify(basic("ci:pass:word"), BASIC, SIGNED_AT)
    SENDER.verify(basic("ci:old"), BASIC, SIGNED_AT)


@pytest.mark.parametrize("credentials", ["", ":", "ci:", "ci:OLD", "jenkins:old", "ci:old\n"])
def test_wrong_basic_credentials_are_refused(credentials: str) -> None:
    with pytest.raises(NotAuthentic):
        SENDER.verify(basic(credentials), BASIC, SIGNED_AT)


@pytest.mark.parametrize("header", ["Basic", "Basic !!!!", "Basic A", "Bearer Y2k6b2xk", "Y2k6b2xk", "Basic é"])
def test_a_malformed_authorization_is_refused(header: str) -> None:
    with pytest.raises(NotAuthentic, match="no key of this source"):
        SENDER.verify(WebhookRequest(headers={"authorization": header}, body=b""), BASIC, SIGNED_AT)


def test_no_credentials_at_all_are_refused_saying_what_to_send() -> None:
    with pytest.raises(NotAuthentic, match="carries no credentials: send"):
        SENDER.verify(replace(NOTIFICATION, query={}), BASIC, SIGNED_AT)


@pytest.mark.parametrize("token", ["", "lumen-url-toke", "lumen-url-token ", "\ud800"])
def test_a_wrong_url_token_is_refused(token: str) -> None:
    with pytest.raises(NotAuthentic):
        SENDER.verify(replace(NOTIFICATION, query={"token": token}), Keys(url_tokens=("lumen-url-token",)), SIGNED_AT)


def test_a_key_of_one_kind_does_not_open_the_other() -> None:
    with pytest.raises(NotAuthentic):
        SENDER.verify(basic("ci:lumen-url-token"), Keys(url_tokens=("lumen-url-token",)), SIGNED_AT)
    with pytest.raises(NotAuthentic):
        SENDER.verify(replace(NOTIFICATION, query={"token": "ci:old"}), BASIC, SIGNED_AT)
