"""The image and the compose file say what the program says: paths, user, commands, ports, settings."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from ruamel.yaml import YAML

from app.core.images import ImageName
from app.settings.loading import load
from app.settings.models import Settings
from app.settings.secrets import named_secrets, unreadable_secrets

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
FINAL_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]
VARIABLE = re.compile(r"\$\{([A-Z_]+):\?[^}]*\}")
VALUES = {"JENKINS_URL": "https://ci.acme.example", "GITHUB_REPOSITORY": "acme/fleet"}

Mapping = dict[str, object]


def instruction(name: str) -> str:
    found = re.findall(rf"^{name} (.+)$", FINAL_STAGE, re.MULTILINE)
    assert len(found) == 1, f"the final stage has {len(found)} {name}"
    return str(found[0]).strip()


def compose() -> Mapping:
    """The compose file after interpolation, every variable set to something."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return cast(
        "Mapping", YAML(typ="safe", pure=True).load(VARIABLE.sub(lambda v: VALUES.get(v[1], v[1].lower()), text))
    )


def part(*keys: str) -> Mapping:
    found: object = compose()
    for key in keys:
        found = cast("Mapping", found)[key]
    return cast("Mapping", found)


def bridge_settings(folder: Path) -> Settings:
    path = folder / "fluxbridge.yaml"
    path.write_text(str(part("configs", "settings")["content"]), encoding="utf-8")
    return load(path, cast("dict[str, str]", part("services", "bridge", "environment")))


def test_the_image_runs_as_another_user_than_root_and_owns_its_data() -> None:
    assert instruction("USER") == "10001:10001"
    assert "useradd --uid 10001" in FINAL_STAGE
    assert instruction("VOLUME") == "/data"
    assert "install -d -o fluxbridge" in FINAL_STAGE


def test_the_image_has_what_git_over_https_and_ssh_needs() -> None:
    assert {"git", "openssh-client", "ca-certificates"} <= set(FINAL_STAGE.split())


def test_the_image_is_built_from_the_lock_without_tools_for_development() -> None:
    syncs = re.findall(r"^RUN (uv sync .+)$", DOCKERFILE, re.MULTILINE)
    assert len(syncs) == 2
    assert all("--frozen --no-dev" in sync for sync in syncs)


def test_everything_that_the_image_copies_is_there_and_let_through() -> None:
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == let_through
    assert all((ROOT / source).exists() for source in copied)


def test_the_health_check_asks_the_port_that_is_exposed() -> None:
    command = json.loads(instruction("HEALTHCHECK").partition(" CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")
    assert f"http://127.0.0.1:{instruction('EXPOSE')}/healthz" in command[2]


@pytest.mark.parametrize("service", ["bridge", "migrate", "image"])
def test_the_commands_exist(service: str) -> None:
    command = json.loads(instruction("CMD")) if service == "image" else part("services", service)["command"]
    program = Path(sys.executable).parent / json.loads(instruction("ENTRYPOINT"))[0]
    arguments = [str(word) for word in cast("list[object]", command)]
    shown = subprocess.run(
        [program, *arguments, "--help"], capture_output=True, timeout=60, check=False, env=os.environ
    )
    assert shown.returncode == 0, shown.stderr.decode()


def test_the_settings_of_the_compose_file_are_read_with_every_secret_at_hand(tmp_path: Path) -> None:
    settings = bridge_settings(tmp_path)
    assert list(named_secrets(settings))
    assert unreadable_secrets(settings) == []


def test_compose_and_image_agree_on_paths_and_ports(tmp_path: Path) -> None:
    settings, bridge = bridge_settings(tmp_path), part("services", "bridge")
    mounted = cast("list[dict[str, str]]", bridge["configs"])[0]["target"]
    assert f"FLUXBRIDGE_CONFIG={mounted}" in FINAL_STAGE
    assert str(settings.data_dir) == instruction("VOLUME")
    assert bridge["volumes"] == [f"bridge-data:{settings.data_dir}"]
    assert str(settings.listen.port) == instruction("EXPOSE")
    assert bridge["ports"] == [f"127.0.0.1:{settings.listen.port}:{settings.listen.port}"]


def test_compose_and_settings_agree_on_the_database(tmp_path: Path) -> None:
    url = bridge_settings(tmp_path).database.connect_url(Path("/data"))
    environment = part("services", "postgres", "environment")
    assert url.host in part("services")
    assert (url.username, url.database, url.password) == (
        environment["POSTGRES_USER"],
        environment["POSTGRES_DB"],
        environment["POSTGRES_PASSWORD"],
    )


def test_the_registry_reports_to_the_source_that_expects_it(tmp_path: Path) -> None:
    settings = bridge_settings(tmp_path)
    text = str(part("configs", "registry")["content"])
    endpoint = YAML(typ="safe", pure=True).load(text)["notifications"]["endpoints"][0]
    source = settings.sources["registry"]
    assert source.kind == "distribution"
    assert endpoint["url"] == f"http://bridge:{settings.listen.port}/webhooks/registry"
    assert endpoint["headers"]["Authorization"] == [source.header["Authorization"][0].read()]
    entry = settings.registries[source.registry]
    assert ImageName.parse(f"{entry.host}/team/app").registry == entry.host
    assert entry.plain_http


def test_every_variable_of_the_compose_file_is_explained() -> None:
    docs = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    variables = set(VARIABLE.findall((ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    assert variables
    assert {name for name in variables if f"`{name}`" not in docs} == set()
