"""Tokens as Google mints them for a push subscription, by keys of our own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from app.senders.sender import IdTokens

AUDIENCE = "https://promoter.lumen.example/hooks/gar"
ACCOUNT = "pubsub-push@lumen-prod.iam.gserviceaccount.com"
KEY_ID = "e863fe292fa2a2967cd7551c42a1211bcac55071"


@cache
def key_called(name: str) -> RSAPrivateKey:
    """A key for each name, made once."""
    _ = name
    return generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Published:
    """The keys of an issuer that is asked at once; `newer` are there after the first doubt, and once only."""

    keys: Mapping[str, RSAPublicKey] | None
    newer: Mapping[str, RSAPublicKey] | None = None
    doubts: int = 0

    def current(self) -> Mapping[str, RSAPublicKey] | None:
        return self.keys

    def doubt(self) -> bool:
        self.doubts += 1
        if self.newer is None:
            return False
        self.keys, self.newer = self.newer, None
        return True

    def ask(self) -> Mapping[str, RSAPublicKey]:
        return self.keys or {}


def public_keys(name: str) -> Mapping[str, RSAPublicKey]:
    """The key that is called so, as an issuer has it."""
    return {KEY_ID: key_called(name).public_key()}


def trusted(name: str) -> IdTokens:
    """What a source is configured with that believes tokens of this key."""
    return IdTokens(audience=AUDIENCE, account=ACCOUNT, signing_keys=Published(public_keys(name)))


def key_set(name: str) -> bytes:
    """The key as an issuer publishes it."""
    key = RSAAlgorithm.to_jwk(key_called(name).public_key(), as_dict=True)
    return json.dumps({"keys": [{**key, "kid": KEY_ID, "alg": "RS256", "use": "sig"}]}).encode()


def claims(at: datetime, **changed: object) -> dict[str, object]:
    """What a token says that was made at a time; None takes a claim out."""
    told: dict[str, object] = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "azp": "113774264463038321964",
        "sub": "113774264463038321964",
        "email": ACCOUNT,
        "email_verified": True,
        "iat": int(at.timestamp()),
        "exp": int(at.timestamp()) + 3600,
    }
    return {name: value for name, value in {**told, **changed}.items() if value is not None}


def minted(name: str, at: datetime, **changed: object) -> str:
    """A token of this key as it stands in Authorization."""
    token = jwt.encode(claims(at, **changed), key_called(name), algorithm="RS256", headers={"kid": KEY_ID})
    return f"Bearer {token}"
