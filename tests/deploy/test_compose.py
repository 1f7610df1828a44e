"""The compose files say what the image and the settings say: paths, ports, secrets, who waits for whom."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.main import get_group

from app.cli.commands import app
from app.core.images import ImageName
from app.demo.__main__ import program as demo
from app.demo.surroundings import Surroundings
from app.settings.loading import load
from app.settings.models import Settings
from app.settings.secrets import named_secrets
from tests.deploy.written import ROOT, VARIABLE, compose, instruction, read_yaml

OWN = "deploy/compose/own.yml"
DOCS = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").partition("\n## With Docker\n")[2]


def services() -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"]
    return found


def settings(path: str = "deploy/compose/fluxbridge.yaml") -> Settings:
    return load(ROOT / path, {})


@pytest.fixture
def prepared(tmp_path: Path) -> Surroundings:
    """What the service `prepare` makes."""
    made = Surroundings(tmp_path / "secrets", tmp_path / "git", registry="registry:5000", bridge="http://bridge:8080")
    made.git.mkdir()
    made.prepare()
    return made


def test_the_first_up_needs_no_variable_and_no_file_that_is_not_there() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert all(found[2] == "-" and found[3] for found in VARIABLE.finditer(text))
    assert (ROOT / compose()["configs"]["settings"]["file"]).is_file()
    assert not any("env_file" in service for service in services().values())


def test_no_config_is_written_into_a_read_only_container() -> None:
    for path in ("docker-compose.yml", OWN):
        assert all(set(config) == {"file"} for config in compose(path)["configs"].values())


def test_the_settings_are_where_the_image_looks() -> None:
    [config] = services()["bridge"]["configs"]
    assert config["source"] in compose()["configs"]
    assert f"FLUXBRIDGE_CONFIG={config['target']} " in f"{instruction('ENV')} "


@pytest.mark.parametrize("path", ["deploy/compose/fluxbridge.yaml", "deploy/compose/own-fluxbridge.yaml"])
def test_every_secret_file_that_settings_name_is_made_by_prepare(prepared: Surroundings, path: str) -> None:
    files = [secret.file for _, secret in named_secrets(settings(path)) if secret.file]
    assert files
    for file in files:
        assert file.parent == Path("/secrets")
        assert (prepared.secrets / file.name).read_text()


def test_the_demo_reads_nothing_from_the_environment() -> None:
    assert [secret.env for _, secret in named_secrets(settings()) if secret.env] == []


def test_settings_volumes_and_ports_agree() -> None:
    bridge, read = services()["bridge"], settings()
    assert str(read.data_dir) == instruction("VOLUME")
    assert bridge["volumes"] == [f"bridge-data:{read.data_dir}", "secrets:/secrets:ro", "git:/srv/git"]
    assert bridge["ports"] == [f"127.0.0.1:{read.listen.port}:{read.listen.port}"]
    assert str(read.listen.port) == instruction("EXPOSE")
    assert read.config_repos["fleet"].url == "/srv/git/fleet.git"
    mounted = {one.split(":")[0] for service in services().values() for one in service.get("volumes", [])}
    assert mounted == set(compose()["volumes"])


def test_only_this_machine_reaches_what_is_published() -> None:
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert len(published) == 3
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("path", ["deploy/compose/fluxbridge.yaml", "deploy/compose/own-fluxbridge.yaml"])
def test_the_database_is_the_one_of_the_file(path: str) -> None:
    environment = services()["postgres"]["environment"]
    database = settings(path).database
    assert database.password is not None
    url = f"postgresql+psycopg://{environment['POSTGRES_USER']}@postgres:5432/{environment['POSTGRES_DB']}"
    assert database.url == url
    assert str(database.password.file) == environment["POSTGRES_PASSWORD_FILE"]
    assert "postgres" in services()


def test_the_registry_reports_to_the_source_that_expects_it(prepared: Surroundings) -> None:
    path = services()["registry"]["command"][1]
    told = read_yaml((prepared.secrets / Path(path).name).read_text())
    [endpoint] = told["notifications"]["endpoints"]
    source = settings().sources["registry"]
    assert source.kind == "distribution"
    assert endpoint["url"] == f"http://bridge:{settings().listen.port}/webhooks/registry"
    assert source.header is not None
    [header] = source.header["Authorization"]
    assert header.file is not None
    assert endpoint["headers"]["Authorization"] == [(prepared.secrets / header.file.name).read_text()]
    registry = settings().registries[source.registry]
    assert ImageName.parse(f"{registry.host}/team/app").registry == registry.host == f"registry{told['http']['addr']}"
    [port] = services()["registry"]["ports"]
    assert port.endswith(told["http"]["addr"])
    assert port.removesuffix(told["http"]["addr"]) in registry.aliases
    [volume] = [one for one in services()["registry"]["volumes"] if one.startswith("registry-data:")]
    assert volume.partition(":")[2] == told["storage"]["filesystem"]["rootdirectory"]


def test_nothing_starts_before_what_it_needs() -> None:
    waits = {name: service.get("depends_on", {}) for name, service in services().items()}
    assert set(waits["migrate"]) == {"prepare", "postgres"}
    assert waits["bridge"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert waits["migrate"]["postgres"] == {"condition": "service_healthy"}
    for name, service in services().items():
        reads = any(one.startswith(("secrets:", "git:")) for one in service["volumes"])
        assert name in {"prepare", "demo"} or not reads or "prepare" in reached(name)


def reached(name: str) -> set[str]:
    """All that a service waits for, by others too."""
    nearest = set(services()[name].get("depends_on", {}))
    return nearest.union(*(reached(one) for one in nearest))


def test_only_what_makes_things_may_write_them() -> None:
    writers = {name for name, service in services().items() if "secrets:/secrets" in service.get("volumes", [])}
    assert writers == {"prepare"}
    assert services()["git"]["volumes"] == ["git:/srv/git:ro"]


def test_the_second_file_takes_away_only_what_the_bridge_does_not_wait_for() -> None:
    own = compose(OWN)
    taken = {name for name, service in own["services"].items() if service.get("profiles")}
    assert taken == {"registry", "images", "git"}
    assert not taken & (reached("bridge") | {"bridge"})
    assert set(own["services"]) <= set(services())
    assert own["configs"].keys() == compose()["configs"].keys()


def test_every_variable_is_explained() -> None:
    variables = {found[1] for found in VARIABLE.finditer((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))}
    assert {name for name in variables if f"`{name}`" not in DOCS} == set()


def test_one_line_makes_every_later_command_take_the_second_file() -> None:
    line = f"COMPOSE_FILE=docker-compose.yml:{OWN}"
    assert f"   {line}\n" in DOCS
    assert line in (ROOT / OWN).read_text(encoding="utf-8")
    assert "docker compose -f" not in DOCS


def test_what_one_writes_for_oneself_is_kept_out_of_git() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    written = {
        file.removeprefix("./") for service in compose(OWN)["services"].values() for file in service.get("env_file", [])
    }
    written |= {config["file"].removeprefix("./") for config in compose(OWN)["configs"].values()} | {".env"}
    assert {f"/{name}" for name in written} <= set(ignored)


def test_every_image_that_is_not_ours_is_named_where_pinning_is_told() -> None:
    told = DOCS.partition("\n### Images that move\n")[2]
    theirs = {service["image"] for service in services().values()} - {services()["bridge"]["image"]}
    base = re.search(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert base
    assert {image for image in {*theirs, base[1]} if f"`{image}`" not in told} == set()


def test_every_secret_of_ones_own_is_in_the_example_of_its_file() -> None:
    named = {secret.env for _, secret in named_secrets(settings("deploy/compose/own-fluxbridge.yaml")) if secret.env}
    assert {name for name in named if f"   {name}='" not in DOCS} == set()


@pytest.mark.parametrize(("service", "program"), [("demo", demo), ("bridge", app)], ids=["demo", "bridge"])
def test_every_command_that_the_page_gives_to_a_service_exists(service: str, program: Typer) -> None:
    told = re.findall(rf"docker compose (?:run --rm|exec) {service} (?:fluxbridge )?([a-z]+)", DOCS)
    assert service in services()
    assert set(told) - {"cat"}
    assert set(told) - {"cat"} <= set(get_group(program).commands)
