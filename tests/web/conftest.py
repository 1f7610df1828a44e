"""The web application over fresh databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db.database import Database
from tests.web.site import Site, running_site


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Iterator[Site]:
    """The whole application, served."""
    with running_site(database, tmp_path) as running:
        yield running


@pytest.fixture
def light_site(light_database: Database, tmp_path: Path) -> Iterator[Site]:
    """The whole application over SQLite only, for what no database decides."""
    with running_site(light_database, tmp_path) as running:
        yield running


@pytest.fixture
def light_database(sqlite_url: str) -> Iterator[Database]:
    """SQLite only, for what no database decides."""
    database = Database(sqlite_url)
    yield database
    database.close()
