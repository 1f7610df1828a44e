"""GitHub's container registry: `package` and `registry_package`, signed; a hint, for the tag may have moved since."""

from pydantic import BaseModel, Field, JsonValue

from app.senders.forms import json_of
from app.senders.payload import PAYLOAD, Line, OptionalLine, read_model, text_at
from app.senders.proof_kinds import BodySignature
from app.senders.registries.tellings import Telling, read_one
from app.senders.sender import (
    EACH_IS_NEW_S,
    MOST_BYTES,
    Origin,
    Parsed,
    Sender,
    Unusable,
    WebhookRequest,
    no_external_id,
)
from app.senders.strict_json import read_json

_HOST = "ghcr.io"
# `create` stands in a capture of the beta.
_PUSHES = frozenset({"published", "updated", "create", "created"})
_CONTAINERS = frozenset({"container", "docker"})
_PROOF = BodySignature("X-Hub-Signature-256")


class _Tag(BaseModel):
    """A tag; its name is empty for a child of an index."""

    model_config = PAYLOAD
    name: OptionalLine = None
    digest: OptionalLine = None


class _Container(BaseModel):
    """What there is of an image. Its labels are the builder's words, and no proof of a commit."""

    model_config = PAYLOAD
    tag: _Tag | None = None
    manifest: JsonValue = None


class _Version(BaseModel):
    """A version: by its digest, or of the registry of before by its tag. `target_oid` is no commit that was built."""

    model_config = PAYLOAD
    version: OptionalLine = None
    package_url: OptionalLine = None
    container: _Container | None = Field(default=None, alias="container_metadata")


class _Owner(BaseModel):
    """Whose package it is."""

    model_config = PAYLOAD
    login: OptionalLine = None


class _Package(BaseModel):
    """A package; of what type it is stands in one of two places."""

    model_config = PAYLOAD
    name: OptionalLine = None
    owner: _Owner | None = None
    package_type: OptionalLine = None
    ecosystem: OptionalLine = None
    package_version: _Version | None = None


class _Event(BaseModel):
    """An event: the package stands under the event's name."""

    model_config = PAYLOAD
    action: Line
    package: _Package | None = None
    registry_package: _Package | None = None


class _AnyEvent(BaseModel):
    """Any event of GitHub's, so far as it tells whether it is of a package."""

    model_config = PAYLOAD
    package: JsonValue = None
    registry_package: JsonValue = None


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read the tag of a container that was published; events of all else are ignored, `ping` too. Raises Unusable."""
    body = read_json(json_of(request), most_bytes=MOST_BYTES)
    known = read_model(body, _AnyEvent)
    if known.package is None and known.registry_package is None:
        return Parsed(ignored=("an event of no package",))
    event = read_model(body, _Event)
    return read_one(origin, lambda: _read_event(event))


def _read_event(event: _Event) -> Telling | str:
    package = event.package or event.registry_package
    if event.action.lower() not in _PUSHES:
        return f"action {event.action[:40]!r} pushes nothing"
    if package is None or package.package_version is None:
        return "a package without a version"
    version = package.package_version
    kind = (package.package_type or package.ecosystem or ("container" if version.container else "unknown")).lower()
    if kind not in _CONTAINERS:
        return f"a package of type {kind[:40]!r}"
    container = version.container or _Container()
    # The registry of before had no metadata of containers, and the tag as the version.
    tag = container.tag or _Tag(name=version.version if version.container is None else None)
    host, path = _place(package, version)
    return Telling(
        host=host,
        path=path,
        tag=tag.name,
        digest=tag.digest or text_at(container.manifest, "digest"),
        media_type=text_at(container.manifest, "config", "media_type") or text_at(container.manifest, "media_type"),
    )


def _place(package: _Package, version: _Version) -> tuple[str, str]:
    """Host and path, in lower case as they are there; GitHub Enterprise has hosts of its own. Raises Unusable."""
    host, _, rest = (version.package_url or "").lower().partition("/")
    name = rest.partition("@")[0]
    path = name.rpartition(":")[0] or name
    if package.name and package.owner and package.owner.login:
        path = f"{package.owner.login}/{package.name}".lower()
    if not path:
        raise Unusable("the package names neither its owner and name nor its URL")
    return host or _HOST, path


GHCR = Sender(
    kind="ghcr",
    verify=_PROOF.verify,
    prove_head=_PROOF.prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", "x-github-event", "x-github-delivery", "x-github-hook-id"),
    needs=("secrets",),
    tells={"push": ("image", "tag", "digest")},
    speaks_for="registry",
    slot_s=EACH_IS_NEW_S,
)
