"""How a request proves who sent it: HMAC, fixed headers, Basic and tokens, compared in constant time."""

import base64
import hmac
import re
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from app.core.errors import NotAuthentic
from app.senders.sender import Keys, WebhookRequest, is_key

_SIGNATURE = re.compile(r"([a-z0-9]+)=([0-9a-fA-F]+)")
_HEX = re.compile(r"[0-9a-fA-F]+")
_HEX_DIGITS = {"sha1": 40, "sha256": 64, "sha512": 128}
_BASIC = re.compile(r"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)


class NoKeyConfigured(NotAuthentic):
    """The source has no key, so nothing can be proven."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"No {kind} is configured for this source: configure one that is not blank")


class ProofMissing(NotAuthentic):
    """A request carries no proof, an empty one, or one of the wrong form."""

    def __init__(self, place: str, *, problem: str, expected: str) -> None:
        super().__init__(f"{place} {problem}: send {expected}")
        self.place = place


class WrongProof(NotAuthentic):
    """A request carries a proof that no configured key gives."""

    def __init__(self, place: str, *, check: str) -> None:
        super().__init__(f"{place} matches no key of this source: check {check}")
        self.place = place


class OutsideWindow(NotAuthentic):
    """A request was signed at a time too far from now: replayed, held up, or one of the two clocks is wrong."""

    def __init__(self, *, signed_at: datetime, now: datetime, window: timedelta) -> None:
        apart, minutes = abs((now - signed_at).total_seconds()), window.total_seconds() / 60
        super().__init__(
            f"Signed at {signed_at.isoformat()} by the sender's clock, but our clock says {now.isoformat()}: "
            f"{apart:.0f} s apart, more than the {minutes:.0f} minutes allowed; send it again, or set the wrong clock"
        )
        self.signed_at, self.now = signed_at, now


def verify_hmac(
    request: WebhookRequest,
    keys: Keys,
    *,
    header: str,
    signed: bytes,
    algorithms: Collection[str] = ("sha256",),
) -> None:
    """Check `header: <algorithm>=<hex>` against the HMAC of `signed` under any of the secrets.

    Raises NoKeyConfigured, ProofMissing, WrongProof.
    """
    if not keys.holds("secrets"):
        raise NoKeyConfigured("secret")
    algorithm, sent = _read_signature(request.headers.get(header.lower(), ""), header, algorithms)
    _require_match(sent, keys, header=header, signed=signed, algorithm=algorithm)


def verify_bare_hmac(
    request: WebhookRequest, keys: Keys, *, header: str, signed: bytes, algorithm: str = "sha256"
) -> None:
    """The same for a header that is the hex digits alone. Raises NoKeyConfigured, ProofMissing, WrongProof."""
    sent = expect_bare_hmac(request, keys, header=header, algorithm=algorithm)
    _require_match(sent, keys, header=header, signed=signed, algorithm=algorithm)


def expect_hmac(request: WebhookRequest, keys: Keys, *, header: str, algorithms: Collection[str] = ("sha256",)) -> None:
    """Check that a signature of the right form was sent, whatever it signs. Raises NoKeyConfigured, ProofMissing."""
    if not keys.holds("secrets"):
        raise NoKeyConfigured("secret")
    _read_signature(request.headers.get(header.lower(), ""), header, algorithms)


def expect_bare_hmac(request: WebhookRequest, keys: Keys, *, header: str, algorithm: str = "sha256") -> bytes:
    """Return what was sent as a signature of hex digits alone, whatever it signs.

    Raises NoKeyConfigured, ProofMissing.
    """
    if not keys.holds("secrets"):
        raise NoKeyConfigured("secret")
    sent, digits = request.headers.get(header.lower(), ""), _HEX_DIGITS[algorithm]
    expected = f"{digits} hex digits of HMAC-{algorithm.upper()}"
    if not sent:
        raise ProofMissing(header, problem="is missing or empty", expected=expected)
    if _HEX.fullmatch(sent) is None or len(sent) != digits:
        raise ProofMissing(header, problem="is malformed", expected=expected)
    return bytes.fromhex(sent)


def verify_headers(request: WebhookRequest, keys: Keys) -> None:
    """Check that every configured header was sent with one of its accepted values.

    Raises NoKeyConfigured, ProofMissing, WrongProof.
    """
    if not keys.holds("headers"):
        raise NoKeyConfigured("header with a value")
    for name, accepted in keys.headers.items():
        sent = request.headers.get(name.lower(), "")
        if not sent:
            raise ProofMissing(name, problem="is missing or empty", expected="the value configured for this source")
        if not _is_any_of(_header_bytes(sent), accepted):
            raise WrongProof(name, check="the header's value on both sides")


def verify_token(request: WebhookRequest, keys: Keys) -> None:
    """Check that the query's `token` is among those configured. Raises NoKeyConfigured, ProofMissing, WrongProof."""
    if not keys.holds("url_tokens"):
        raise NoKeyConfigured("URL token")
    token = request.query.get("token", "")
    if not token:
        raise ProofMissing("The URL's token", problem="is missing or empty", expected="?token=… in the URL")
    if not _is_any_of(token.encode("utf-8", "surrogatepass"), keys.url_tokens):
        raise WrongProof("The URL's token", check="it against this source's configuration")


def verify_shared_secret(request: WebhookRequest, keys: Keys) -> None:
    """Check the headers, or else the query's `token` or the Basic credentials: whatever of these is configured.

    Raises NoKeyConfigured, ProofMissing, WrongProof.
    """
    if keys.headers:
        verify_headers(request, keys)
    else:
        verify_token_or_basic(request, keys)


def verify_token_or_basic(request: WebhookRequest, keys: Keys) -> None:
    """Check that the query's `token` or the Basic credentials are among those configured.

    Raises NoKeyConfigured, ProofMissing, WrongProof.
    """
    if not (keys.holds("url_tokens") or keys.holds("basic")):
        raise NoKeyConfigured("URL token or Basic password")
    token, authorization = request.query.get("token", ""), request.headers.get("authorization", "")
    if not token and not authorization:
        raise ProofMissing(
            "The request", problem="carries no credentials", expected="?token=… in the URL, or Basic credentials"
        )
    by_token = _is_any_of(token.encode("utf-8", "surrogatepass"), keys.url_tokens)
    pairs = (f"{user}:{password}" for user, password in keys.basic if is_key(password))
    by_basic = bool(authorization) and _is_any_of(_read_basic(authorization), pairs)
    if not (by_token or by_basic):
        raise WrongProof("The URL token or Basic password", check="both against this source's configuration")


def _require_match(sent: bytes, keys: Keys, *, header: str, signed: bytes, algorithm: str) -> None:
    matches = [
        hmac.compare_digest(hmac.digest(_key_bytes(secret), signed, algorithm), sent)
        for secret in keys.secrets
        if is_key(secret)
    ]
    if not any(matches):
        raise WrongProof(header, check="the secret on both sides, and that nothing rewrites the body on its way")


def _read_signature(sent: str, header: str, algorithms: Collection[str]) -> tuple[str, bytes]:
    expected = " or ".join(f"{name}=<{_HEX_DIGITS[name]} hex digits>" for name in algorithms)
    if not sent:
        raise ProofMissing(header, problem="is missing or empty", expected=expected)
    match = _SIGNATURE.fullmatch(sent)
    if match is None or match[1] not in algorithms or len(match[2]) != _HEX_DIGITS[match[1]]:
        raise ProofMissing(header, problem="is malformed", expected=expected)
    return match[1], bytes.fromhex(match[2])


def _read_basic(authorization: str) -> bytes:
    match = _BASIC.fullmatch(authorization)
    try:
        return base64.b64decode(match[1], validate=True) if match else b""
    except ValueError:
        return b""


def _is_any_of(sent: bytes, accepted: Iterable[str]) -> bool:
    # All are compared, so that the time taken does not tell which key matched.
    matches = [hmac.compare_digest(_key_bytes(value), sent) for value in accepted if is_key(value)]
    return any(matches)


def _key_bytes(key: str) -> bytes:
    # What the environment holds as bytes that are no UTF-8 arrives here as surrogates.
    return key.encode("utf-8", "surrogateescape")


def _header_bytes(value: str) -> bytes:
    # Servers hand header bytes over as Latin-1 text (PEP 3333, ASGI).
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
