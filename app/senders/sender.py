"""What a sender is: how its requests are proven, told apart and read."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app.core.errors import Invalid, Refused
from app.core.facts import Fact

MOST_BYTES = 5 * 1024 * 1024

JsonPath = tuple[str | int, ...]
"""The way to a value in a JSON text: names in objects and positions in arrays."""
KeyKind = Literal["secrets", "url_tokens", "basic", "headers", "id_tokens"]
OriginName = Literal["jenkins", "registry", "cluster"]
FactType = Literal["push", "delete", "build", "pull_request", "branch", "applied", "underway"]
FactField = Literal["image", "tag", "digest", "job", "number", "result", "url", "commit", "branch", "time"]

PROOF_WORDS: Mapping[KeyKind, str] = {
    "secrets": "hmac",
    "url_tokens": "url_token",
    "basic": "basic",
    "headers": "header",
    "id_tokens": "oidc",
}
"""What each kind of key is called for people, and in the settings of registries."""
NOWHERE = "nowhere.invalid"
"""Stands for a system that only a configuration could name (RFC 2606)."""
SLOT_S = 600
"""For so long the same body is one delivery, where nothing in it tells two events apart for certain."""
EACH_IS_NEW_S = 1
"""The same for senders whose bodies name neither a time nor an id: each push of a tag may look like the one before."""


class Unusable(Invalid):
    """An authentic body says nothing that can be used; `problem` names the part and what is wrong with it."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The body cannot be used: {problem}")
        self.problem = problem


class OriginNotNamed(Refused):
    """The configuration does not say for which system a source speaks."""

    def __init__(self, source: str, name: OriginName) -> None:
        super().__init__(f"Source {source!r} names no {name}: add `{name}:` to it in fluxbridge.yaml")
        self.source, self.name = source, name


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One request as it came; header names are lower-case. Nothing of it shows in its repr: it may hold secrets."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


