"""A report without a shared secret: the token of a build proves what that build says of itself, and nothing else."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.core.errors import NotAuthentic
from app.core.facts import BuildFinished, BuildMentioned
from app.senders import SENDERS
from app.senders.id_tokens import KeysNotFetched, WrongToken
from app.senders.key_sets import read_key_set
from app.senders.proofs import ProofMissing, WrongProof
from app.senders.sender import IdTokens, Keys, WebhookRequest
from tests.senders.examples import DIGEST, ORIGIN, PAYLOADS, load, read, with_headers
from tests.senders.id_tokens import KEY_ID, Published, key_called, public_keys

SENDER = SENDERS["jenkins"]
PLUGIN = load(PAYLOADS / "tokens" / "jenkins-oidc.json")
ROOT, ISSUER, AUDIENCE = "https://ci.acme.example", "https://ci.acme.example/oidc", "https://fluxbridge.acme.example"
JOB, JOB_URL, NUMBER = "shop/storefront/main", f"{ROOT}/job/shop/job/storefront/job/main/", 17
AT = datetime.fromtimestamp(1796000000, UTC)
KEY = "jenkins-key"


def expecting(published: Published, *, issuer: str = ISSUER, below: str = ROOT) -> Keys:
    """What a source is configured with that takes tokens of this Jenkins."""
    tokens = IdTokens(audience=AUDIENCE, signing_keys=published, issuer=issuer, jenkins_url=ROOT, jobs_below=below)
    return Keys(id_tokens=tokens)


OURS = expecting(Published(public_keys(KEY)))
PLUGINS = expecting(Published(read_key_set(json.dumps(PLUGIN["jwks"]).encode())))


def body(**changed: object) -> bytes:
    report = {
        "schema": 1,
        "job": JOB,
        "build_number": NUMBER,
        "result": "SUCCESS",
        "git": {"commit": "b" * 40, "branch": "main"},
        "images": [{"repository": "registry.acme.example/shop/app", "tag": "1.4.2", "digest": DIGEST}],
    }
    return json.dumps({**report, **changed}).encode()


def token(*, header: dict[str, Any] | None = None, key: str = KEY, **changed: object) -> str:
    """A token as the plugin mints it, by a key of ours; None takes a claim out."""
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "iat": AT.timestamp(),
        "exp": AT.timestamp() + 3600,
        "sub": JOB_URL,
        "build_number": NUMBER,
    }
    told = {name: value for name, value in {**claims, **changed}.items() if value is not None}
    return jwt.encode(told, key_called(key), algorithm="RS256", headers={"kid": KEY_ID, **(header or {})})


def sent(token: str, report: bytes | None = None) -> WebhookRequest:
    return WebhookRequest({"authorization": f"Bearer {token}"}, body() if report is None else report)


def verify(token: str, report: bytes | None = None, *, keys: Keys = OURS, now: datetime = AT) -> None:
    SENDER.verify(sent(token, report), keys, now)


@pytest.mark.parametrize("name", ["good", "aud-string"])
def test_what_the_plugin_mints_proves_its_own_build(name: str) -> None:
    request = sent(PLUGIN["tokens"][name])
    SENDER.verify(request, PLUGINS, AT)
    assert SENDER.prove_head(replace(request, body=b""), PLUGINS, AT)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("other-aud", WrongToken),
        ("outside-builds", WrongToken),
        ("build-number-string", WrongToken),
        ("folder-issuer", WrongToken),
        ("rotated-key-same-kid", WrongProof),
    ],
)
def test_what_else_it_mints_proves_nothing(name: str, error: type[NotAuthentic]) -> None:
    request = sent(PLUGIN["tokens"][name])
    for prove in (SENDER.verify, SENDER.prove_head):
        with pytest.raises(error):
            prove(request, PLUGINS, AT)


def test_the_issuer_of_a_folder_speaks_for_the_jobs_in_it() -> None:
    key_set = Published(read_key_set(json.dumps(PLUGIN["jwks"]).encode()))
    shop = expecting(key_set, issuer=f"{ISSUER}/job/shop", below=f"{ROOT}/job/shop")
    SENDER.verify(sent(PLUGIN["tokens"]["folder-issuer"]), shop, AT)
    other = expecting(key_set, issuer=f"{ISSUER}/job/other", below=f"{ROOT}/job/other")
    with pytest.raises(WrongToken, match="no job below"):
        SENDER.verify(sent(PLUGIN["tokens"]["other-folder-claims-shop-job"]), other, AT)


@pytest.mark.parametrize(
    ("job", "path"),
    [
        pytest.param("app", "job/app/", id="at the top"),
        pytest.param("shop/app/feature%2Flogin", "job/shop/job/app/job/feature%252Flogin/", id="a branch with a slash"),
        pytest.param("shop/an app", "job/shop/job/an%20app/", id="a space"),
    ],
)
def test_the_subject_is_the_address_of_the_job(job: str, path: str) -> None:
    verify(token(sub=f"{ROOT}/{path}"), body(job=job))


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(f"{ROOT}/job/shop/job/storefront/job/other/", id="another job"),
        pytest.param(f"{ROOT}/job/shop/", id="its folder"),
        pytest.param(f"{ROOT}/job/shop/job/storefront/job/main/job/x/", id="a job below it"),
        pytest.param(f"{ROOT}/job/shop/job/storefront%2Fmain/", id="a slash that is none"),
        pytest.param(f"{ROOT}/job/x/../shop/job/storefront/job/main/", id="a detour"),
        pytest.param(f"{ROOT}/job/shop/job/storefront/job/main/?", id="a question"),
        pytest.param(f"{ROOT}.evil.example/job/shop/job/storefront/job/main/", id="another host"),
        pytest.param("https://ci/job/shop/job/storefront/job/main/", id="another Jenkins"),
        pytest.param(f"{ROOT}/view/x/job/shop/job/storefront/job/main/", id="a view"),
        pytest.param(f"{ROOT}/", id="Jenkins itself"),
        pytest.param("jenkins:main:17", id="claims that were changed"),
        pytest.param(None, id="none"),
        pytest.param(7, id="a number"),
    ],
)
def test_a_build_speaks_for_no_job_but_its_own(subject: object) -> None:
    with pytest.raises(WrongToken):
        verify(token(sub=subject))


@pytest.mark.parametrize("number", [18, 1, 0, -17, None, "17", True, 17.5, 2**31])
def test_a_build_speaks_for_no_number_but_its_own(number: object) -> None:
    with pytest.raises(WrongToken):
        verify(token(build_number=number))


@pytest.mark.parametrize(
    "report",
    [b"", b"[]", b"{", body(job=None), body(build_number=None), b'{"job": "a", "job": "b", "build_number": 1}'],
)
def test_a_token_proves_no_body_that_names_no_build(report: bytes) -> None:
    with pytest.raises(WrongToken, match="the body is of none"):
        verify(token(), report)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        pytest.param({"iss": ISSUER + "/"}, "another issuer", id="issuer with a slash"),
        pytest.param({"iss": f"{ISSUER}/job/shop"}, "another issuer", id="a folder's issuer"),
        pytest.param({"iss": None}, "iss", id="no issuer"),
        pytest.param({"aud": None}, "aud", id="no audience"),
        pytest.param({"aud": ["https://vault.acme.example"]}, "another audience", id="another audience"),
        pytest.param({"aud": "x" + AUDIENCE}, "another audience", id="like our audience"),
        pytest.param({"exp": AT.timestamp() - 60}, "expired", id="expired"),
        pytest.param({"exp": None}, "exp", id="no end"),
        pytest.param({"nbf": AT.timestamp() + 61}, "not valid yet", id="begins later"),
        pytest.param({"iat": AT.timestamp() + 61}, "not valid yet", id="made later"),
        pytest.param({"exp": AT.timestamp() + 86401}, "more than 24 hours", id="for longer than a day"),
        pytest.param({"iat": None, "exp": 9e11}, "more than 24 hours", id="for ever"),
    ],
)
def test_a_token_that_is_not_for_us_now_is_refused(changed: dict[str, Any], problem: str) -> None:
    for prove in (SENDER.verify, SENDER.prove_head):
        with pytest.raises(WrongToken, match=problem):
            prove(sent(token(**changed)), OURS, AT)


def test_clocks_may_differ_by_a_minute() -> None:
    verify(token(nbf=AT.timestamp()), now=AT - timedelta(seconds=60))
    verify(token(), now=AT + timedelta(seconds=3659))


def _encoded(header: object, signature: bytes = b"") -> str:
    payload = token().split(".")[1]
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return f"{head}.{payload}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _by_the_public_key() -> str:
    pem = key_called(KEY).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing = _encoded({"alg": "HS256", "kid": KEY_ID}).rpartition(".")[0]
    return _encoded({"alg": "HS256", "kid": KEY_ID}, jwt.get_algorithm_by_name("HS256").sign(signing.encode(), pem))


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(_encoded({"alg": "none", "kid": KEY_ID}), id="none"),
        pytest.param(_by_the_public_key(), id="the public key as a secret"),
        pytest.param(token(key="another-key"), id="another key"),
        pytest.param(token()[:-2], id="a cut signature"),
        pytest.param(token(header={"kid": "unknown"}), id="an unknown key"),
        pytest.param(token(header={"kid": ""}), id="no key named"),
        pytest.param(token(header={"crit": ["b64"]}), id="an extension that must be known"),
        pytest.param("a.b.c", id="no token"),
    ],
)
def test_what_jenkins_did_not_sign_is_refused(forged: str) -> None:
    for prove in (SENDER.verify, SENDER.prove_head):
        with pytest.raises(WrongProof):
            prove(sent(forged), OURS, AT)


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("", id="nothing"),
        pytest.param(f"Bearer {token()}, Bearer {token()}", id="sent twice"),
        pytest.param(f"Bearer {'a' * 16385}", id="huge"),
        pytest.param(f"Basic {token()}", id="no bearer"),
    ],
)
def test_what_is_no_single_token_is_refused(authorization: str) -> None:
    for prove in (SENDER.verify, SENDER.prove_head):
        with pytest.raises(ProofMissing):
            prove(WebhookRequest({"authorization": authorization}, body()), OURS, AT)


@pytest.mark.parametrize("name", ["x-signature-timestamp", "x-signature"])
def test_a_token_beside_a_signature_is_refused(name: str) -> None:
    with pytest.raises(ProofMissing, match="the token alone"):
        SENDER.prove_head(with_headers(sent(token()), **{name: "1760000123"}), OURS, AT)


def test_a_token_is_nothing_to_a_source_with_a_secret() -> None:
    with pytest.raises(NotAuthentic):
        SENDER.verify(sent(token()), Keys(secrets=("a-secret",)), AT)


def test_a_key_that_changed_under_its_id_is_taken_when_the_report_comes_again() -> None:
    published = Published(public_keys("old-key"), newer=public_keys(KEY))
    with pytest.raises(KeysNotFetched) as later:
        verify(token(), keys=expecting(published))
    assert later.value.retry_after
    verify(token(), keys=expecting(published))


@pytest.mark.parametrize(
    "forged",
    [
        token(key="another-key", aud="https://vault.acme.example"),
        token(key="another-key", iat=AT.timestamp() - 7200, exp=AT.timestamp() - 3600),
        token(key="another-key", iss="https://evil.example/oidc"),
        _encoded({"alg": "none", "kid": KEY_ID}),
        _by_the_public_key(),
        "a.b.c",
    ],
)
def test_what_would_not_hold_under_any_key_makes_nobody_ask_for_keys(forged: str) -> None:
    published = Published(public_keys(KEY), newer=public_keys(KEY))
    with pytest.raises(WrongProof):
        verify(forged, keys=expecting(published))
    assert published.doubts == 0


def test_a_token_whose_key_is_not_to_be_had_is_wrong() -> None:
    published = Published(public_keys("old-key"))
    with pytest.raises(WrongProof):
        verify(token(), keys=expecting(published))
    assert published.doubts == 1


def test_no_error_tells_the_token() -> None:
    for one in (token(aud="x"), token(key="another-key"), token(sub="x")):
        with pytest.raises(NotAuthentic) as refused:
            verify(one)
        assert not set(one.split(".")) & set(str(refused.value).split())


def test_what_a_token_proves_is_a_build_that_jenkins_is_asked_about() -> None:
    [fact] = SENDER.parse(WebhookRequest({"content-type": "application/json"}, body()), ORIGIN).facts
    [signed] = read("jenkins", body()).facts
    assert isinstance(signed, BuildFinished)
    assert fact == BuildMentioned(controller="main", job=JOB, number=NUMBER, report=signed)
