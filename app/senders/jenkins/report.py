"""Fluxbridge's own signed build report, sent from a Jenkinsfile's `post {}`."""

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field, JsonValue

from app.core.facts import BuildFinished, BuildMentioned, BuildResult, TestCounts
from app.senders.jenkins.published import read_published
from app.senders.jenkins.report_proof import SIGNED_AT, is_signed, prove_head, verify
from app.senders.payload import (
    PAYLOAD,
    Count,
    Instant,
    JobName,
    OptionalLine,
    PositiveNumber,
    is_commit,
    read_body,
)
from app.senders.sender import Origin, Parsed, Sender, WebhookRequest, no_external_id
from app.senders.web_addresses import is_web_address, without_credentials


class _Git(BaseModel):
    """What was built; Jenkins leaves out what a kind of job does not have."""

    model_config = PAYLOAD
    url: OptionalLine = None
    commit: OptionalLine = None
    branch: OptionalLine = None
    tag: OptionalLine = None
    change_id: OptionalLine = None


class _Tests(BaseModel):
    """The counts of a build's tests."""

    model_config = PAYLOAD
    total: Count
    passed: Count
    failed: Count
    skipped: Count


class _Report(BaseModel):
    """The whole contract, schema 1. Images and charts are read one by one: a bad one does not cost the build."""

    model_config = PAYLOAD
    contract: Literal[1] = Field(alias="schema")
    job: JobName
    build_number: PositiveNumber
    build_url: OptionalLine = None
    result: Literal["SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED", "UNKNOWN"]
    started_at: Instant | None = None
    finished_at: Instant | None = None
    git: _Git | None = None
    images: list[JsonValue] | None = None
    charts: list[JsonValue] | None = None
    tests: _Tests | None = None
    parameters: dict[str, str] | None = None

    def outcome(self) -> BuildResult:
        """The result; `unknown` of a build that still runs, which any later report replaces.

        The shared library once wrote NOT_BUILT for these, with a `finished_at` that is null.
        """
        is_running = self.result == "NOT_BUILT" and "finished_at" in self.model_fields_set and self.finished_at is None
        return BuildResult.UNKNOWN if is_running else BuildResult(self.result)


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read the report as one finished build with what it published; one that a token proves waits for Jenkins' word.

    Raises Unusable. An image, chart, commit or URL that cannot be used is a problem; the build counts without it.
    """
    report = read_body(request, _Report)
    git = report.git or _Git()
    artifacts, bad_artifacts = read_published(report.images, report.charts)
    url, bad_url = _only_if(is_web_address, report.build_url, "build_url: {} is no http or https URL")
    commit, bad_commit = _only_if(is_commit, git.commit, "git.commit: {} is not 40 or 64 lower-case hex digits")
    build = BuildFinished(
        controller=origin.named("jenkins"),
        job=report.job,
        number=report.build_number,
        result=report.outcome(),
        url=without_credentials(url) if url else None,
        started_at=report.started_at,
        finished_at=report.finished_at,
        commit=commit,
        branch=git.branch,
        git_tag=git.tag,
        git_url=without_credentials(git.url) if git.url else None,
        change_id=git.change_id,
        tests=TestCounts(**report.tests.model_dump()) if report.tests else None,
        parameters=report.parameters or {},
        artifacts=artifacts,
    )
    problems = (*bad_url, *bad_commit, *bad_artifacts)
    if is_signed(request) or origin.is_offline:
        return Parsed(facts=(build,), problems=problems)
    mentioned = BuildMentioned(controller=build.controller, job=build.job, number=build.number, report=build)
    return Parsed(facts=(mentioned,), problems=problems)


def _only_if(is_usable: Callable[[str], bool], text: str | None, problem: str) -> tuple[str | None, list[str]]:
    if text is None or is_usable(text):
        return text, []
    return None, [problem.format(repr(text[:100]))]


JENKINS = Sender(
    kind="jenkins",
    verify=verify,
    prove_head=prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", SIGNED_AT.lower()),
    needs=("secrets", "id_tokens"),
    tells={"build": ("job", "number", "result", "url", "commit", "branch", "time", "image", "tag", "digest")},
    speaks_for="jenkins",
)
