"""JFrog Artifactory's webhooks: signed, or proven by the secret itself in a header; hints until it is asked."""

import re
from datetime import datetime

from pydantic import BaseModel

from app.senders.payload import PAYLOAD, Line, OptionalLine, read_body
from app.senders.proofs import expect_bare_hmac, verify_bare_hmac, verify_headers
from app.senders.registries.tellings import Telling, read_one
from app.senders.sender import EACH_IS_NEW_S, Keys, Origin, Parsed, Sender, Unusable, WebhookRequest, no_external_id

_SIGNATURE = "X-JFrog-Event-Auth"
_READ = frozenset({"pushed", "deleted"})
_HEX = re.compile(r"[0-9a-f]{64}")
_PLATFORM = re.compile(r"sha256(?::|__)[0-9a-f]{64}")
_MANIFESTS = frozenset({"manifest.json", "list.manifest.json"})


class _Content(BaseModel):
    """One manifest: of a tag, or of a platform, whose folder has the name of its digest. `sha256` is the file's."""

    model_config = PAYLOAD
    repo_key: OptionalLine = None
    path: OptionalLine = None
    name: OptionalLine = None
    sha256: OptionalLine = None
    image_name: OptionalLine = None
    tag: OptionalLine = None


class _Event(BaseModel):
    """An event of images. What it says of its server is often empty, and by which host it is pulled never there."""

    model_config = PAYLOAD
    event_type: Line
    data: _Content


class _Named(BaseModel):
    """Any event, so far as all are alike."""

    model_config = PAYLOAD
    domain: Line
    event_type: Line


def verify(request: WebhookRequest, keys: Keys, _now: datetime) -> None:
    """Check the signature over the raw body where there is a key of it, else the configured headers.

    The secret in clear never passes for a signature. Raises NoKeyConfigured, ProofMissing, WrongProof.
    """
    if keys.holds("secrets"):
        verify_bare_hmac(request, keys, header=_SIGNATURE, signed=request.body)
    else:
        verify_headers(request, keys)


def prove_head(request: WebhookRequest, keys: Keys, _now: datetime) -> bool:
    """Headers are the whole proof; of a signature the head tells only that there is one.

    Raises NoKeyConfigured, ProofMissing, WrongProof.
    """
    if keys.holds("secrets"):
        expect_bare_hmac(request, keys, header=_SIGNATURE)
        return False
    verify_headers(request, keys)
    return True


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read the push or deletion of a tag; manifests of platforms and events of other domains are ignored.

    Raises Unusable.
    """
    named = read_body(request, _Named)
    if named.domain.lower() != "docker" or named.event_type.lower() not in _READ:
        return Parsed(ignored=(f"event {named.event_type[:40]!r} of {named.domain[:40]!r} changes no tag of an image",))
    event = read_body(request, _Event)
    return read_one(origin, lambda: _read_event(event, origin))


def _read_event(event: _Event, origin: Origin) -> Telling | str:
    its = event.data
    *folders, folder, file = ("", "", *(its.path or "").split("/"))
    if its.tag and _PLATFORM.fullmatch(its.tag):
        return "the manifest of one platform"
    if its.path and (file not in _MANIFESTS or folder != its.tag):
        return f"{its.path[-120:]!r} is no manifest of the tag {(its.tag or '')[:60]!r}"
    if origin.repositories is not None and its.repo_key not in origin.repositories:
        return f"repository {(its.repo_key or '')[:60]!r} is none that counts"
    prefix = (origin.repositories or {}).get(its.repo_key or "", "")
    image = its.image_name or "/".join(filter(None, folders))
    if not image:
        raise Unusable("neither image_name nor path names the image")
    return Telling(
        path=f"{prefix}/{image}" if prefix else image,
        tag=its.tag,
        digest=f"sha256:{its.sha256}" if its.sha256 and _HEX.fullmatch(its.sha256) else its.sha256,
        is_deletion=event.event_type.lower() == "deleted",
    )


JFROG = Sender(
    kind="jfrog",
    verify=verify,
    prove_head=prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent"),
    needs=("secrets", "headers"),
    tells={"push": ("image", "tag", "digest"), "delete": ("image", "tag", "digest")},
    speaks_for="registry",
    slot_s=EACH_IS_NEW_S,
    names_repositories=True,
)
