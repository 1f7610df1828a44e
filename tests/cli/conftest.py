"""A terminal, and a bridge with some history to ask about."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.console import Console
from tests.cli.folders import Folder
from tests.end_to_end.bridge import ENVIRONMENT, Bridge, fleet, running_bridge


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Console:
    """A terminal on this machine."""
    return Console(capsys, monkeypatch)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Bridge]:
    """1.1.0 was merged and applied in staging and waits for its build in production; only to be asked."""
    folder = tmp_path_factory.mktemp("told")
    shutil.copyfile(sqlite_template, folder / "fluxbridge.db")
    with running_bridge(folder, f"sqlite:///{folder / 'fluxbridge.db'}", files=fleet()) as bridge:
        bridge.push_image("1.1.0")
        pull = bridge.wait_for_pull("staging", "1.1.0")
        merged = bridge.forge.merge(pull.number, by="mira")
        promotion = bridge.wait_for_state("staging", "1.1.0", "merged")
        assert merged.merge_commit is not None
        bridge.apply("staging", merged.merge_commit)
        bridge.wait_for("the application", lambda: bridge.get(f"/promotions/{promotion['id']}")["applications"])
        bridge.wait_for_state("production", "1.1.0", "waiting")
        bridge.settle()
        yield bridge


@pytest.fixture
def asking(told: Bridge, console: Console) -> Console:
    """A terminal beside that bridge."""
    console.use(told.folder / "fluxbridge.yaml", ENVIRONMENT)
    return console


@pytest.fixture
def proposed(tmp_path: Path, sqlite_url: str, console: Console) -> Iterator[Bridge]:
    """A bridge of one's own with pull request 1 open for staging, and the terminal beside it."""
    with running_bridge(tmp_path, sqlite_url, files=fleet()) as bridge:
        bridge.push_image("1.1.0")
        bridge.wait_for_pull("staging", "1.1.0")
        console.use(tmp_path / "fluxbridge.yaml", ENVIRONMENT)
        yield bridge


@pytest.fixture
def folder(tmp_path: Path, console: Console) -> Folder:
    """An empty working directory; nothing but it is needed."""
    return Folder(tmp_path, console)
