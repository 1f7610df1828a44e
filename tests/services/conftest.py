"""Fixtures of the services: a site whose webhooks are interpreted by hand."""

from collections.abc import Iterator

import pytest

from app.db.database import Database
from tests.services.intake.webhooks import Site, running_site


@pytest.fixture
def site(database: Database) -> Iterator[Site]:
    """Facts on each kind of database, a registry and a Jenkins."""
    with running_site(database) as opened:
        yield opened