class SigningKeys(Protocol):
    """The keys that an issuer of tokens publishes, by their ids. Only `ask` waits for the network."""

    def current(self) -> Mapping[str, RSAPublicKey] | None:
        """The keys as they are known; None where they are not there yet."""
        ...

    def doubt(self) -> bool:
        """Tell that a token matches none of them; whether newer ones are being fetched, so that it may match those."""
        ...

    def ask(self) -> Mapping[str, RSAPublicKey]:
        """The keys as the issuer publishes them now. Raises Unavailable, Invalid, Refused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTokens:
    """Which tokens are believed: those for `audience` that are signed with one of `signing_keys`.

    Those of Google speak for an `account`. Those of Jenkins are of one `issuer` and speak for builds of jobs below
    `jobs_below`, which is `jenkins_url` or a folder there.
    """

    audience: str
    signing_keys: SigningKeys = field(repr=False)
    account: str = ""
    issuer: str = ""
    jenkins_url: str = ""
    jobs_below: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """What requests of one source are proven with. Of several values any may match: that is how keys are rotated.

    `secrets` are HMAC keys, `basic` pairs of user and password; of `headers` (lower-case name -> accepted values) each
    must be sent. Blank values never count.
    """

    secrets: tuple[str, ...] = field(default=(), repr=False)
    url_tokens: tuple[str, ...] = field(default=(), repr=False)
    basic: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    id_tokens: IdTokens | None = field(default=None, repr=False)

    def holds(self, kind: KeyKind) -> bool:
        """Tell whether there is a key of this kind that is not blank."""
        match kind:
            case "secrets":
                return any(map(is_key, self.secrets))
            case "url_tokens":
                return any(map(is_key, self.url_tokens))
            case "basic":
                return any(is_key(password) for _, password in self.basic)
            case "headers":
                return bool(self.headers) and all(any(map(is_key, values)) for values in self.headers.values())
            case "id_tokens":
                return self.id_tokens is not None


@dataclass(frozen=True, slots=True)
class Origin:
    """What the configuration says of a source; a payload never decides any of it.

    `jenkins` and `cluster` are the names used in facts, `registry` is the host of the configured registry and
    `registry_aliases` are what else it is called. `repositories` are those of a registry's own repositories that count,
    each with its path below that host; None where all do, without any. `is_offline` where a saved body is read without
    a configuration: then a host in it is believed, and what is not known has a name that nothing has.
    `paths` say where in a body that the settings describe each part stands, and `is_signed` that a signature proves it.
    """

    source: str
    jenkins: str | None = None
    jenkins_url: str | None = None
    registry: str | None = None
    registry_aliases: tuple[str, ...] = ()
    cluster: str | None = None
    repositories: Mapping[str, str] | None = None
    paths: Mapping[str, JsonPath] = field(default_factory=dict)
    is_signed: bool = False
    is_offline: bool = False

    def registry_for(self, told: str | None) -> str:
        """Return the registry that this source speaks for, whatever host a payload told. Raises OriginNotNamed."""
        return told if self.is_offline and told else self.named("registry")

    def speaks_for_registry(self, told: str | None) -> bool:
        """Tell whether a host that a payload told is that of the registry, by whichever of its names."""
        known = {name.lower() for name in (self.registry, *self.registry_aliases) if name}
        return not told or self.is_offline or told.lower() in known

    def named(self, name: OriginName) -> str:
        """Return the system that this source speaks for. Raises OriginNotNamed."""
        value = {"jenkins": self.jenkins, "registry": self.registry, "cluster": self.cluster}[name]
        if not value and self.is_offline:
            return NOWHERE
        if not value:
            raise OriginNotNamed(self.source, name)
        return value


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a body says: facts, what was of no interest and why, and the parts that were malformed."""

    facts: tuple[Fact, ...] = ()
    ignored: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One kind of source.

    `verify` raises a NotAuthentic leaf. `prove_head` is asked before a body is read: it raises the same for what the
    head alone gives away, and is true where the head proves the request by itself. `parse` raises Unusable and, where
    the configuration lacks `speaks_for`, OriginNotNamed; it reads the body and `kept_headers` only, so it can run later
    on what was kept. `external_id` is None where the sender has no id of its own; it never raises. `signed_id` is for
    senders that sign the body and nothing else: it names a delivery by what is signed, and by what of the head decides
    how that is read. Whichever names it, another body is another delivery: no id is anybody's to take first. `needs`
    lists kinds of keys of which one must be configured. `tells`: which facts a body can tell, and what of each.
    `slot_s`: for how many seconds the same body is one delivery, where neither id names it. `names_repositories`: a
    body names a repository of the registry's own, and only the configuration knows where it is pulled from.
    `keeps_oversized`: the sender would repeat a refused request for ever, or stop to send, so a marker is kept instead.
    """

    kind: str
    verify: Callable[[WebhookRequest, Keys, datetime], None]
    prove_head: Callable[[WebhookRequest, Keys, datetime], bool]
    external_id: Callable[[WebhookRequest], str | None]
    parse: Callable[[WebhookRequest, Origin], Parsed]
    kept_headers: tuple[str, ...]
    needs: tuple[KeyKind, ...]
    tells: Mapping[FactType, tuple[FactField, ...]]
    signed_id: Callable[[WebhookRequest], str] | None = None
    speaks_for: OriginName | None = None
    slot_s: int = SLOT_S
    names_repositories: bool = False
    keeps_oversized: bool = False


def is_key(text: str) -> bool:
    """Tell whether a text can serve as a key: anyone can compute an HMAC with a blank one."""
    return bool(text.strip())


def body_id(request: WebhookRequest) -> str:
    """Name a delivery by its body: whatever else a request says, the same bytes are one."""
    return content_id(request.body)


def content_id(body: bytes) -> str:
    """What stands for a body."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def no_external_id(_request: WebhookRequest) -> str | None:
    """Answer for senders that give their events no id."""
    return None
