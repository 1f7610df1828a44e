"""Docker Hub's webhooks: unsigned, without a digest, so a push is a hint and the URL's token is all the proof."""

from pydantic import BaseModel

from app.senders.payload import PAYLOAD, Moment, OptionalLine, read_body
from app.senders.proof_kinds import URL_TOKEN
from app.senders.registries.tellings import Telling, read_one
from app.senders.sender import Origin, Parsed, Sender, Unusable, WebhookRequest, no_external_id

_HOST = "docker.io"
_OFFICIAL = "library"


class _PushData(BaseModel):
    """What was pushed. Captures of 2015 have no tag, and nothing but a media type tells a chart from an image."""

    model_config = PAYLOAD
    tag: OptionalLine = None
    pushed_at: Moment = None
    media_type: OptionalLine = None


class _Repository(BaseModel):
    """Where to. `repo_name` is the whole path, but for official images, which may leave `library/` out."""

    model_config = PAYLOAD
    repo_name: OptionalLine = None
    namespace: OptionalLine = None
    name: OptionalLine = None


class _Push(BaseModel):
    """The body; `callback_url` belongs to a feature of long ago, and is never asked."""

    model_config = PAYLOAD
    push_data: _PushData
    repository: _Repository


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read the push of a tag. Raises Unusable."""
    push = read_body(request, _Push)
    pushed = push.push_data
    return read_one(
        origin,
        lambda: Telling(
            host=_HOST,
            path=_path(push.repository),
            tag=pushed.tag,
            media_type=pushed.media_type,
            at=pushed.pushed_at,
        ),
    )


def _path(repository: _Repository) -> str:
    """The path at the registry. Raises Unusable."""
    name = repository.repo_name or repository.name
    if name is None:
        raise Unusable("repository names neither repo_name nor name")
    return name if "/" in name else f"{repository.namespace or _OFFICIAL}/{name}"


DOCKER_HUB = Sender(
    kind="docker-hub",
    verify=URL_TOKEN.verify,
    prove_head=URL_TOKEN.prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent"),
    needs=("url_tokens",),
    tells={"push": ("image", "tag", "time")},
    speaks_for="registry",
)
