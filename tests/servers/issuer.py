"""An issuer of tokens on loopback, like Jenkins' OpenID Connect Provider plugin: discovery, keys, rotation, faults."""

import json
import threading
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm

from tests.senders.id_tokens import key_called

KID = "fluxbridge"
_DISCOVERY = "/oidc/.well-known/openid-configuration"
_KEYS = "/oidc/jwks"


@dataclass(frozen=True, slots=True)
class OddAnswer:
    """What is answered in place of the right thing."""

    status: int = 200
    body: bytes = b""
    location: str = ""


@dataclass
class Issuer:
    """A running issuer at `<url>/oidc`; `odd` is what it answers at a path instead, "hang" nothing until its end.

    `asked` are the paths that it was asked for. The plugin keeps the id of a key when it makes a new one, and so does
    `rotate`.
    """

    odd: dict[str, OddAnswer | Literal["hang"]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    told_issuer: str | None = None
    keys_at: str | None = None
    _key: str = "issuer-key-0"

    discovery_path = _DISCOVERY
    keys_path = _KEYS

    def __post_init__(self) -> None:
        self._ending = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _answering_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """The issuer itself."""
        return f"http://127.0.0.1:{self._server.server_port}/oidc"

    @property
    def key(self) -> RSAPrivateKey:
        """What it signs with now."""
        return key_called(self._key)

    def rotate(self) -> None:
        """Sign with another key of the same id from now on; the old one is gone."""
        self._key = f"issuer-key-{int(self._key.rpartition('-')[2]) + 1}"

    def token(self, at: datetime, job_url: str, number: int, *, audience: str, **changed: object) -> str:
        """A token of a build; None takes a claim out."""
        claims: dict[str, object] = {
            "iss": self.url,
            "aud": [audience],
            "iat": int(at.timestamp()),
            "exp": int(at.timestamp()) + 3600,
            "sub": job_url,
            "build_number": number,
        }
        told = {name: value for name, value in {**claims, **changed}.items() if value is not None}
        return jwt.encode(told, self.key, algorithm="RS256", headers={"kid": KID})

    def answer(self, path: str) -> OddAnswer:
        """What is said at a path."""
        self.asked.append(path)
        odd = self.odd.get(path)
        if odd == "hang":
            self._ending.wait()
            return OddAnswer(503)
        if odd is not None:
            return odd
        if path == _DISCOVERY:
            found = {"issuer": self.told_issuer or self.url, "jwks_uri": self.keys_at or f"{self.url}/jwks"}
            return OddAnswer(body=json.dumps({**found, "authorization_endpoint": "https://unimplemented"}).encode())
        if path == _KEYS:
            key = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            return OddAnswer(body=json.dumps({"keys": [{**key, "kid": KID, "alg": "RS256", "use": "sig"}]}).encode())
        return OddAnswer(404)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _answering_for(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = issuer.answer(self.path)
            self.send_response(answer.status)
            if answer.location:
                self.send_header("Location", answer.location)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_args: object) -> None:
            pass

    return Handler
