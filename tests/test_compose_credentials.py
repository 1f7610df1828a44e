"""What registries are shown, from the settings, and what is loaded for it."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from app.clients.registry.credentials.credential import SecretCredentials
from app.clients.registry.credentials.extras import load as load_extra
from app.clients.registry.errors import ExtraMissing
from app.compose.credentials import compose_credentials
from app.compose.systems import compose_registry
from app.core.errors import Refused
from app.settings.loading import load
from app.settings.systems import ImageRegistry
from tests.parts import required

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
CLOUDS = ("boto3", "botocore", "google.auth", "azure", "msal")


def registry_of(folder: Path, auth: str, host: str = HOST) -> ImageRegistry:
    file = folder / "fluxbridge.yaml"
    file.write_text(f'registries: {{one: {{host: "{host}", {auth}}}}}')
    return load(file, {"S": "s3cret"}).registries["one"]


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        pytest.param("user: ci, password: {env: S}", "Basic Y2k6czNjcmV0", id="short"),
        pytest.param("auth: {basic: {user: ci, password: {env: S}}}", "Basic Y2k6czNjcmV0", id="basic"),
        pytest.param("auth: {token: {env: S}}", "Bearer s3cret", id="token"),
    ],
)
def test_secrets_are_read_when_they_are_shown(tmp_path: Path, auth: str, header: str) -> None:
    credentials = compose_credentials(registry_of(tmp_path, auth))
    assert isinstance(credentials, SecretCredentials)
    assert credentials.current().header == header
    assert "s3cret" not in repr(credentials)


def test_a_command_is_run_when_it_is_needed(tmp_path: Path) -> None:
    printed = json.dumps({"user": "ci", "password": "s3cret"})
    program = f"[{sys.executable}, -c, 'print(''{printed}'')']"
    credentials = compose_credentials(registry_of(tmp_path, f"auth: {{command: {program}}}"))
    assert credentials is not None
    assert credentials.current().header == "Basic Y2k6czNjcmV0"


@pytest.mark.parametrize(
    ("auth", "package"),
    [
        pytest.param("auth: {ecr: {}}", "boto3", id="ecr"),
        pytest.param(
            "auth: {ecr: {role_arn: r, access_key_id: A, secret_access_key: {env: S}}}", "boto3", id="ecr-key"
        ),
        pytest.param("auth: {google: {}}", "google.auth", id="google"),
        pytest.param("auth: {google: {key: {env: S}}}", "google.auth", id="google-key"),
        pytest.param("auth: {azure: {}}", "azure.identity", id="azure"),
        pytest.param(
            "auth: {azure: {tenant_id: t, client_id: c, client_secret: {env: S}}}", "azure.identity", id="azure-secret"
        ),
    ],
)
def test_clouds_are_asked_only_when_it_is_needed(tmp_path: Path, auth: str, package: str) -> None:
    required(package)
    with closing(compose_registry(registry_of(tmp_path, auth))) as registry:
        assert not registry.is_shown_credentials


def test_the_libraries_of_clouds_are_loaded_only_where_they_are_configured(tmp_path: Path) -> None:
    file = tmp_path / "fluxbridge.yaml"
    file.write_text(f'registries: {{one: {{host: "{HOST}", user: ci, password: {{env: S}}}}}}')
    code = (
        "import sys; from pathlib import Path; import app.main, app.worker, app.cli.check\n"
        "from app.compose.systems import compose_systems; from app.settings.loading import load\n"
        f"compose_systems(load(Path({str(file)!r}), {{}}))\n"
        f"print([name for name in {CLOUDS!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_a_library_that_is_not_installed_is_told_with_how_to_install_it() -> None:
    with pytest.raises(ExtraMissing, match=r"pip install 'fluxbridge\[ecr\]'") as missing:
        load_extra("boto3_that_nobody_has.client", extra="ecr")
    assert isinstance(missing.value, Refused)
