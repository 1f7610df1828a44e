"""What a sender is: how its requests are proven, told apart and read."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from app.core.errors import Invalid, Refused
from app.core.facts import Fact

MOST_BYTES = 5 * 1024 * 1024

KeyKind = Literal["secrets", "url_tokens", "basic", "headers"]
OriginName = Literal["jenkins", "registry", "cluster"]


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


@dataclass(frozen=True, slots=True)
class Origin:
    """What the configuration says of a source; a payload never decides any of it.

    `jenkins` and `cluster` are the names used in facts, `registry` is the host of the configured registry.
    """

    source: str
    jenkins: str | None = None
    jenkins_url: str | None = None
    registry: str | None = None
    cluster: str | None = None

    def named(self, name: OriginName) -> str:
        """Return the system that this source speaks for. Raises OriginNotNamed."""
        value = {"jenkins": self.jenkins, "registry": self.registry, "cluster": self.cluster}[name]
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
    lists kinds of keys of which one must be configured. `keeps_oversized`: the sender would repeat a refused request
    for ever, so a marker is kept instead.
    """

    kind: str
    verify: Callable[[WebhookRequest, Keys, datetime], None]
    prove_head: Callable[[WebhookRequest, Keys, datetime], bool]
    external_id: Callable[[WebhookRequest], str | None]
    parse: Callable[[WebhookRequest, Origin], Parsed]
    kept_headers: tuple[str, ...]
    needs: tuple[KeyKind, ...]
    signed_id: Callable[[WebhookRequest], str] | None = None
    speaks_for: OriginName | None = None
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
