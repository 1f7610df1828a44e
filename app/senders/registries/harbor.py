"""Harbor's webhooks, in its own format and as CloudEvents: proven by a fixed header, hints until it is asked."""

from pydantic import BaseModel, JsonValue

from app.senders.payload import PAYLOAD, Line, Moment, OptionalLine, read_body, read_model
from app.senders.proof_kinds import HEADERS
from app.senders.registries.tellings import Reading, Telling, read_each
from app.senders.sender import Origin, Parsed, Sender, Unusable, WebhookRequest, no_external_id

# Those of CloudEvents, of version 2, and of version 1.
_PUSHES = frozenset({"harbor.artifact.pushed", "push_artifact", "pushimage"})
_DELETIONS = frozenset({"harbor.artifact.deleted", "delete_artifact", "deleteimage"})


class _Resource(BaseModel):
    """One tag of what was pushed; pushed by digest, the tag is that digest. The URL has no scheme."""

    model_config = PAYLOAD
    digest: OptionalLine = None
    tag: OptionalLine = None
    resource_url: OptionalLine = None


class _Repository(BaseModel):
    """Where to: `name` lacks the project, which is the namespace."""

    model_config = PAYLOAD
    repo_full_name: OptionalLine = None
    namespace: OptionalLine = None
    name: OptionalLine = None


class _Content(BaseModel):
    """What an event is about, alike in both formats; resources are read one by one."""

    model_config = PAYLOAD
    resources: list[JsonValue] | None = None
    repository: _Repository | None = None


class _Event(BaseModel):
    """An event of either format: the one has `occur_at` and `event_data`, the other `time` and `data`."""

    model_config = PAYLOAD
    type: Line
    occur_at: Moment = None
    time: Moment = None
    event_data: _Content | None = None
    data: _Content | None = None


class _Named(BaseModel):
    """Any event, so far as all are alike."""

    model_config = PAYLOAD
    type: Line


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read pushes and deletions; scans, pulls, quotas, replications and charts of ChartMuseum are ignored.

    Raises Unusable. A malformed resource is a problem and the others count.
    """
    kind = read_body(request, _Named).type
    if kind.lower() not in _PUSHES | _DELETIONS:
        return Parsed(ignored=(f"type {kind[:60]!r} changes no tag",))
    event = read_body(request, _Event)
    content = event.event_data or event.data or _Content()
    if not content.resources:
        return Parsed(ignored=(f"type {kind[:60]!r} names no resource",))
    return read_each(
        origin,
        [
            (f"resources[{position}]", _reading(event, content.repository, item))
            for position, item in enumerate(content.resources)
        ],
    )


def _reading(event: _Event, repository: _Repository | None, item: JsonValue) -> Reading:
    def read() -> Telling:
        resource = read_model(item, _Resource)
        host, path = _place(resource.resource_url or "")
        return Telling(
            host=host,
            path=_path(repository) or path or _none(),
            tag=resource.tag,
            digest=resource.digest,
            at=event.occur_at or event.time,
            is_deletion=event.type.lower() in _DELETIONS,
        )

    return read


def _place(url: str) -> tuple[str, str]:
    """Host and path of `host/project/app:tag` or `host/project/app@digest`."""
    host, _, rest = url.rpartition("://")[2].partition("/")
    name = rest.partition("@")[0]
    path, colon, tag = name.rpartition(":")
    return host, path if colon and "/" not in tag else name


def _path(repository: _Repository | None) -> str | None:
    if repository is None:
        return None
    parts = (repository.namespace, repository.name)
    return repository.repo_full_name or ("/".join(map(str, parts)) if all(parts) else None)


def _none() -> str:
    raise Unusable("neither repository.repo_full_name nor resource_url names the repository")


HARBOR = Sender(
    kind="harbor",
    verify=HEADERS.verify,
    prove_head=HEADERS.prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent"),
    needs=("headers",),
    tells={"push": ("image", "tag", "digest", "time"), "delete": ("image", "tag", "digest", "time")},
    speaks_for="registry",
)
