"""Jenkins' CloudEvents plugin: unsigned, so only a hint that a build should be read from Jenkins."""

from pydantic import BaseModel, Field

from app.senders.cloud_events import HEADERS, read_cloud_event
from app.senders.jenkins.pages import job_of, mention, problem_elsewhere
from app.senders.payload import PAYLOAD, Line, OptionalLine, PositiveNumber, read_model
from app.senders.proof_kinds import URL_TOKEN
from app.senders.sender import Origin, Parsed, Sender, WebhookRequest, no_external_id

# The plugin's README has one of them without its second `i`.
_ENDS = frozenset(f"org.jenkinsci.job.{stage}" for stage in ("completed", "finalized", "finalzed", "failed"))


class _Build(BaseModel):
    """The little that is read of a build; the rest comes from Jenkins itself."""

    model_config = PAYLOAD
    number: PositiveNumber
    full_url: OptionalLine = Field(None, alias="fullUrl")


class _Job(BaseModel):
    """The event's data; `url` is the job's, relative to Jenkins' root. `ce-source` has its displayed name only."""

    model_config = PAYLOAD
    url: Line
    build: _Build


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read which build ended; its start, and events of queue, jobs and agents, are ignored. Raises Unusable."""
    event = read_cloud_event(request)
    if event.type not in _ENDS:
        return Parsed(ignored=(f"event {event.type[:80]!r} is not the end of a build",))
    told = read_model(event.data, _Job)
    problem = problem_elsewhere("build.fullUrl", told.build.full_url, origin)
    return Parsed(problems=(problem,)) if problem else mention(origin, job_of(told.url), told.build.number)


JENKINS_CLOUDEVENTS = Sender(
    kind="jenkins-cloudevents",
    verify=URL_TOKEN.verify,
    prove_head=URL_TOKEN.prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", *HEADERS),
    needs=("url_tokens",),
    tells={"build": ("job", "number")},
    speaks_for="jenkins",
)
