"""Sonatype Nexus' webhooks: components and assets, signed with HMAC-SHA1; hints until the registry is asked.

A source whose registry is one of classic Helm repositories reads components of the format helm, any other of docker.
"""

import re
from datetime import datetime

from pydantic import BaseModel, Field

from app.core.images import is_of_classic, tag_of_version
from app.senders.payload import PAYLOAD, Line, Moment, OptionalLine, read_body
from app.senders.proofs import expect_bare_hmac, verify_bare_hmac
from app.senders.registries.tellings import CHART, Telling, read_one
from app.senders.sender import Keys, Origin, Parsed, Sender, Unusable, WebhookRequest, no_external_id

_SIGNATURE = "X-Nexus-Webhook-Signature"
_ALGORITHM = "sha1"
_PUSHES = frozenset({"CREATED", "UPDATED"})
_READ = _PUSHES | {"DELETED"}
_MANIFEST = re.compile(r"/?v2/(?P<path>.+)/manifests/(?P<tag>[^/]+)")


class _Named(BaseModel):
    """A component or an asset: what it is of, and its name. A component's version is its tag."""

    model_config = PAYLOAD
    format: OptionalLine = None
    name: OptionalLine = None
    version: OptionalLine = None


class _Event(BaseModel):
    """An event of one repository; no host stands in it, and no digest."""

    model_config = PAYLOAD
    timestamp: Moment = None
    repository: OptionalLine = Field(default=None, alias="repositoryName")
    action: Line
    component: _Named | None = None
    asset: _Named | None = None


class _AnyEvent(BaseModel):
    """Any event, so far as all are alike: those of the audit and of users have other keys."""

    model_config = PAYLOAD
    action: OptionalLine = None


def verify(request: WebhookRequest, keys: Keys, _now: datetime) -> None:
    """Check the signature over the raw body. Raises NoKeyConfigured, ProofMissing, WrongProof."""
    verify_bare_hmac(request, keys, header=_SIGNATURE, signed=request.body, algorithm=_ALGORITHM)


def prove_head(request: WebhookRequest, keys: Keys, _now: datetime) -> bool:
    """The head tells only whether there is a signature. Raises NoKeyConfigured, ProofMissing."""
    expect_bare_hmac(request, keys, header=_SIGNATURE, algorithm=_ALGORITHM)
    return False


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read pushes and deletions of tags; what is purged, and what is of other formats, is ignored. Raises Unusable."""
    action = read_body(request, _AnyEvent).action or ""
    if action.upper() not in _READ:
        return Parsed(ignored=(f"action {action[:40]!r} changes no tag",))
    event = read_body(request, _Event)
    return read_one(origin, lambda: _read_event(event, origin))


def _read_event(event: _Event, origin: Origin) -> Telling | str:
    its = event.component or event.asset
    if its is None:
        return "an event of neither a component nor an asset"
    is_classic = is_of_classic(origin.registry or "")
    if (its.format or "").lower() != ("helm" if is_classic else "docker"):
        return f"format {(its.format or '')[:40]!r} holds no {'charts' if is_classic else 'images'}"
    if origin.repositories is not None and event.repository not in origin.repositories:
        return f"repository {(event.repository or '')[:60]!r} is none that counts"
    path, tag = its.name, its.version
    if is_classic:
        return _read_chart(event, origin)
    if event.component is None:
        manifest = _MANIFEST.fullmatch(its.name or "")
        if manifest is None:
            return "an asset that is no manifest"
        path, tag = manifest["path"], manifest["tag"]
    if not path:
        raise Unusable("component.name: names no image")
    prefix = (origin.repositories or {}).get(event.repository or "", "")
    return Telling(
        path=f"{prefix}/{path}" if prefix else path,
        tag=tag,
        at=event.timestamp,
        is_deletion=event.action.upper() not in _PUSHES,
    )


def _read_chart(event: _Event, origin: Origin) -> Telling | str:
    """A chart; Nexus serves its repositories below /repository/, where the settings say nothing else."""
    its = event.component
    if its is None:
        return "an asset of a chart, of which the component tells"
    if not its.name or not event.repository:
        raise Unusable("component.name, repositoryName: name no chart")
    folder = f"repository/{event.repository}"
    if origin.repositories is not None:
        folder = origin.repositories[event.repository]
    return Telling(
        path=f"{folder}/{its.name}" if folder else its.name,
        tag=tag_of_version(its.version or ""),
        media_type=CHART,
        at=event.timestamp,
        is_deletion=event.action.upper() not in _PUSHES,
    )


NEXUS = Sender(
    kind="nexus",
    verify=verify,
    prove_head=prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", "x-nexus-webhook-id", "x-nexus-webhook-delivery"),
    needs=("secrets",),
    tells={"push": ("image", "tag", "time"), "delete": ("image", "tag", "digest", "time")},
    speaks_for="registry",
    names_repositories=True,
)
