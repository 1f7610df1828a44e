"""The Outbound WebHook plugin of freestyle jobs: unsigned, so only a hint that a build should be read from Jenkins."""

from pydantic import BaseModel, Field

from app.senders.jenkins.pages import build_of, mention, problem_elsewhere
from app.senders.payload import PAYLOAD, Line, read_body
from app.senders.proof_kinds import URL_TOKEN
from app.senders.sender import Origin, Parsed, Sender, Unusable, WebhookRequest, no_external_id

_ENDS = frozenset({"success", "failure", "unstable"})


class _Event(BaseModel):
    """What is read of an event; names are for display, and `buildVars` is Java's text of a map, which is ambiguous."""

    model_config = PAYLOAD
    event: Line
    build_url: Line = Field(alias="buildUrl")


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read which build ended; its start is ignored. Raises Unusable."""
    told = read_body(request, _Event)
    if told.event.lower() not in _ENDS:
        return Parsed(ignored=(f"event {told.event[:40]!r} is not the end of a build",))
    problem = problem_elsewhere("buildUrl", told.build_url, origin)
    if problem is not None:
        return Parsed(problems=(problem,))
    build = build_of(told.build_url, origin.jenkins_url)
    if build is None:
        raise Unusable(f"buildUrl: {told.build_url[:200]!r} is no page of a build such as …/job/folder/job/app/12/")
    return mention(origin, *build)


JENKINS_OUTBOUND_WEBHOOK = Sender(
    kind="jenkins-outbound-webhook",
    verify=URL_TOKEN.verify,
    prove_head=URL_TOKEN.prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent"),
    needs=("url_tokens",),
    tells={"build": ("job", "number")},
    speaks_for="jenkins",
)
