"""Reports without a shared secret: a token of Jenkins says which build sends, and Jenkins itself what it came to."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.ports import PullRequestState
from tests.end_to_end.bridge import build_report, deployment
from tests.end_to_end.worlds import JenkinsWorld, jenkins_world
from tests.servers.issuer import Issuer
from tests.servers.jenkins import build_body

AUDIENCE = "https://fluxbridge.acme.example"
COMMIT = "7dfc862b8579841240b9941ff32518535a9d7917"
JOB, JOB_PATH = "team/app/main", "/job/team/job/app/job/main/"


class Keyless:
    """A tag 1.1.0 that production awaits a build of, and a Jenkins whose builds have tokens."""

    def __init__(self, world: JenkinsWorld, issuer: Issuer) -> None:
        self.world, self.bridge, self.issuer, self.jenkins = world, world.bridge, issuer, world.jenkins

    def build(self, *, job: str = JOB, **told: Any) -> None:
        """What Jenkins has of build 7."""
        self.jenkins.put_build(job, build_body(7, **told))

    def token(self, *, path: str = JOB_PATH, at: datetime | None = None, **changed: object) -> str:
        told = {"audience": AUDIENCE, **changed}
        return self.issuer.token(at or datetime.now(UTC), f"{self.jenkins.url}{path}", 7, **told)  # type: ignore[arg-type]

    def report(self, token: str | None = None, **changes: Any) -> httpx.Response:
        """Send a report of the build 7, by its own token."""
        body = build_report("1.1.0", digest=self.bridge.digest("1.1.0"), **{"number": 7, **changes})
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token or self.token()}"}
        return self.bridge.post("keyless", body, headers)

    def keys_are_there(self) -> None:
        """Wait until the issuer was asked and its answer is known."""

        def look() -> bool:
            return self.report(self.token(audience="https://other.example")).status_code == 401

        assert self.report(self.token(audience="https://other.example")).status_code == 503
        self.bridge.wait_for("the keys", look)

    def delivery(self, state: str = "done") -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            newest = next(iter(self.bridge.items("/deliveries", source="keyless")), None)
            is_there = newest is not None and newest["state"] == state and (state == "done" or newest["error"])
            return newest if is_there else None

        return self.bridge.wait_for(f"a delivery to be {state}", look)

    def recorded(self) -> dict[str, Any]:
        """The only build that is known."""
        [listed] = self.bridge.items("/builds")
        build: dict[str, Any] = self.bridge.get(f"/builds/{listed['id']}")
        return build

    def is_proposed(self) -> bool:
        pulls = self.bridge.forge.list_pull_requests(state=PullRequestState.OPEN)
        return any(pull.head.split("/")[2] == "production" for pull in pulls)


@pytest.fixture
def keyless(tmp_path: Path, database_url: str) -> Iterator[Keyless]:
    with Issuer() as issuer:
        source = (
            f'  keyless: {{kind: jenkins, jenkins: main, jobs: ["team/*"], oidc: {{issuer: "{issuer.url}", '
            f'audience: "{AUDIENCE}", alternative_issuer: true, plain_http: true}}}}\n'
        )
        with jenkins_world(tmp_path, database_url, more_sources=source) as world:
            world.bridge.push_image("1.1.0")
            world.bridge.wait_for_state("production", "1.1.0", "waiting")
            yield Keyless(world, issuer)


def test_a_report_becomes_a_pull_request_once_jenkins_has_confirmed_it(keyless: Keyless) -> None:
    keyless.keys_are_there()
    keyless.build(result=None)
    assert keyless.report().status_code == 202
    assert keyless.delivery("waiting")["error"] == f"build {JOB} #7 is still running; it is looked at again"
    assert not keyless.is_proposed()
    keyless.jenkins.finish(JOB, 7)
    pull = keyless.bridge.wait_for_pull("production", "1.1.0")
    assert keyless.bridge.text("apps/production/app.yaml", pull.head) == deployment("1.1.0")
    build = keyless.recorded()
    assert (build["job"], build["number"], build["result"]) == (JOB, 7, "SUCCESS")
    assert (build["commit"], build["branch"]) == (COMMIT, "main")
    assert build["artifacts"][0]["digest"] == keyless.bridge.digest("1.1.0")


def test_a_report_that_lies_counts_as_jenkins_has_it(keyless: Keyless) -> None:
    keyless.keys_are_there()
    keyless.build(result="FAILURE", branch="fix")
    sent = keyless.report(
        result="SUCCESS", git={"commit": "c" * 40, "branch": "main"}, started_at="2020-01-01T00:00:00Z"
    )
    assert sent.status_code == 202
    refused = keyless.bridge.wait_for_state("production", "1.1.0", "refused")
    assert refused["reason"] == f"build {JOB} #7 ended FAILURE"
    build = keyless.recorded()
    assert (build["result"], build["commit"], build["branch"]) == ("FAILURE", COMMIT, "fix")
    assert build["started_at"].startswith("2025-10-09T")
    assert not keyless.is_proposed()


def test_a_change_request_that_says_it_is_none_lets_nothing_in(keyless: Keyless) -> None:
    keyless.keys_are_there()
    keyless.build(parameters={"ghprbPullId": "42"})
    assert keyless.report(parameters={"ghprbPullId": ""}).status_code == 202
    keyless.delivery()
    keyless.bridge.settle()
    assert keyless.recorded()["change_id"] == "42"
    assert not keyless.is_proposed()


def test_a_report_of_a_build_that_jenkins_does_not_have_lets_nothing_in(keyless: Keyless) -> None:
    keyless.keys_are_there()
    assert keyless.report().status_code == 202
    keyless.delivery()
    keyless.bridge.settle()
    assert keyless.recorded()["result"] == "UNKNOWN"
    assert not keyless.is_proposed()


def test_what_a_build_says_of_another_one_is_not_kept(keyless: Keyless) -> None:
    keyless.keys_are_there()
    now = datetime.now(UTC)
    other_job = keyless.token(path="/job/team/job/app/job/other/")
    for told in (
        {"token": other_job},
        {"number": 8},
        {"job": "team/app/other"},
        {"token": keyless.token(path="/")},
        {"token": keyless.token(at=now - timedelta(hours=2))},
        {"token": keyless.token(nbf=(now + timedelta(hours=1)).timestamp())},
        {"token": keyless.token(iss=f"{keyless.jenkins.url}/oidc")},
        {"token": keyless.token(aud=None)},
    ):
        answer = keyless.report(**told)
        assert answer.status_code == 401, answer.text
        assert "The token in Authorization" in answer.json()["detail"]
    assert keyless.bridge.items("/deliveries", source="keyless") == []


def test_the_same_report_with_another_token_is_the_same_delivery(keyless: Keyless) -> None:
    keyless.keys_are_there()
    keyless.build()
    finished = "2026-11-01T00:00:00Z"
    first = keyless.report(finished_at=finished)
    again = keyless.report(keyless.token(at=datetime.now(UTC) - timedelta(minutes=50)), finished_at=finished)
    assert first.json() == again.json()
    keyless.bridge.wait_for_pull("production", "1.1.0")
    assert len(keyless.bridge.items("/builds")) == 1


def test_a_signed_report_is_nothing_to_a_source_with_tokens(keyless: Keyless) -> None:
    body = build_report("1.1.0", digest=keyless.bridge.digest("1.1.0"), number=7)
    answer = keyless.bridge.post("keyless", body, {"X-Signature-Timestamp": "1", "X-Signature": "sha256=" + "0" * 64})
    assert answer.status_code == 401
    assert keyless.issuer.asked == []
