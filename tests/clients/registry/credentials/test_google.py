"""Google's registries: who Google is told that we are, and what comes of its answers. The client is google-auth."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.clients.registry.credentials.google import Google
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from tests.parts import required
from tests.servers.scripted_http import Answer, Asked, Running, answering

HOST = "europe-docker.pkg.dev"
_AUDIENCE = "https://oauth2.googleapis.com/token"
TOKEN = "ya29-s3cret"
ACCOUNT = "reader@fleet.iam.gserviceaccount.com"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class GoogleThere:
    """Google's token service, and the metadata server of a machine at Google."""

    def __init__(self) -> None:
        self.told = Answer({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    def __call__(self, asked: Asked) -> Answer:
        flavor = {"Metadata-Flavor": "Google"}
        match asked.path.partition("?")[0]:
            case "/token" | "/computeMetadata/v1/instance/service-accounts/default/token":
                return Answer(self.told.content, self.told.status, flavor)
            case "/computeMetadata/v1/instance/service-accounts/default/":
                return Answer({"email": ACCOUNT, "scopes": [], "aliases": ["default"]}, headers=flavor)
            case "/computeMetadata/v1/project/project-id":
                return Answer("fleet", headers=flavor)
        return Answer("", headers=flavor)


@pytest.fixture
def google() -> GoogleThere:
    return GoogleThere()


@pytest.fixture
def there(google: GoogleThere, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Running]:
    """Google at a port of loopback, and nothing of this machine that says who we are."""
    required("google.auth")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with answering(google) as running:
        yield running


def key_of(there: Running) -> str:
    """The JSON key of a service account, as Google makes them."""
    pem = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "fleet",
            "private_key_id": "k1",
            "private_key": pem,
            "client_email": ACCOUNT,
            "token_uri": f"{there.url}/token",
        }
    )


def test_the_key_of_a_service_account_signs_for_a_token(there: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        issued = Google(HOST, key=lambda: key_of(there)).issue()
    assert (issued.user, issued.secret) == ("oauth2accesstoken", TOKEN)
    assert 3500 < issued.lasts_s <= 3600
    [assertion] = parse_qs(there.asked[0].body)["assertion"]
    claims = jwt.decode(assertion, KEY.public_key(), algorithms=["RS256"], audience=_AUDIENCE)
    assert claims["iss"] == ACCOUNT
    assert TOKEN not in caplog.text


def test_the_service_account_of_a_pod_or_machine_is_asked_of_its_metadata(
    there: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_GCE_CHECK")
    monkeypatch.setenv("GCE_METADATA_HOST", there.host)
    monkeypatch.setenv("GCE_METADATA_IP", there.host)
    # In a process of its own: google-auth reads the first of these when it is imported.
    code = (
        "from app.clients.registry.credentials.google import Google\n"
        f"issued = Google({HOST!r}).issue(); print(issued.user, issued.secret)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == (f"oauth2accesstoken {TOKEN}\n", 0), done.stderr
    assert all(asked.headers.get("metadata-flavor") == "Google" for asked in there.asked)


@pytest.mark.usefixtures("there")
def test_who_we_are_must_be_known() -> None:
    with pytest.raises(RegistryRefused, match=r"Google is not told who we are: give auth\.google\.key"):
        Google(HOST).issue()


@pytest.mark.parametrize(
    "text", ["s3cret", "[]", "{}", '{"private_key": "s3cret", "client_email": "a", "token_uri": "b"}']
)
@pytest.mark.usefixtures("there")
def test_what_is_no_key_is_told_without_it(text: str) -> None:
    with pytest.raises(RegistryRefused, match="holds no key of a service account") as refused:
        Google(HOST, key=lambda: text).issue()
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("told", "kind", "words"),
    [
        pytest.param(
            Answer({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400),
            RegistryRefused,
            "invalid_grant: Invalid JWT Signature.; check auth.google",
            id="refused",
        ),
        pytest.param(Answer({}, 200), RegistryRefused, "No access token", id="no token"),
    ],
)
def test_what_google_answers_is_told(
    there: Running, google: GoogleThere, told: Answer, kind: type[Exception], words: str
) -> None:
    google.told = told
    with pytest.raises(kind, match=words):
        Google(HOST, key=lambda: key_of(there)).issue()


def test_a_google_that_cannot_be_reached_is_for_later(there: Running) -> None:
    key = json.dumps(json.loads(key_of(there)) | {"token_uri": "http://127.0.0.1:1/token"})
    with pytest.raises(RegistryUnavailable, match="Google cannot be asked"):
        Google(HOST, key=lambda: key).issue()
