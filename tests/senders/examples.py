"""The example requests in tests/payloads, with the keys and origins that go with them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.senders import SENDERS
from app.senders.sender import Keys, Origin, Parsed, Sender, WebhookRequest

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
)
KEYS = {
    "jenkins": Keys(secrets=("lumen-ci-secret",)),
    "jenkins-notification": Keys(url_tokens=("lumen-url-token",)),
    "distribution": Keys(headers={"authorization": ("Bearer lumen-registry-token",)}),
    "github": Keys(secrets=("lumen-gh-secret",)),
    "flux": Keys(secrets=("lumen-flux-secret",)),
}
PROOFS = {
    "jenkins": "x-signature",
    "distribution": "authorization",
    "github": "x-hub-signature-256",
    "flux": "x-signature",
}


def load(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_bytes())


EXPECTATIONS = load(WEBHOOKS / "expectations.json")
EXAMPLES = sorted(EXPECTATIONS)
CAPTURED = sorted(path.stem for path in DISTRIBUTION.glob("*.json"))


def sender_of(file: str) -> Sender:
    """Return the sender that reads an example."""
    source = EXPECTATIONS[file]["source"]
    return SENDERS["jenkins" if source == "jenkins-curl" else source]


def example(file: str) -> WebhookRequest:
    """Return an example as it would arrive; the notification plugin's URL carries a token."""
    headers = next(entry["headers"] for entry in load(WEBHOOKS / "index.json") if entry["file"] == file)
    query = {"token": "lumen-url-token"} if file.startswith("jenkins-notification") else {}
    return WebhookRequest(
        headers={name.lower(): value for name, value in headers.items()},
        body=(WEBHOOKS / file).read_bytes(),
        query=query,
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
    request = with_headers(WebhookRequest(headers={"content-type": "application/json"}, body=raw), **headers)
    return SENDERS[kind].parse(request, origin)
