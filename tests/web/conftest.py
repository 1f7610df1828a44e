"""The web application over fresh databases."""

from collections.abc import Iterator

import pytest

from app.db.database import Database
from tests.web.site import Site, running_site


@pytest.fixture
def site(database: Database) -> Iterator[Site]:
    """The whole application, served."""
    with running_site(database) as running:
        yield running


@pytest.fixture
def light_site(light_database: Database) -> Iterator[Site]:
    """The whole application over SQLite only, for what no database decides."""
    with running_site(light_database) as running:
        yield running


@pytest.fixture
def light_database(sqlite_url: str) -> Iterator[Database]:
    """SQLite only, for what no database decides."""
    database = Database(sqlite_url)
    yield database
    database.close()
