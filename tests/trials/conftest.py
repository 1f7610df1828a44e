"""Fixtures of the trials."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.db.database import Database
from tests.trials.crews import Open, crews

_KINDS = [("local", "sqlite_url"), ("local", "postgres_url"), ("github", "sqlite_url")]


@pytest.fixture(params=_KINDS, ids=["local-sqlite", "local-postgresql", "github-sqlite"])
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
