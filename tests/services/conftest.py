"""Fixtures of the services: a site whose webhooks are interpreted by hand."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from app.db.database import Database
from app.demo.registry import DemoRegistry
from tests.servers.jenkins import JenkinsServer
from tests.services.webhooks import Site, open_site


@pytest.fixture
def site(database: Database) -> Iterator[Site]:
    """Facts on each kind of database, a registry and a Jenkins."""
    with DemoRegistry() as registry, JenkinsServer() as jenkins:
        opened = open_site(database, registry, jenkins)
        with closing(opened.systems):
            yield opened
