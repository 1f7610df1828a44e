"""The example requests in tests/payloads, with the keys and origins that go with them."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from app.senders import SENDERS
from app.senders.sender import Keys, Origin, Parsed, Sender, WebhookRequest
from tests.senders.id_tokens import minted, trusted

PAYLOADS = Path(__file__).parent.parent / "payloads"
WEBHOOKS = PAYLOADS / "webhooks"
DISTRIBUTION = PAYLOADS / "distribution"
DIGEST = "sha256:4d3e9a233a9281fbdce081c81786a50930e39753c30bba12195060a28bb82e2a"

SIGNED_AT = datetime.fromtimestamp(1760000123, UTC)
ORIGIN = Origin(
    source="a-source",
    jenkins="main",
    jenkins_url="https://ci.lumen.example",
    registry="registry.lumen.example",
    cluster="prod-eu",
    paths={
        "image": ("repository", "name"),
        "tag": ("tags", 0),
        "digest": ("digest",),
        "time": ("pushed_at",),
        "commit": ("ci", "commit"),
        "build": ("ci", "build"),
        "result": ("ci", "result"),
    },
    is_signed=True,
)


@dataclass(frozen=True, slots=True)
class Proof:
    """How a kind proves itself in its examples, and could prove anything else.

    `hmac` signs the body, after the time in the header `timestamp` where there is one, and stands behind `prefix`;
    `literal` is a header's whole value; `url-token` stands in the query; an `id-token` is
    signed with the key that is called as the secret.
    """

    scheme: Literal["hmac", "literal", "url-token", "id-token"]
    secret: str
    header: str = ""
    timestamp: str = ""
    algorithm: str = "sha256"
    prefix: str = "sha256="

    @classmethod
    def of(cls, auth: Mapping[str, str]) -> Self:
        """Read what an expectation says of it."""
        names = {name: auth[name].lower() for name in ("header", "timestamp", "algorithm", "prefix") if name in auth}
        scheme: Any = auth["scheme"]
        return cls(scheme, auth["secret"], **names)

    def keys(self, secret: str | None = None) -> Keys:
        """What the source is configured with, by default for its examples."""
        key = (self.secret if secret is None else secret,)
        match self.scheme:
            case "hmac":
                return Keys(secrets=key)
            case "literal":
                return Keys(headers={self.header: key})
            case "url-token":
                return Keys(url_tokens=key)
            case "id-token":
                return Keys(id_tokens=trusted(*key))

    def prove(self, body: bytes, headers: Mapping[str, str], *, at: datetime, secret: str) -> WebhookRequest:
        """A request with this body that is proven by the secret."""
        stamp, proofs, query = str(int(at.timestamp())), {}, {}
        match self.scheme:
            case "hmac":
                signed = stamp.encode() + b"." + body if self.timestamp else body
                proofs[self.header] = self.prefix + hmac.digest(secret.encode(), signed, self.algorithm).hex()
            case "literal":
                proofs[self.header] = secret
            case "url-token":
                query["token"] = secret
            case "id-token":
                proofs[self.header] = minted(secret, at)
        if self.timestamp:
            proofs[self.timestamp] = stamp
        return WebhookRequest({**headers, **proofs}, body, query)


def load(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_bytes())


EXPECTATIONS = {path.name: load(path) for path in (WEBHOOKS / "expected").glob("*.json")}
EXAMPLES = sorted(path.name for path in WEBHOOKS.glob("*.json"))
CAPTURED = sorted(path.stem for path in DISTRIBUTION.glob("*.json"))
PROOFS = {one["source"]: Proof.of(one["auth"]) for one in EXPECTATIONS.values()}
KEYS = {kind: proof.keys() for kind, proof in PROOFS.items()}


def sender_of(file: str) -> Sender:
    """Return the sender that reads an example."""
    return SENDERS[EXPECTATIONS[file]["source"]]


def origin_of(file: str) -> Origin:
    """What the configuration says of the source of an example: its registry is the one that was pushed to."""
    hosts = {image["registry_host"] for image in EXPECTATIONS[file].get("images", ())} - {None}
    return replace(ORIGIN, registry=hosts.pop()) if hosts else ORIGIN


def example(file: str) -> WebhookRequest:
    """Return an example as it would arrive."""
    expected = EXPECTATIONS[file]
    proof = PROOFS[expected["source"]]
    headers = {name.lower(): value for name, value in expected["headers"].items()}
    body = (WEBHOOKS / file).read_bytes()
    if proof.scheme == "id-token":
        return proof.prove(body, headers, at=SIGNED_AT, secret=proof.secret)
    return WebhookRequest(
        headers=headers,
        body=body,
        query={"token": proof.secret} if proof.scheme == "url-token" else {},
    )


def captured(name: str) -> WebhookRequest:
    """Return a request as a running registry sent it."""
    lines = (DISTRIBUTION / f"{name}.headers").read_text().splitlines()[1:]
    headers = dict(line.split(": ", 1) for line in lines if line)
    body = (DISTRIBUTION / f"{name}.json").read_bytes()
    return WebhookRequest(headers={key.lower(): value for key, value in headers.items()}, body=body)


def with_headers(request: WebhookRequest, **headers: str) -> WebhookRequest:
    """Return the request with some headers replaced; `_` stands for `-`."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(request, headers={**request.headers, **changed})


def without_header(request: WebhookRequest, name: str) -> WebhookRequest:
    """Return the request without a header."""
    return replace(request, headers={key: value for key, value in request.headers.items() if key != name})


def read(kind: str, body: object, *, origin: Origin = ORIGIN, **headers: str) -> Parsed:
    """Parse a body given as bytes or as what JSON it holds."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    kept = {"content-type": "application/json", "x-signature-timestamp": "1760000123"}
    request = with_headers(WebhookRequest(headers=kept, body=raw), **headers)
    return SENDERS[kind].parse(request, origin)
