"""Tokens of OpenID Connect as a proof: whose they are, for whom, until when, and who signed them."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.types import Options
from pydantic import BaseModel, Field, JsonValue

from app.core.errors import NotAuthentic, Unavailable
from app.senders.payload import PAYLOAD, Line, read_model
from app.senders.proofs import NoKeyConfigured, ProofMissing, WrongProof
from app.senders.sender import IdTokens, Keys, Unusable, WebhookRequest
from app.senders.strict_json import read_json

LARGEST_KEY_SET = 256 * 1024
_ALGORITHM = "RS256"
_LEEWAY = timedelta(seconds=60)
_BEARER = re.compile(r"bearer +([A-Za-z0-9_.-]+)", re.IGNORECASE)
_MOST_KEYS = 64
# Times are set against our own clock, which is an argument here; the rest is checked with them.
_SIGNATURE_ONLY: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class KeysNotFetched(Unavailable):
    """The keys that tokens are checked with were not fetched yet, or not for too long."""

    def __init__(self) -> None:
        super().__init__(
            "The keys that tokens of this source are signed with are not there yet: send it again later; "
            "if it stays so, the log says why they cannot be fetched",
            retry_after=timedelta(seconds=5),
        )


class WrongToken(NotAuthentic):
    """A token is signed as it should be, and yet does not prove that this sender sent this."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The token in Authorization {problem}")


class _Claims(BaseModel):
    """What a token says; an audience may be one of several."""

    model_config = PAYLOAD
    issuer: Line = Field(alias="iss")
    audience: Line | list[Line] = Field(alias="aud")
    expires: float = Field(alias="exp")
    begins: float | None = Field(default=None, alias="nbf")
    issued: float | None = Field(default=None, alias="iat")
    email: Line
    email_verified: bool


class _KeySet(BaseModel):
    """A JSON Web Key Set (RFC 7517)."""

    model_config = PAYLOAD
    keys: list[dict[str, JsonValue]] = Field(max_length=_MOST_KEYS)


def verify_id_token(request: WebhookRequest, keys: Keys, now: datetime, *, issuers: Collection[str]) -> None:
    """Check the bearer token in Authorization.

    Raises NoKeyConfigured, ProofMissing, WrongProof, WrongToken, and KeysNotFetched where nothing can be said yet.
    """
    expected = keys.id_tokens
    if expected is None:
        raise NoKeyConfigured("audience and account")
    token = _BEARER.fullmatch(request.headers.get("authorization", ""))
    if token is None:
        problem = "is malformed" if request.headers.get("authorization") else "is missing or empty"
        raise ProofMissing("Authorization", problem=problem, expected="Bearer and a token")
    signing_keys = expected.signing_keys()
    if signing_keys is None:
        raise KeysNotFetched
    _check(_signed_claims(token[1], signing_keys), expected, now, issuers)


def read_key_set(document: bytes) -> Mapping[str, RSAPublicKey]:
    """The RSA keys of a JSON Web Key Set by their ids; keys of other kinds and uses are left out. Raises Unusable."""
    found: dict[str, RSAPublicKey] = {}
    for each in read_model(read_json(document, most_bytes=LARGEST_KEY_SET), _KeySet).keys:
        kid, algorithm, use = each.get("kid"), each.get("alg", _ALGORITHM), each.get("use", "sig")
        if each.get("kty") != "RSA" or not isinstance(kid, str) or (algorithm, use) != (_ALGORITHM, "sig"):
            continue
        try:
            key = jwt.PyJWK(each, _ALGORITHM).key
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Unusable(f"keys: that called {kid[:40]!r} is no RSA key") from None
        if isinstance(key, RSAPublicKey):
            found[kid] = key
    if not found:
        raise Unusable("keys: there is none for RS256 that has a kid")
    return found


def _signed_claims(token: str, signing_keys: Mapping[str, RSAPublicKey]) -> _Claims:
    wrong = WrongProof("The token in Authorization", check="that its sender's issuer is the one of this source")
    try:
        key = signing_keys.get(jwt.get_unverified_header(token).get("kid", ""))
        if key is None:
            raise wrong
        claims = jwt.decode(token, key, algorithms=[_ALGORITHM], options=_SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise wrong from None
    try:
        return read_model(claims, _Claims)
    except Unusable as error:
        raise WrongToken(f"lacks what it needs: {error.problem}") from None


def _check(claims: _Claims, expected: IdTokens, now: datetime, issuers: Collection[str]) -> None:
    audiences = [claims.audience] if isinstance(claims.audience, str) else claims.audience
    at, leeway = now.timestamp(), _LEEWAY.total_seconds()
    if claims.issuer not in issuers:
        raise WrongToken("is of another issuer")
    if expected.audience not in audiences:
        raise WrongToken("is for another audience: set the same one there as in this source")
    if claims.email != expected.account or not claims.email_verified:
        raise WrongToken("speaks for another account than that of this source")
    if not claims.expires > at - leeway:
        raise WrongToken("has expired; if it is new, one of the two clocks is wrong")
    if not max(claims.begins or 0, claims.issued or 0) <= at + leeway:
        raise WrongToken("is not valid yet; one of the two clocks is wrong")
