"""What an issuer of tokens publishes: where its keys are, and the keys."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic import BaseModel, Field, JsonValue

from app.core.errors import Invalid
from app.senders.payload import PAYLOAD, Line, Model, read_model
from app.senders.sender import Unusable
from app.senders.strict_json import read_json
from app.senders.web_addresses import is_web_address

LARGEST_KEY_SET = 256 * 1024
DISCOVERY = "/.well-known/openid-configuration"
ALGORITHM = "RS256"
_MOST_KEYS = 64


class KeysUnusable(Invalid):
    """What an issuer publishes, of itself or as its keys, says nothing that tokens can be checked with."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"What the issuer of tokens publishes cannot be used: {problem}")
        self.problem = problem


class _KeySet(BaseModel):
    """A JSON Web Key Set (RFC 7517)."""

    model_config = PAYLOAD
    keys: list[dict[str, JsonValue]] = Field(max_length=_MOST_KEYS)


class _Discovery(BaseModel):
    """What an issuer says of itself (OpenID Connect Discovery 1.0, section 3)."""

    model_config = PAYLOAD
    issuer: Line
    jwks_uri: Line


def read_key_set(document: bytes) -> Mapping[str, RSAPublicKey]:
    """The RSA keys of a JSON Web Key Set by their ids; others are left out, of kind and use. Raises KeysUnusable."""
    found: dict[str, RSAPublicKey] = {}
    for each in _read(document, _KeySet).keys:
        kid, algorithm, use = each.get("kid"), each.get("alg", ALGORITHM), each.get("use", "sig")
        if each.get("kty") != "RSA" or not isinstance(kid, str) or (algorithm, use) != (ALGORITHM, "sig"):
            continue
        try:
            key = jwt.PyJWK(each, ALGORITHM).key
        except (jwt.PyJWTError, ValueError, TypeError):
            raise KeysUnusable(f"keys: that called {kid[:40]!r} is no RSA key") from None
        if isinstance(key, RSAPublicKey):
            found[kid] = key
    if not found:
        raise KeysUnusable("keys: there is none for RS256 that has a kid")
    return found


def read_discovery(document: bytes, *, issuer: str, is_plain_http_allowed: bool) -> str:
    """Where the keys of an issuer are, as its discovery document says. Raises KeysUnusable."""
    told = _read(document, _Discovery)
    if told.issuer != issuer:
        raise KeysUnusable(f"issuer: it is {told.issuer[:200]!r}, not the one of this source, letter by letter")
    try:
        address = urlsplit(told.jwks_uri)
        is_usable = is_web_address(told.jwks_uri) and "@" not in address.netloc and address.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise KeysUnusable("jwks_uri: is no http or https URL")
    if address.scheme != "https" and not is_plain_http_allowed:
        raise KeysUnusable("jwks_uri: is no https URL; plain_http would allow it")
    return told.jwks_uri


def _read(document: bytes, model: type[Model]) -> Model:
    try:
        return read_model(read_json(document, most_bytes=LARGEST_KEY_SET), model)
    except Unusable as error:
        raise KeysUnusable(error.problem) from None
