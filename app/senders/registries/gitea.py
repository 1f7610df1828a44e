"""Packages of Gitea and Forgejo: one version of a container a body, signed; its digest is not told."""

from datetime import datetime
from urllib.parse import urlsplit

from pydantic import BaseModel, JsonValue

from app.senders.payload import PAYLOAD, Line, Moment, OptionalLine, read_body, read_model, text_at
from app.senders.proofs import expect_bare_hmac, verify_bare_hmac, verify_headers
from app.senders.registries.tellings import Telling, read_one
from app.senders.sender import EACH_IS_NEW_S, Keys, Origin, Parsed, Sender, Unusable, WebhookRequest, no_external_id

_SIGNATURE = "X-Gitea-Signature"
# `X-Gitea-Event` is empty for packages in many versions, so the type is looked for first.
_EVENTS = ("x-gitea-event-type", "x-forgejo-event-type", "x-gitea-event", "x-forgejo-event")


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
    """What became of a package; there is none in events of other kinds, such as the test's, which is a push."""

    model_config = PAYLOAD
    action: OptionalLine = None
    package: dict[str, JsonValue] | None = None


def verify(request: WebhookRequest, keys: Keys, _now: datetime) -> None:
    """Check the signature over the raw body, or the hook's Authorization.

    Raises NoKeyConfigured, ProofMissing, WrongProof.
    """
    if keys.headers:
        verify_headers(request, keys)
    else:
        verify_bare_hmac(request, keys, header=_SIGNATURE, signed=request.body)


def prove_head(request: WebhookRequest, keys: Keys, _now: datetime) -> bool:
    """The head tells only whether there is a signature; a header of the settings is the whole proof."""
    if keys.headers:
        verify_headers(request, keys)
        return True
    expect_bare_hmac(request, keys, header=_SIGNATURE)
    return False


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read which tag of a container was pushed or deleted. Raises Unusable."""
    told = next((request.headers[name] for name in _EVENTS if request.headers.get(name)), "package")
    if told != "package":
        return Parsed(ignored=(f"event {told[:40]!r} is none of a package",))
    event = read_body(request, _Event)
    if event.package is None:
        return Parsed(ignored=("it is about no package",))
    if event.action not in {"created", "deleted"}:
        return Parsed(ignored=(f"action {(event.action or '')[:40]!r} changes no tag",))
    kind = text_at(event.package, "type")
    if kind not in {None, "container"}:
        return Parsed(ignored=(f"a package of type {(kind or '')[:40]!r} is no container",))
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


GITEA = Sender(
    kind="gitea",
    verify=verify,
    prove_head=prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", "x-gitea-delivery", *_EVENTS),
    needs=("secrets", "headers"),
    tells={"push": ("image", "tag", "time"), "delete": ("image", "tag", "digest", "time")},
    speaks_for="registry",
    slot_s=EACH_IS_NEW_S,
)
