"""Commands that run the server, or refuse to; and those that answer without one."""

import json
import signal
import socket
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from app.db.database import Database
from tests.cli.console import Console, ending, read_until, start
from tests.end_to_end.bridge import ENVIRONMENT, Bridge
from tests.servers.bare_repository import BareRepository
from tests.servers.ports import free_port
from tests.servers.postgres import Postgres

CONFIG_REPOS = "config_repos: {fleet: {url: ./fleet.git, branch: main, forge: {kind: local}}}\n"


@pytest.fixture
def settings_file(tmp_path: Path, console: Console) -> Path:
    """Settings over SQLite with one config repository; the terminal uses them."""
    BareRepository.create(tmp_path / "fleet.git").commit("main", {"README.md": "Here.\n"})
    path = tmp_path / "fluxbridge.yaml"
    path.write_text(f"listen: {{port: 0}}\n{CONFIG_REPOS}")
    console.use(path)
    return path


@pytest.mark.parametrize("arguments", [("serve", "--no-workers"), ("work",)], ids=" ".join)
def test_half_a_server_needs_postgresql(settings_file: Path, console: Console, arguments: tuple[str, ...]) -> None:
    assert "needs PostgreSQL: a SQLite file belongs to one process" in console.refused(6, *arguments)
    assert not (settings_file.parent / "data").exists()


def test_nobody_listens_beyond_loopback_without_a_token(settings_file: Path, console: Console) -> None:
    settings_file.write_text(f"listen: {{host: 0.0.0.0, port: 0}}\n{CONFIG_REPOS}")
    assert "api.tokens" in console.refused(6, "serve")


def test_a_second_server_over_the_same_folder_is_refused(told: Bridge, asking: Console) -> None:
    assert "belongs to another running process" in asking.refused(6, "serve")
    assert httpx.get(f"{told.url}/healthz", trust_env=False).is_success
    assert asking.run("status").code == 0


def test_an_address_that_is_taken_is_told(settings_file: Path, console: Console) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings_file.write_text(f"listen: {{port: {port}}}\n{CONFIG_REPOS}")
        assert f"cannot listen on 127.0.0.1:{port}" in console.refused(6, "serve")


def test_a_data_folder_that_cannot_be_made_is_told(settings_file: Path, console: Console) -> None:
    (settings_file.parent / "file").touch()
    settings_file.write_text(f"data_dir: ./file/data\n{CONFIG_REPOS}")
    assert "the data folder" in console.refused(6, "serve")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_server_is_found_while_it_runs_and_puts_its_work_down_when_told_to_end(
    settings_file: Path, console: Console, number: signal.Signals
) -> None:
    with ending(start("serve", settings_file=settings_file, folder=settings_file.parent)) as process:
        assert process.stderr is not None
        read_until(process.stderr, "Application startup complete")
        assert "fleet:main" in console.run("status").out
        assert "belongs to another running process" in console.refused(6, "serve")
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == 0, rest
    assert "Traceback" not in rest
    left = {path.name for path in (settings_file.parent / "data").iterdir()}
    assert "address" not in left
    assert "fluxbridge.sqlite3-wal" not in left


def test_without_a_server_commands_answer_from_the_database(settings_file: Path, console: Console) -> None:
    assert console.run("stages").out == "Nothing yet.\n"
    assert console.run("promotions", "--json").json == []
    assert "No lane is known yet" in console.run("plan").out
    assert "deliveries     none" in console.run("status").out
    assert "there is no delivery" in console.refused(3, "replay", "nothing")
    assert not (settings_file.parent / "data" / "address").exists()


def test_an_address_left_behind_by_a_dead_server_misleads_nobody(settings_file: Path, console: Console) -> None:
    data = settings_file.parent / "data"
    data.mkdir()
    (data / "address").write_text(f"http://127.0.0.1:{free_port()}\n")
    assert console.run("stages").out == "Nothing yet.\n"


def test_migrate_makes_the_present_schema(settings_file: Path, console: Console) -> None:
    assert console.run("migrate").out == "The database is at this version's schema.\n"
    database = Database(f"sqlite:///{settings_file.parent / 'data' / 'fluxbridge.sqlite3'}")
    assert database.is_current()
    database.close()
    assert console.run("migrate").code == 0


def test_an_empty_postgresql_must_be_migrated_first(settings_file: Path, console: Console, postgres: Postgres) -> None:
    name = f"test_{uuid4().hex}"
    postgres.create(name)
    settings_file.write_text(f"database: {json.dumps(postgres.url(name))}\nlisten: {{port: 0}}\n{CONFIG_REPOS}")
    for command in (("serve",), ("work",), ("stages",)):
        assert "run `fluxbridge migrate`" in console.refused(6, *command)
    assert console.run("migrate").code == 0
    assert console.run("stages").out == "Nothing yet.\n"
    postgres.drop(name)


def test_secrets_that_a_source_needs_are_told_by_their_place(settings_file: Path, console: Console) -> None:
    settings_file.write_text(f"sources: {{hook: {{kind: github, secret: {{env: NOBODY_SETS}}}}}}\n{CONFIG_REPOS}")
    said = console.refused(6, "serve")
    assert "NOBODY_SETS" in said
    assert not any(secret in said for secret in ENVIRONMENT.values())


def test_the_version_is_told(console: Console) -> None:
    assert console.run("--version").out == "fluxbridge 0.1.0\n"


def test_an_unknown_command_is_no_traceback(console: Console) -> None:
    ended = console.run("promote")
    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_the_data_folder_is_for_this_account_alone(settings_file: Path, console: Console) -> None:
    console.run("stages")
    data = settings_file.parent / "data"
    assert data.stat().st_mode & 0o077 == 0
    assert (data / "token").stat().st_mode & 0o077 == 0
