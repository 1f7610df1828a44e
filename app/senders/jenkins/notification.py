"""The Jenkins Notification plugin: unsigned, so only a hint that a build should be read from Jenkins."""

from pydantic import BaseModel

from app.senders.jenkins.pages import job_of, mention, problem_elsewhere
from app.senders.payload import PAYLOAD, Line, OptionalLine, PositiveNumber, read_body
from app.senders.proof_kinds import TOKEN_OR_BASIC
from app.senders.sender import Origin, Parsed, Sender, WebhookRequest, no_external_id

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


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read which build ended; phases before the end are ignored. Raises Unusable."""
    notification = read_body(request, _Notification)
    build = notification.build
    if build.phase.upper() not in _FINAL_PHASES:
        return Parsed(ignored=(f"phase {build.phase[:40]!r} is not the end of a build",))
    problem = problem_elsewhere("build.full_url", build.full_url, origin)
    return Parsed(problems=(problem,)) if problem else mention(origin, job_of(notification.url), build.number)


JENKINS_NOTIFICATION = Sender(
    kind="jenkins-notification",
    verify=TOKEN_OR_BASIC.verify,
    prove_head=TOKEN_OR_BASIC.prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent"),
    needs=("url_tokens", "basic"),
    tells={"build": ("job", "number")},
    speaks_for="jenkins",
)
