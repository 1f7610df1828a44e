"""A token proves who sends only where all of it holds: signature, issuer, audience, account, time."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import NotAuthentic
from app.senders import SENDERS
from app.senders.id_tokens import KeysNotFetched, WrongToken
from app.senders.key_sets import KeysUnusable, read_key_set
from app.senders.proofs import ProofMissing, WrongProof
from app.senders.sender import IdTokens, Keys, WebhookRequest
from tests.senders.examples import KEYS, SIGNED_AT
from tests.senders.id_tokens import ACCOUNT, AUDIENCE, KEY_ID, Published, claims, key_called, key_set, minted

NAME = "lumen-google-key"
HOUR = timedelta(hours=1)


def verify(authorization: str, *, keys: Keys = KEYS["google"], after: timedelta = timedelta()) -> None:
    request = WebhookRequest({"authorization": authorization}, b"{}")
    SENDERS["google"].verify(request, keys, SIGNED_AT + after)


def encoded(header: object, payload: object, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return "Bearer " + ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def test_a_token_holds_for_its_hour_and_a_minute_at_each_end() -> None:
    for after in (timedelta(seconds=-60), timedelta(0), HOUR + timedelta(seconds=59)):
        verify(minted(NAME, SIGNED_AT), after=after)
    for after in (timedelta(seconds=-61), HOUR + timedelta(seconds=60), timedelta(days=1)):
        with pytest.raises(WrongToken, match=r"expired|not valid yet"):
            verify(minted(NAME, SIGNED_AT), after=after)


@pytest.mark.parametrize("issuer", ["accounts.google.com", "https://accounts.google.com"])
@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["https://other.example", AUDIENCE]])
def test_both_issuers_and_both_forms_of_audience_hold(issuer: str, audience: object) -> None:
    verify(minted(NAME, SIGNED_AT, iss=issuer, aud=audience))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        pytest.param({"aud": "https://other.example"}, "another audience", id="another audience"),
        pytest.param({"aud": AUDIENCE + "/"}, "another audience", id="a longer audience"),
        pytest.param({"aud": []}, "another audience", id="no audience in the list"),
        pytest.param({"aud": None}, "aud", id="no audience"),
        pytest.param({"iss": "https://accounts.google.com.evil.example"}, "another issuer", id="a foreign issuer"),
        pytest.param({"iss": None}, "iss", id="no issuer"),
        pytest.param({"email": "push@evil.iam.gserviceaccount.com"}, "another account", id="another customer"),
        pytest.param({"email": None}, "email", id="no account"),
        pytest.param({"email_verified": False}, "another account", id="an account that is not verified"),
        pytest.param({"email_verified": "true"}, "email_verified", id="verified as text"),
        pytest.param({"exp": None}, "exp", id="no end"),
        pytest.param({"exp": "9999999999"}, "exp", id="an end as text"),
        pytest.param({"exp": float("nan")}, "expired", id="an end that is no number"),
        pytest.param({"nbf": SIGNED_AT.timestamp() + 61}, "not valid yet", id="begins later"),
    ],
)
def test_a_signed_token_that_says_something_else_is_refused(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(WrongToken, match=problem) as refused:
        verify(minted(NAME, SIGNED_AT, **changed))
    assert ACCOUNT not in str(refused.value)


def unsigned() -> str:
    return encoded({"alg": "none", "kid": KEY_ID}, claims(SIGNED_AT))


def signed_with_the_public_key() -> str:
    pem = key_called(NAME).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing = encoded({"alg": "HS256", "kid": KEY_ID}, claims(SIGNED_AT)).removeprefix("Bearer ").rpartition(".")[0]
    mac = jwt.get_algorithm_by_name("HS256").sign(signing.encode(), pem)
    return f"Bearer {signing}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def with_changed_claims() -> str:
    head, _, signature = minted(NAME, SIGNED_AT).split(".")
    return ".".join((head, encoded({}, claims(SIGNED_AT, sub="1")).split(".")[1], signature))


def of(**header: Any) -> str:
    return "Bearer " + jwt.encode(claims(SIGNED_AT), key_called(NAME), algorithm="RS256", headers=header)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(unsigned, id="none as the algorithm"),
        pytest.param(signed_with_the_public_key, id="the public key as a secret"),
        pytest.param(with_changed_claims, id="other claims under the signature"),
        pytest.param(lambda: minted(NAME, SIGNED_AT)[:-4], id="a cut signature"),
        pytest.param(lambda: minted("another-key", SIGNED_AT), id="another key of the same name"),
        pytest.param(lambda: of(kid="unknown"), id="an unknown key"),
        pytest.param(of, id="no key named"),
        pytest.param(lambda: of(kid=KEY_ID, crit=["b64"], b64=True), id="an extension that must be known"),
        pytest.param(lambda: encoded({"alg": "RS256", "kid": [KEY_ID]}, {}), id="a key named by a list"),
        pytest.param(lambda: "Bearer a.b", id="two parts"),
        pytest.param(lambda: "Bearer ....", id="no parts"),
    ],
)
def test_what_no_key_of_the_issuer_signed_is_refused(make: Callable[[], str]) -> None:
    with pytest.raises(WrongProof, match="matches no key of this source"):
        verify(make())


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer a b", "x"])
def test_what_is_no_token_is_refused(sent: str) -> None:
    with pytest.raises(ProofMissing):
        verify(sent)


def test_while_the_keys_are_not_there_nothing_is_accepted_and_the_sender_is_to_come_again() -> None:
    keys = Keys(id_tokens=IdTokens(audience=AUDIENCE, account=ACCOUNT, signing_keys=Published(None)))
    with pytest.raises(KeysNotFetched) as later:
        verify(minted(NAME, SIGNED_AT), keys=keys)
    assert later.value.retry_after
    with pytest.raises(ProofMissing):
        verify("", keys=keys)


@given(st.text(), st.text(), st.binary(max_size=300))
def test_no_invented_token_is_accepted(header: str, payload: str, signature: bytes) -> None:
    with pytest.raises(NotAuthentic):
        verify(encoded(header, payload, signature))
    with pytest.raises(NotAuthentic):
        verify(f"Bearer {header}.{payload}")


def test_of_a_key_set_the_signing_keys_of_rsa_are_taken() -> None:
    [ours] = json.loads(key_set(NAME))["keys"]
    others = [
        {**ours, "kid": "enc", "use": "enc"},
        {**ours, "kid": "ps", "alg": "PS256"},
        {"kty": "EC", "kid": "ec", "crv": "P-256", "x": "1", "y": "2"},
        {**ours, "kid": None},
    ]
    bare = {name: ours[name] for name in ("kty", "n", "e")} | {"kid": "bare", "x5c": ["…"]}
    found = read_key_set(json.dumps({"keys": [*others, ours, bare], "more": 1}).encode())
    assert set(found) == {KEY_ID, "bare"}
    assert found[KEY_ID].public_numbers() == key_called(NAME).public_key().public_numbers()


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>", id="a page"),
        pytest.param(b'{"keys": []}', id="no keys"),
        pytest.param(b'{"keys": [1]}', id="a number as a key"),
        pytest.param(b'{"keys": [{"kty": "RSA", "kid": "1", "n": "!", "e": "AQAB"}]}', id="no number"),
        pytest.param(b'{"keys": [{"kty": "RSA", "kid": "1", "e": "AQAB"}]}', id="half a key"),
        pytest.param(b'{"keys": [' + b",".join([b"{}"] * 65) + b"]}", id="too many"),
    ],
)
def test_what_holds_no_key_is_unusable(document: bytes) -> None:
    with pytest.raises(KeysUnusable):
        read_key_set(document)
