"""`fluxbridge sweep` finds what no webhook brought, and takes in no storm unasked."""

import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.db import storms
from app.db.database import Database
from app.db.storms import Storm
from app.demo.registry import DemoRegistry
from app.services.sweeps import SWEEPS
from tests.cli.console import Console
from tests.end_to_end.bridge import APP, ENVIRONMENT, Bridge, fleet, manifest, settings_text, started
from tests.servers.bare_repository import BareRepository
from tests.services.history import NOW

NEVER = "".join(f", {name}: never" for name in SWEEPS)


@pytest.fixture
def proposed(tmp_path: Path, sqlite_url: str, console: Console) -> Iterator[Bridge]:
    """A bridge that sweeps only when asked, with 1.1.0 proposed for staging, and the terminal beside it."""
    config = BareRepository.create(tmp_path / "fleet.git")
    config.commit("main", fleet())
    with DemoRegistry() as registry:
        registry.put(APP, "1.0.0", manifest("1.0.0"))
        settings = settings_text(tmp_path, str(config.path), registry.host, sqlite_url)
        settings = settings.replace("local_s: 0.1", f"local_s: 0.1{NEVER}")
        with started(tmp_path, settings, config=config, registry=registry) as bridge:
            bridge.push_image("1.1.0")
            bridge.wait_for_pull("staging", "1.1.0")
            console.use(tmp_path / "fluxbridge.yaml", ENVIRONMENT)
            yield bridge


def test_a_tag_that_nobody_told_of_becomes_a_pull_request(proposed: Bridge, console: Console) -> None:
    proposed.put_image("1.2.0")
    ended = console.run("sweep", "tags")
    assert ended.code == 0
    assert ended.out == f"tags: 1 found\n  {proposed.registry.host}/team/app: 1 new\n"
    proposed.wait_for_pull("staging", "1.2.0")
    assert console.run("sweep", "tags").out == "tags: 0 found\n"


def test_a_dry_run_tells_what_would_be_taken_in_and_takes_nothing(proposed: Bridge, console: Console) -> None:
    proposed.put_image("1.2.0")
    for _ in range(2):
        [report] = console.run("sweep", "--dry-run", "--json", "tags").json
        assert (report["found"], report["told"]) == (1, [f"{proposed.registry.host}/team/app: 1 new"])
    assert "tags: 1 would be taken in" in console.run("sweep", "--dry-run", "tags").out


def test_a_storm_is_told_until_a_person_confirms_it(proposed: Bridge, console: Console) -> None:
    image = f"{proposed.registry.host}/team/app"
    for number in range(101):
        proposed.put_image(f"1.2.{number}")
    waits = f"WAITS sweep tags: {image}: 101 new: 1.2.0, 1.2.1, 1.2.10, 1.2.100, 1.2.11, …; too much at once, "
    ended = console.run("sweep", "tags")
    assert (ended.code, ended.out.splitlines()[0]) == (0, "tags: 0 found")
    assert waits in ended.out
    assert f"{waits}run `fluxbridge sweep accept tags {image}`" in console.run("check").out
    assert "tags: 101 found" in console.run("sweep", "--confirm", "tags").out
    proposed.wait_for_pull("staging", "1.2.100")
    assert "WAITS" not in console.run("check").out


def test_all_that_have_a_schedule_are_run_by_default(asking: Console) -> None:
    out = asking.run("sweep", "--dry-run").out
    names = re.findall(r"^([a-z_]+): ", out, re.MULTILINE)
    assert names == ["tags", "builds", "pull_requests", "bodies", "mirrors"]


def test_a_sweep_that_there_is_not_is_told_with_those_that_there_are(asking: Console) -> None:
    assert "there are: tags, builds" in asking.refused(2, "sweep", "everything")


def test_what_could_not_be_looked_at_is_told_and_ends_with_code_1(proposed: Bridge, console: Console) -> None:
    proposed.registry.__exit__(None, None, None)
    ended = console.run("sweep", "tags")
    assert ended.code == 1
    assert f"  FAILED {proposed.registry.host}/team/app: " in ended.out


def test_check_without_a_server_tells_what_waits(tmp_path: Path, console: Console) -> None:
    BareRepository.create(tmp_path / "fleet.git").commit("main", {"README.md": "Here.\n"})
    settings = tmp_path / "fluxbridge.yaml"
    settings.write_text("config_repos: {fleet: {url: ./fleet.git, branch: main, forge: {kind: local}}}\n")
    console.use(settings)
    assert "WAITS" not in console.run("check").out
    storm = Storm(sweep="tags", key="acme.example/app", found=240, sample="240 new: 1.0", since=NOW)
    with (
        closing(Database(f"sqlite:///{tmp_path}/data/fluxbridge.sqlite3")) as database,
        database.transaction() as connection,
    ):
        storms.note(connection, storm)
    ended = console.run("check")
    assert ended.code == 0
    said = "WAITS sweep tags: acme.example/app: 240 new: 1.0; too much at once, run"
    assert f"{said} `fluxbridge sweep accept tags acme.example/app`" in ended.out.splitlines()


def test_that_no_storm_waits_is_told(asking: Console) -> None:
    assert asking.run("sweep", "accept").out == "No storm waits.\n"
    assert asking.run("sweep", "accept", "--json").json == []
    assert "there are: tags, builds" in asking.refused(2, "sweep", "accept", "everything")
    assert asking.run("sweep", "--all").code == 2


def hold(bridge: Bridge, *keys: str) -> None:
    with bridge.server.database.transaction() as connection:
        for key in keys:
            storms.note(connection, Storm(sweep="tags", key=key, found=6, sample="6 new: 1.0", since=NOW))


def test_the_only_storm_needs_no_name(proposed: Bridge, console: Console) -> None:
    for number in range(101):
        proposed.put_image(f"1.2.{number}")
    console.run("sweep", "tags")
    assert "tags: 101 found" in console.run("sweep", "accept").out
    proposed.wait_for_pull("staging", "1.2.100")
    assert "WAITS" not in console.run("status").out


def test_of_several_things_one_is_named_or_all(proposed: Bridge, console: Console) -> None:
    image = f"{proposed.registry.host}/team/app"
    gone = f"gone from {proposed.registry.host}"
    for number in range(101):
        proposed.put_image(f"1.2.{number}")
    console.run("sweep", "tags")
    hold(proposed, gone)
    ended = console.run("sweep", "accept", "tags")
    assert (ended.code, "--all" in ended.err) == (2, True)
    commands = re.findall(r"run `fluxbridge (.+)`$", ended.out, re.MULTILINE)
    assert commands == [f"sweep accept tags {image}", f"sweep accept tags '{gone}'"]
    assert "there is: " in console.refused(3, "sweep", "accept", "tags", "another")
    out = console.run(*shlex.split(commands[1])).out
    assert f"  {gone}: accepted" in out
    assert f"  WAITS sweep tags: {image}: " in out
    hold(proposed, gone)
    assert "tags: 102 found" in console.run("sweep", "accept", "--all").out
