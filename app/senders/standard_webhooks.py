"""The proof of Standard Webhooks: an HMAC over id, time and body, of which the header may hold several.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from app.senders.proofs import NoKeyConfigured, OutsideWindow, ProofMissing, WrongProof
from app.senders.sender import Keys, WebhookRequest

_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_KEY_PREFIX, _VERSION = "whsec_", "v1,"
_SHORTEST_KEY, _SHA_256 = 16, 32
_MOST_SIGNATURES = 10
_SECONDS = re.compile(r"[0-9]{1,11}")
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,256}")
_WINDOW = timedelta(minutes=5)


def verify_standard(request: WebhookRequest, keys: Keys, now: datetime) -> None:
    """Check that one of the signatures is over this id, time and body, and the time within 5 minutes of `now`.

    Each secret is `whsec_` and base64. Raises NoKeyConfigured, ProofMissing, WrongProof, OutsideWindow.
    """
    sent = expect_standard(request, keys, now)
    signed = f"{request.headers[_ID]}.{request.headers[_TIMESTAMP]}.".encode() + request.body
    expected = [hmac.digest(key, signed, "sha256") for key in _keys(keys)]
    matches = [hmac.compare_digest(one, other) for one in sent for other in expected]  # all of them, for the time
    if not any(matches):
        raise WrongProof("Webhook-Signature", check="the signing token on both sides, and that no proxy changes bodies")


def expect_standard(request: WebhookRequest, keys: Keys, now: datetime) -> Sequence[bytes]:
    """The signatures that were sent, whatever they sign. Raises NoKeyConfigured, ProofMissing, OutsideWindow."""
    if not _keys(keys):
        raise NoKeyConfigured("signing token (whsec_ and base64)")
    if not _PRINTABLE.fullmatch(request.headers.get(_ID, "")):
        raise ProofMissing(
            "Webhook-Id", problem="is missing, empty or malformed", expected="GitLab's own headers along"
        )
    _require_in_time(request.headers.get(_TIMESTAMP, ""), now)
    told = request.headers.get(_SIGNATURE, "")
    found = [one for text in told.split(" ")[:_MOST_SIGNATURES] if (one := _signature(text)) is not None]
    if not found:
        problem = "is malformed" if told else "is missing or empty"
        raise ProofMissing("Webhook-Signature", problem=problem, expected="v1, and an HMAC-SHA256 in base64")
    return found


def _require_in_time(told: str, now: datetime) -> None:
    if not _SECONDS.fullmatch(told):
        raise ProofMissing("Webhook-Timestamp", problem="is missing, empty or malformed", expected="seconds since 1970")
    try:
        signed_at = datetime.fromtimestamp(int(told), UTC)
    except (ValueError, OverflowError, OSError):
        raise ProofMissing("Webhook-Timestamp", problem="is no time", expected="seconds since 1970") from None
    if abs(now - signed_at) > _WINDOW:
        raise OutsideWindow(signed_at=signed_at, now=now, window=_WINDOW)


def _keys(keys: Keys) -> Sequence[bytes]:
    """The secrets as bytes, without those that are no signing tokens."""
    decoded = (_decoded(text.strip().removeprefix(_KEY_PREFIX)) for text in keys.secrets)
    return [key for key in decoded if key is not None and len(key) >= _SHORTEST_KEY]


def _signature(text: str) -> bytes | None:
    found = _decoded(text.removeprefix(_VERSION)) if text.startswith(_VERSION) else None
    return found if found is not None and len(found) == _SHA_256 else None


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
