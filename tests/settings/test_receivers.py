"""Receivers in the settings: one a cluster, with its secret named by its place."""

from pathlib import Path

import pytest

from app.core.errors import Refused
from app.settings.loading import load
from app.settings.models import Settings
from app.settings.secrets import unusable_secrets


def read(folder: Path, receivers: str) -> Settings:
    file = folder / "fluxbridge.yaml"
    repo = f"{{url: ./fleet.git, branch: main, forge: {{kind: local}}, receivers: {receivers}}}"
    file.write_text(f"config_repos: {{fleet: {repo}}}\n", encoding="utf-8")
    return load(file, {})


def test_a_receiver_is_read_and_its_secret_is_looked_for(tmp_path: Path) -> None:
    settings = read(tmp_path, "{prod-eu: {url: 'https://flux.acme.example/hook/0a/', secret: {file: token}}}")
    receiver = settings.config_repos["fleet"].receivers["prod-eu"]
    assert receiver.url == "https://flux.acme.example/hook/0a"
    assert (receiver.ca_file, receiver.proxy) == (None, None)
    [problem] = [f"{key}: {why}" for key, why in unusable_secrets(settings).items()]
    assert problem.startswith("config_repos.fleet.receivers.prod-eu.secret: ")
    (tmp_path / "token").write_text("a-token\n")
    assert receiver.secret.read() == "a-token"


@pytest.mark.parametrize(
    ("receivers", "told"),
    [
        pytest.param("{prod-eu: {url: 'https://flux.acme.example/hook/0a'}}", "secret", id="no secret"),
        pytest.param(
            "{prod-eu: {url: 'flux.acme.example/hook/0a', secret: {env: T}}}", "http:// or https://", id="url"
        ),
        pytest.param("{prod-eu: {url: 'https://me:pw@flux.acme.example', secret: {env: T}}}", "user", id="login"),
        pytest.param("[{url: 'https://flux.acme.example/hook/0a', secret: {env: T}}]", "mapping", id="a list"),
    ],
)
def test_what_cannot_be_called_is_told_by_its_key_without_its_path(tmp_path: Path, receivers: str, told: str) -> None:
    with pytest.raises(Refused) as refused:
        read(tmp_path, receivers)
    said = str(refused.value)
    assert told in said
    assert "config_repos.fleet.receivers" in said
    assert not any(hidden in said for hidden in ("/hook/", "me:pw"))
