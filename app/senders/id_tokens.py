"""Tokens of OpenID Connect as a proof: of whom they are, for whom, until when, and who signed them."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.types import Options
from pydantic import BaseModel, Field, JsonValue

from app.core.errors import NotAuthentic, Unavailable
from app.senders.key_sets import ALGORITHM
from app.senders.payload import PAYLOAD, Line, Model, read_model
from app.senders.proofs import NoKeyConfigured, ProofMissing, WrongProof
from app.senders.sender import IdTokens, Keys, Unusable, WebhookRequest

_LEEWAY = timedelta(seconds=60)
_LONGEST_LIFE = timedelta(hours=24)
_BEARER = re.compile(r"bearer +([A-Za-z0-9_.-]{1,16384})", re.IGNORECASE)
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
_NOT_EVEN_THAT: Options = {**_SIGNATURE_ONLY, "verify_signature": False}

ClaimSet = Mapping[str, JsonValue]


class KeysNotFetched(Unavailable):
    """The keys that a token is checked with are being fetched, or could not be for too long."""

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
    """What every token says; an audience may be one of several."""

    model_config = PAYLOAD
    issuer: Line = Field(alias="iss")
    audience: Line | list[Line] = Field(alias="aud")
    expires: float = Field(alias="exp")
    begins: float | None = Field(default=None, alias="nbf")
    issued: float | None = Field(default=None, alias="iat")


def verify_id_token(request: WebhookRequest, keys: Keys, now: datetime, *, issuers: Collection[str]) -> ClaimSet:
    """Check the bearer token in Authorization: signature, issuer, audience and times; returns what it says.

    Raises NoKeyConfigured, ProofMissing, WrongProof, WrongToken, and KeysNotFetched where nothing can be said yet.
    """
    expected = keys.id_tokens
    if expected is None:
        raise NoKeyConfigured("audience and account")
    sent = _BEARER.fullmatch(request.headers.get("authorization", ""))
    if sent is None:
        problem = "is malformed" if request.headers.get("authorization") else "is missing or empty"
        raise ProofMissing("Authorization", problem=problem, expected="Bearer and a token")
    signing_keys = expected.signing_keys.current()
    if signing_keys is None:
        raise KeysNotFetched
    try:
        claims = _signed_claims(sent[1], signing_keys)
    except WrongProof:
        # The issuer may have a new key, also under the id of the old one. Only what else is right makes us look.
        if _is_right_but_for_its_key(sent[1], expected, now, issuers) and expected.signing_keys.doubt():
            raise KeysNotFetched from None
        raise
    _check(claims, expected, now, issuers)
    return claims


def read_claims(claims: ClaimSet, model: type[Model]) -> Model:
    """What a token says, as this model. Raises WrongToken."""
    try:
        return read_model(dict(claims), model)
    except Unusable as error:
        raise WrongToken(f"lacks what it needs: {error.problem}") from None


def _signed_claims(token: str, signing_keys: Mapping[str, RSAPublicKey]) -> ClaimSet:
    wrong = WrongProof("The token in Authorization", check="that its sender's issuer is the one of this source")
    try:
        key = signing_keys.get(jwt.get_unverified_header(token).get("kid", ""))
        if key is None:
            raise wrong
        claims: ClaimSet = jwt.decode(token, key, algorithms=[ALGORITHM], options=_SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise wrong from None
    return claims


def _is_right_but_for_its_key(token: str, expected: IdTokens, now: datetime, issuers: Collection[str]) -> bool:
    """Tell whether a token would hold if somebody's key had signed it. Nothing else may be taken from it."""
    try:
        header = jwt.get_unverified_header(token)
        claims: ClaimSet = jwt.decode(token, options=_NOT_EVEN_THAT)
        _check(claims, expected, now, issuers)
    except (jwt.PyJWTError, ValueError, RecursionError, WrongToken):
        return False
    return header.get("alg") == ALGORITHM and bool(header.get("kid")) and "crit" not in header


def _check(claims: ClaimSet, expected: IdTokens, now: datetime, issuers: Collection[str]) -> None:
    told = read_claims(claims, _Claims)
    audiences = [told.audience] if isinstance(told.audience, str) else told.audience
    at, leeway = now.timestamp(), _LEEWAY.total_seconds()
    if told.issuer not in issuers:
        raise WrongToken("is of another issuer")
    if expected.audience not in audiences:
        raise WrongToken("is for another audience: set the same one there as in this source")
    if not told.expires > at - leeway:
        raise WrongToken("has expired; if it is new, one of the two clocks is wrong")
    if not max(told.begins or 0, told.issued or 0) <= at + leeway:
        raise WrongToken("is not valid yet; one of the two clocks is wrong")
    if not told.expires - (told.issued or at) <= _LONGEST_LIFE.total_seconds():
        raise WrongToken("is valid for more than 24 hours: let its issuer make shorter ones")
