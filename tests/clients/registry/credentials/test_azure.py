"""Azure's registries: who Entra ID is told that we are, and the exchange. The client is azure-identity."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import pytest

from app.clients.registry.credentials.azure import Azure, ClientSecret
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from tests.parts import required
from tests.servers.scripted_http import Answer, Asked, Running, answering, own_certificate

TENANT = "11111111-2222-3333-4444-555555555555"
SECRET = ClientSecret(TENANT, "app-1", lambda: "client-s3cret")
REFRESH = jwt.encode({"iat": 1000, "exp": 11_800, "jti": "s3cret"}, "k" * 32)


class EntraID:
    """The token service of Microsoft, which only TLS reaches."""

    def __init__(self) -> None:
        self.url = ""
        self.told = Answer({"access_token": "aad-s3cret", "expires_in": 3599, "token_type": "Bearer"})

    def __call__(self, asked: Asked) -> Answer:
        if asked.path.endswith("/token"):
            return self.told
        return Answer(
            {
                "issuer": f"{self.url}/{TENANT}/v2.0",
                "token_endpoint": f"{self.url}/{TENANT}/oauth2/v2.0/token",
                "authorization_endpoint": f"{self.url}/{TENANT}/oauth2/v2.0/authorize",
            }
        )


class Registry:
    """The part of a registry that exchanges tokens."""

    def __init__(self) -> None:
        self.told = Answer({"refresh_token": REFRESH})

    def __call__(self, asked: Asked) -> Answer:
        assert (asked.method, asked.path) == ("POST", "/oauth2/exchange")
        return self.told


@dataclass(frozen=True, slots=True)
class World:
    """Both of them, at ports of loopback."""

    entra: EntraID
    registry: Registry
    entra_at: Running
    registry_at: Running
    certificate: Path

    def azure(self, secret: ClientSecret | None = SECRET, client_id: str | None = None) -> Azure:
        return Azure(self.registry_at.host, secret=secret, client_id=client_id, ca_file=self.certificate)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    required("azure.identity")
    for name in ("CLIENT_ID", "TENANT_ID", "CLIENT_SECRET", "FEDERATED_TOKEN_FILE", "TOKEN_CREDENTIALS"):
        monkeypatch.delenv(f"AZURE_{name}", raising=False)
    entra, registry, certificate = EntraID(), Registry(), own_certificate(tmp_path)
    with ExitStack() as stack:
        entra_at = stack.enter_context(answering(entra, certificate=certificate))
        registry_at = stack.enter_context(answering(registry, certificate=certificate))
        entra.url = entra_at.url
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", entra_at.url)
        yield World(entra, registry, entra_at, registry_at, certificate)


def test_a_clients_secret_is_exchanged_for_a_password(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        issued = world.azure().issue()
    assert (issued.user, issued.secret) == ("00000000-0000-0000-0000-000000000000", REFRESH)
    assert issued.lasts_s == 10_800
    asked = parse_qs(world.entra_at.asked[-1].body)
    assert (asked["client_id"], asked["scope"][0].split()[0]) == (
        ["app-1"],
        "https://containerregistry.azure.net/.default",
    )
    assert parse_qs(world.registry_at.asked[0].body) == {
        "grant_type": ["access_token"],
        "service": [world.registry_at.host],
        "access_token": ["aad-s3cret"],
    }
    assert "s3cret" not in caplog.text
    assert REFRESH not in caplog.text


def test_a_secret_that_was_changed_is_shown(world: World) -> None:
    secrets = iter(["old", "new"])
    azure = world.azure(ClientSecret(TENANT, "app-1", lambda: next(secrets)))
    azure.issue()
    azure.issue()
    shown = [parse_qs(one.body)["client_secret"] for one in world.entra_at.asked if one.path.endswith("/token")]
    assert shown == [["old"], ["new"]]


def test_a_pod_is_known_by_its_workload_identity(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("pod-token")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AZURE_CLIENT_ID", "of-the-pod")
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    assert world.azure(secret=None).issue().secret == REFRESH
    asked = parse_qs(world.entra_at.asked[-1].body)
    assert (asked["client_id"], asked["client_assertion"]) == (["of-the-pod"], ["pod-token"])


def test_a_machine_is_known_by_its_managed_identity(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"access_token": "aad-s3cret", "expires_in": "3599", "expires_on": str(int(time.time()) + 3599)}
    with answering(lambda _: Answer(told | {"resource": "x", "token_type": "Bearer"})) as metadata:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", metadata.url)
        assert world.azure(secret=None, client_id="mi-1").issue().secret == REFRESH
    assert any("client_id=mi-1" in asked.path for asked in metadata.asked)


def test_what_entra_id_refuses_is_told(world: World) -> None:
    world.entra.told = Answer(
        {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret"}, 401
    )
    with pytest.raises(RegistryRefused, match=r"Azure refuses us: .*AADSTS7000215.*; check auth\.azure") as failed:
        world.azure().issue()
    assert "s3cret" not in str(failed.value)


def test_an_entra_id_that_cannot_be_reached_is_for_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://127.0.0.1:1")
    with pytest.raises(RegistryUnavailable, match="Azure cannot be asked"):
        world.azure().issue()


@pytest.mark.parametrize(
    ("told", "kind", "words"),
    [
        pytest.param(Answer({}, 401), RegistryRefused, "answered 401; check that auth.azure may AcrPull", id="401"),
        pytest.param(Answer({}, 503), RegistryUnavailable, "exchange answered 503", id="503"),
        pytest.param(Answer({"x": "s3cret"}), RegistryUnavailable, "answered with no token", id="no token"),
        pytest.param(
            Answer("", 307, {"Location": "http://127.0.0.1:1/"}), RegistryUnavailable, "answered 307", id="elsewhere"
        ),
    ],
)
def test_what_the_registry_answers_is_told(world: World, told: Answer, kind: type[Exception], words: str) -> None:
    world.registry.told = told
    with pytest.raises(kind, match=words) as failed:
        world.azure().issue()
    assert "s3cret" not in str(failed.value)


def test_a_token_that_does_not_say_for_how_long_is_kept_for_ten_minutes(world: World) -> None:
    world.registry.told = Answer({"refresh_token": "opaque"})
    assert world.azure().issue().lasts_s == 600
