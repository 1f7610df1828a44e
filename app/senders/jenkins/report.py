"""Fluxbridge's own signed build report, sent from a Jenkinsfile's `post {}`."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, Field, JsonValue

from app.core.facts import Artifact, BuildFinished, BuildResult, TestCounts
from app.core.images import ImageName, InvalidImage, is_hinted_digest, is_tag, tag_of_version
from app.senders.payload import (
    PAYLOAD,
    Count,
    Instant,
    JobName,
    Line,
    OptionalLine,
    PositiveNumber,
    is_commit,
    read_body,
    read_model,
)
from app.senders.proofs import OutsideWindow, ProofMissing, expect_hmac, verify_hmac
from app.senders.sender import Keys, Origin, Parsed, Sender, Unusable, WebhookRequest, no_external_id
from app.senders.web_addresses import is_web_address, without_credentials

_TIMESTAMP = "X-Signature-Timestamp"
_SIGNATURE = "X-Signature"
_SECONDS = re.compile(r"[0-9]{1,11}")
_WINDOW = timedelta(minutes=5)


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


class _Image(BaseModel):
    """An image that the build says it pushed; `repository` is in full, without tag."""

    model_config = PAYLOAD
    repository: Line
    tag: Line
    digest: OptionalLine = None


class _Chart(BaseModel):
    """A Helm chart that the build says it pushed as an OCI artifact."""

    model_config = PAYLOAD
    repository: Line
    version: Line
    digest: OptionalLine = None


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


def verify(request: WebhookRequest, keys: Keys, now: datetime) -> None:
    """Check the HMAC over `timestamp + "." + body`, then that the timestamp is within 5 minutes of `now`.

    Raises NoKeyConfigured, ProofMissing, WrongProof, OutsideWindow.
    """
    sent = _signed_at(request)
    verify_hmac(request, keys, header=_SIGNATURE, signed=sent.encode() + b"." + request.body)
    _check_window(sent, now)


def prove_head(request: WebhookRequest, keys: Keys, now: datetime) -> bool:
    """The signature is over the body: the head tells only whether there is one, and of when.

    Raises NoKeyConfigured, ProofMissing, OutsideWindow.
    """
    sent = _signed_at(request)
    expect_hmac(request, keys, header=_SIGNATURE)
    _check_window(sent, now)
    return False


def _signed_at(request: WebhookRequest) -> str:
    sent = request.headers.get(_TIMESTAMP.lower(), "")
    if not _SECONDS.fullmatch(sent):
        problem = "is malformed" if sent else "is missing or empty"
        raise ProofMissing(_TIMESTAMP, problem=problem, expected="whole seconds since 1970, as in the signature")
    return sent


def _check_window(sent: str, now: datetime) -> None:
    signed_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(sent))
    if abs(now - signed_at) > _WINDOW:
        raise OutsideWindow(signed_at=signed_at, now=now, window=_WINDOW)


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read the report as one finished build with what it published.

    Raises Unusable. An image, chart, commit or URL that cannot be used is a problem; the build counts without it.
    """
    report = read_body(request, _Report)
    git = report.git or _Git()
    images, bad_images = _read_each("images", report.images, _read_image)
    charts, bad_charts = _read_each("charts", report.charts, _read_chart)
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
        artifacts=tuple(dict.fromkeys(images + charts)),
    )
    return Parsed(facts=(build,), problems=(*bad_url, *bad_commit, *bad_images, *bad_charts))


def _only_if(is_usable: Callable[[str], bool], text: str | None, problem: str) -> tuple[str | None, list[str]]:
    if text is None or is_usable(text):
        return text, []
    return None, [problem.format(repr(text[:100]))]


def _read_each(
    place: str, items: Sequence[JsonValue] | None, read: Callable[[JsonValue], Artifact]
) -> tuple[list[Artifact], list[str]]:
    artifacts, problems = [], []
    for position, item in enumerate(items or ()):
        try:
            artifacts.append(read(item))
        except Unusable as error:
            problems.append(f"{place}[{position}]: {error.problem}")
        except InvalidImage as error:
            problems.append(f"{place}[{position}]: {error}")
    return artifacts, problems


def _read_image(item: JsonValue) -> Artifact:
    image = read_model(item, _Image)
    return Artifact("image", ImageName.parse(image.repository), _as_tag(image.tag), _as_digest(image.digest))


def _read_chart(item: JsonValue) -> Artifact:
    chart = read_model(item, _Chart)
    name = ImageName.parse_any(chart.repository.removeprefix("oci://"))
    # Tags cannot hold the `+` of a version's build part; Helm writes `_` in its place.
    return Artifact("chart", name, _as_tag(tag_of_version(chart.version)), _as_digest(chart.digest))


def _as_tag(text: str) -> str:
    if not is_tag(text):
        raise InvalidImage(text, "a tag is 1 to 128 of A-Z a-z 0-9 _ . - (not starting with . or -)")
    return text


def _as_digest(text: str | None) -> str | None:
    if text is not None and not is_hinted_digest(text):
        raise InvalidImage(text, "a digest is sha256: and 64 lower-case hex digits, or another that OCI allows")
    return text


JENKINS = Sender(
    kind="jenkins",
    verify=verify,
    prove_head=prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", "x-signature-timestamp"),
    needs=("secrets",),
    tells={"build": ("job", "number", "result", "url", "commit", "branch", "time", "image", "tag", "digest")},
    speaks_for="jenkins",
)
