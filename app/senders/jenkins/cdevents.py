"""CDEvents' pipelinerun.finished of a Jenkins: unsigned, so only a hint that a build should be read from Jenkins."""

import re

from pydantic import BaseModel

from app.senders.cloud_events import HEADERS, read_cloud_event
from app.senders.jenkins.pages import build_of, mention, problem_elsewhere
from app.senders.payload import PAYLOAD, OptionalLine, read_model
from app.senders.proof_kinds import TOKEN_OR_BASIC
from app.senders.sender import Origin, Parsed, Sender, Unusable, WebhookRequest, no_external_id

_FINISHED = re.compile(r"dev\.cdevents\.pipelinerun\.finished\.0\..+")
_JAVA_TEXT = b"CloudEvent{"


class _Context(BaseModel):
    """What kind of event it is, and which run Jenkins' plugin says it is of."""

    model_config = PAYLOAD
    type: OptionalLine = None
    source: OptionalLine = None


class _Content(BaseModel):
    """The run's page: `uri` since 0.3.0, `url` before; the outcome is Jenkins' to tell."""

    model_config = PAYLOAD
    uri: OptionalLine = None
    url: OptionalLine = None


class _Subject(BaseModel):
    """Which run it is."""

    model_config = PAYLOAD
    id: OptionalLine = None
    source: OptionalLine = None
    content: _Content | None = None


class _Kind(BaseModel):
    """An event of any kind, as far as all have the same shape."""

    model_config = PAYLOAD
    context: _Context


class _Event(_Kind):
    """A finished run, of any version."""

    subject: _Subject


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read which build ended; all other events are ignored. Raises Unusable."""
    if request.body.lstrip().startswith(_JAVA_TEXT):
        raise Unusable(
            "it is Java's text of an event and no JSON, as the HTTP sink of Jenkins' CDEvents plugin posts it"
        )
    envelope = read_cloud_event(request)
    kind = read_model(envelope.data, _Kind).context.type or envelope.type
    if not _FINISHED.fullmatch(kind):
        return Parsed(ignored=(f"event {kind[:80]!r} is not that a pipeline run finished",))
    return _read_run(read_model(envelope.data, _Event), origin)


def _read_run(event: _Event, origin: Origin) -> Parsed:
    """The build by the run's own page, else by its id, else by its source, which is what Jenkins' plugin fills."""
    content = event.subject.content or _Content()
    page = content.uri or content.url
    problem = problem_elsewhere("subject.content", page, origin) if page and "://" in page else None
    if problem is not None:
        return Parsed(problems=(problem,))
    for place in filter(None, (page, event.subject.id, event.subject.source, event.context.source)):
        build = build_of(place, origin.jenkins_url)
        if build is not None:
            return mention(origin, *build)
    raise Unusable("subject: neither its content nor its id is a page of a build such as …/job/folder/job/app/12/")


JENKINS_CDEVENTS = Sender(
    kind="jenkins-cdevents",
    verify=TOKEN_OR_BASIC.verify,
    prove_head=TOKEN_OR_BASIC.prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", *HEADERS),
    needs=("url_tokens", "basic"),
    tells={"build": ("job", "number")},
    speaks_for="jenkins",
)
