"""Packages of Gitea and Forgejo: one version of a container a body; its digest is not told."""

from urllib.parse import urlsplit

from pydantic import BaseModel, JsonValue

from app.senders.payload import PAYLOAD, Line, Moment, OptionalLine, read_model, text_at
from app.senders.registries.tellings import Telling, read_one
from app.senders.sender import Origin, Parsed, Unusable


class _Owner(BaseModel):
    """A user or organisation; versions differ in which of the two they have."""

    model_config = PAYLOAD
    login: OptionalLine = None
    username: OptionalLine = None


class _Package(BaseModel):
    """One version of a package. For a container it is a tag in lower case, or the digest of what has none."""

    model_config = PAYLOAD
    type: Line
    owner: _Owner
    name: Line
    version: Line
    html_url: OptionalLine = None
    created_at: Moment = None


class _Event(BaseModel):
    """What became of a package; there is none in events of other kinds."""

    model_config = PAYLOAD
    action: OptionalLine = None
    package: dict[str, JsonValue] | None = None


def read_package(body: JsonValue, origin: Origin) -> Parsed:
    """Read which tag of a container was pushed or deleted. Raises Unusable."""
    event = read_model(body, _Event)
    if event.package is None:
        return Parsed(ignored=("it is about no package",))
    if event.action not in {"created", "deleted"}:
        return Parsed(ignored=(f"action {(event.action or '')[:40]!r} changes no tag",))
    kind = text_at(event.package, "type")
    if kind not in {None, "container"}:
        return Parsed(ignored=(f"a package of type {(kind or '')[:40]!r} is no container",))
    if origin.registry is None and not origin.is_offline:
        return Parsed(ignored=(f"a package, and source {origin.source!r} names no registry: add `registry:` to it",))
    package = read_model(event.package, _Package)
    owner = package.owner.login or package.owner.username
    if owner is None:
        raise Unusable("package.owner: has neither login nor username")
    return read_one(
        origin,
        lambda: Telling(
            host=_host(package.html_url),
            path=f"{owner.lower()}/{package.name}",
            tag=package.version,
            at=package.created_at,
            is_deletion=event.action == "deleted",
        ),
    )


def _host(page: str | None) -> str | None:
    """The host of a page; what is no address names none."""
    try:
        return urlsplit(page or "").netloc or None
    except ValueError:
        return None
