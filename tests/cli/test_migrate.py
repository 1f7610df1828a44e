"""`fluxbridge migrate --from`: from one SQLite file to PostgreSQL, with all that is known."""

from pathlib import Path

import pytest

from tests.cli.console import Console
from tests.end_to_end.bridge import ENVIRONMENT, fleet, running_bridge, settings_text
from tests.servers.bare_repository import BareRepository


@pytest.fixture
def moved_from(tmp_path: Path) -> Path:
    """The data folder of an installation that has run on SQLite, and is stopped."""
    with running_bridge(tmp_path, "sqlite", files=fleet()) as bridge:
        bridge.report_build("1.1.0", digest=bridge.push_image("1.1.0"))
        bridge.wait_for_pull("production", "1.1.0")
        bridge.settle()
    return tmp_path / "data"


def use(console: Console, folder: Path, database: str) -> None:
    """Use settings over this database, with a data folder of their own."""
    folder.mkdir(exist_ok=True)
    settings = folder / "fluxbridge.yaml"
    settings.write_text(
        settings_text(folder, str(BareRepository(folder.parent / "fleet.git").path), "127.0.0.1:9", database)
    )
    console.use(settings, ENVIRONMENT)


def test_the_history_is_the_same_after_the_move(
    moved_from: Path, tmp_path: Path, console: Console, postgres_url: str
) -> None:
    use(console, tmp_path, "sqlite")
    before = [console.run(command, "--json").json for command in ("promotions", "stages")]
    use(console, tmp_path / "new", postgres_url)
    moved = console.run("migrate", "--from", str(moved_from / "fluxbridge.sqlite3"))
    assert moved.code == 0, moved
    assert "rows were copied" in moved.out
    assert [console.run(command, "--json").json for command in ("promotions", "stages")] == before
    assert before[0]
    again = console.run("migrate", "--from", str(moved_from / "fluxbridge.sqlite3"))
    assert again.code == 4
    assert "nothing in it is overwritten" in again.err
    assert console.run("check", "--database").code == 0


def test_a_file_that_is_not_there_is_told(tmp_path: Path, console: Console) -> None:
    BareRepository.create(tmp_path / "fleet.git").commit("main", fleet())
    use(console, tmp_path / "new", "sqlite")
    assert "is no file" in console.refused(3, "migrate", "--from", str(tmp_path / "nothing.sqlite3"))
    assert not (tmp_path / "nothing.sqlite3").exists()


def test_a_file_that_a_server_holds_is_left_alone(tmp_path: Path, console: Console, postgres_url: str) -> None:
    with running_bridge(tmp_path, "sqlite", files=fleet()):
        use(console, tmp_path / "new", postgres_url)
        ended = console.run("migrate", "--from", str(tmp_path / "data" / "fluxbridge.sqlite3"))
    assert ended.code == 6
    assert "belongs to another running process" in ended.err
