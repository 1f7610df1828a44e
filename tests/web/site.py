"""The whole web application on a real server, with sources, tokens and an inbox of its own."""

import hmac
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import httpx

from app.clients.tls import trusting
from app.db.database import Database
from app.db.inbox import Inbox
from app.senders.sender import Keys, Origin
from app.services.heads.scans import Scans
from app.services.systems import Source, Systems
from app.web.application import create_web
from app.web.connections import Connections
from app.web.intake import Intake
from app.web.parts import ApiToken, WebParts
from tests.web.server import serving

SECRET = "a-secret-of-the-sender"
READ, OPERATE, LOCAL = "token-that-reads", "token-that-operates", "token-of-this-machine"
LIMIT = 4096


def _source(name: str, kind: str, keys: Keys) -> Source:
    origin = Origin(name, jenkins="main", registry="registry.acme.example", cluster="prod-eu")
    return Source(name=name, kind=kind, origin=origin, keys=lambda: keys)


SOURCES = {
    "github": _source("github", "github", Keys(secrets=(SECRET,))),
    "registry": _source("registry", "distribution", Keys(headers={"authorization": (SECRET,)})),
    "legacy": _source("legacy", "jenkins-notification", Keys(url_tokens=(SECRET,))),
}
TOKENS = (ApiToken("reader", "read", READ), ApiToken("ops", "operate", OPERATE))


@dataclass(frozen=True, slots=True)
class Site:
    """A running application; `client` has no token of its own."""

    client: httpx.Client
    database: Database
    woken: threading.Event = field(default_factory=threading.Event)
    intake: Intake = field(kw_only=True)

    def reserved_bytes(self) -> int:
        """The bytes of all bodies that are read or wait to be kept."""
        return self.intake.taken_bytes

    def get(self, path: str, token: str = READ, **query: str) -> httpx.Response:
        """Read from the API."""
        return self.client.get(f"/api/v1{path}", params=query or None, headers=bearer(token))

    def post(self, path: str, token: str = OPERATE) -> httpx.Response:
        """Change something through the API."""
        return self.client.post(f"/api/v1{path}", headers=bearer(token))

    def send_github(self, body: bytes, *, delivery: str = "72d3162e-cc78-11e3-81ab-4c9367dc0958") -> httpx.Response:
        """Post as GitHub does."""
        return self.client.post("/webhooks/github", content=body, headers=github_headers(body, delivery))

    def send_registry(self, body: bytes = b'{"events": []}') -> httpx.Response:
        """Post as a registry does."""
        return self.client.post("/webhooks/registry", content=body, headers={"Authorization": SECRET})


@contextmanager
def running_site(
    database: Database,
    *,
    sources: Mapping[str, Source] = SOURCES,
    tokens: Callable[[], Sequence[ApiToken]] = lambda: TOKENS,
    change: Callable[[WebParts], WebParts] = lambda parts: parts,
    connections: Connections | None = None,
) -> Iterator[Site]:
    """Serve the application over this database; `change` swaps parts before it starts."""
    woken = threading.Event()
    parts = change(parts_for(database, sources=sources, tokens=tokens))
    database.when_told(woken.set)
    parts.inbox.start()
    try:
        app = create_web(parts)
        with serving(app, connections) as url, httpx.Client(base_url=url, verify=trusting(), timeout=20) as client:
            yield Site(client, database, woken, intake=app.state.intake)
    finally:
        parts.inbox.stop()


def parts_for(
    database: Database,
    *,
    sources: Mapping[str, Source] = SOURCES,
    tokens: Callable[[], Sequence[ApiToken]] = lambda: TOKENS,
) -> WebParts:
    """The parts of an application over this database; its inbox is not started."""
    return WebParts(
        scans=Scans(),
        systems=Systems(sources=sources),
        database=database,
        inbox=Inbox(database),
        clock=lambda: datetime.now(UTC),
        tokens=tokens,
        local_token=LOCAL,
        version="0.1.0",
        body_limit=LIMIT,
        metrics_fresh_s=0,
    )


def with_keys(name: str, keys: Callable[[], Keys]) -> dict[str, Source]:
    """The same sources, one of them with other keys."""
    return {**SOURCES, name: replace(SOURCES[name], keys=keys)}


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def github_headers(body: bytes, delivery: str) -> dict[str, str]:
    """What GitHub sends along with a signed body."""
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": "ping",
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex(),
    }
