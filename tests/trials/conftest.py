"""Fixtures of the trials."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.db.database import Database
from tests.cli.console import Console
from tests.cli.folders import Folder
from tests.services.intake.webhooks import Site, running_site
from tests.trials.crews import Open, crews

# Each kind once: no trial looks at how a forge and a database go together.
_KINDS = [("local", "postgres_url"), ("github", "sqlite_url")]


@pytest.fixture(params=_KINDS, ids=["local-postgresql", "github-sqlite"])
def crew(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens a lane with people, on each kind of forge and of database."""
    kind, url = request.param
    with closing(Database(request.getfixturevalue(url))) as database, crews(tmp_path, database, kind) as opened:
        yield opened


@pytest.fixture
def github_crew(sqlite_url: str, tmp_path: Path) -> Iterator[Open]:
    """Opens a lane with people on GitHub, for what only a forge does that notices later than git shows."""
    with closing(Database(sqlite_url)) as database, crews(tmp_path, database, "github") as opened:
        yield opened


@pytest.fixture
def site(database: Database) -> Iterator[Site]:
    """Webhooks to interpret, on each kind of database."""
    with running_site(database) as opened:
        yield opened


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Console:
    """A terminal on this machine."""
    return Console(capsys, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path, console: Console) -> Folder:
    """An empty working directory."""
    return Folder(tmp_path, console)


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """One kind of database, where its kind makes no difference."""
    with closing(Database(sqlite_url)) as opened:
        yield opened
