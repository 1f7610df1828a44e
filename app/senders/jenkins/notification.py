"""The Jenkins Notification plugin: unsigned, so only a hint that a build should be read from Jenkins."""

from datetime import datetime
from urllib.parse import unquote

from pydantic import BaseModel

from app.core.builds.job_names import job_name_problem
from app.core.facts import BuildMentioned
from app.senders.payload import PAYLOAD, Line, OptionalLine, PositiveNumber, read_body
from app.senders.proofs import verify_token_or_basic
from app.senders.sender import Keys, Origin, Parsed, Sender, Unusable, WebhookRequest, no_external_id
from app.senders.web_addresses import lies_under

_FINAL_PHASES = frozenset({"COMPLETED", "FINALIZED", "FINISHED"})


class _Build(BaseModel):
    """The little that is read of a build; the rest comes from Jenkins itself."""

    model_config = PAYLOAD
    number: PositiveNumber
    phase: Line
    full_url: OptionalLine = None


class _Notification(BaseModel):
    """The plugin's JSON; `url` is the job's, relative to Jenkins' root."""

    model_config = PAYLOAD
    url: Line
    build: _Build


def verify(request: WebhookRequest, keys: Keys, _now: datetime) -> None:
    """Check the URL's token or the Basic credentials. Raises NoKeyConfigured, ProofMissing, WrongProof."""
    verify_token_or_basic(request, keys)


def prove_head(request: WebhookRequest, keys: Keys, now: datetime) -> bool:
    """The URL's token or the credentials are the whole proof."""
    verify(request, keys, now)
    return True


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read which build ended; phases before the end are ignored. Raises Unusable."""
    notification = read_body(request, _Notification)
    build, jenkins = notification.build, origin.named("jenkins")
    if build.phase.upper() not in _FINAL_PHASES:
        return Parsed(ignored=(f"phase {build.phase[:40]!r} is not the end of a build",))
    if build.full_url and origin.jenkins_url and not lies_under(build.full_url, origin.jenkins_url):
        return Parsed(problems=(f"build.full_url: {build.full_url[:200]!r} is not below {origin.jenkins_url}",))
    return Parsed(facts=(BuildMentioned(controller=jenkins, job=job_of(notification.url), number=build.number),))


def job_of(url: str) -> str:
    """Turn a job's relative URL into its JOB_NAME, each name decoded once. Raises Unusable.

    >>> job_of("job/lumen/job/parcel-api/job/feature%252Flogin/")
    'lumen/parcel-api/feature%2Flogin'
    """
    steps = url.strip("/").split("/")
    try:
        names = [unquote(step, errors="strict") for step in steps[1::2]]
    except UnicodeDecodeError:
        names = []
    is_path_of_jobs = len(steps) % 2 == 0 and set(steps[::2]) == {"job"} and not any("/" in name for name in names)
    job = "/".join(names)
    problem = job_name_problem(job) if is_path_of_jobs else "names stand between job/ and /"
    if problem is not None:
        raise Unusable(f"url: {url[:200]!r} is no path of a job such as job/folder/job/app/: {problem}")
    return job


JENKINS_NOTIFICATION = Sender(
    kind="jenkins-notification",
    verify=verify,
    prove_head=prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent"),
    needs=("url_tokens", "basic"),
    tells={"build": ("job", "number")},
    speaks_for="jenkins",
)
