"""One app in a lane of its own."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from app.db.database import Database
from tests.end_to_end.bridge import deployment, fleet, policy
from tests.services.histories import Histories
from tests.services.lanes import Lane
from tests.services.people.asking import People

RULES = "stages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}\n"


@cache
def _people_after(*tags: str) -> Callable[[Path, Database], People]:
    def make(folder: Path, database: Database) -> People:
        files = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}
        lane = Lane.create(folder, database, files)
        lane.run()
        found = People(lane)
        found.let_in(*tags)
        return found

    return make


@pytest.fixture
def people(request: pytest.FixtureRequest, histories: Histories, tmp_path: Path, database: Database) -> People:
    """One app without stages, at 1.0.0 or `after` other tags, which no cluster tells of."""
    return histories.begin(_people_after(*getattr(request, "param", ())), tmp_path, database)


def _staged(folder: Path, database: Database) -> People:
    lane = Lane.create(folder, database, {**fleet(), ".fluxbridge.yaml": RULES})
    lane.run()
    return People(lane, policy="app", stage="staging")


@pytest.fixture
def staged(histories: Histories, tmp_path: Path, database: Database) -> People:
    """One app in two stages, each with its cluster, at 1.0.0; people ask about staging."""
    return histories.begin(_staged, tmp_path, database)
