"""One app in a lane of its own."""

from pathlib import Path

import pytest

from app.db.database import Database
from tests.end_to_end.bridge import deployment, fleet, policy
from tests.services.histories import Histories
from tests.services.lanes import Lane
from tests.services.people.asking import People

RULES = "stages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}\n"


def _people(folder: Path, database: Database) -> People:
    files = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}
    lane = Lane.create(folder, database, files)
    lane.run()
    return People(lane)


@pytest.fixture
def people(histories: Histories, tmp_path: Path, database: Database) -> People:
    """One app without stages, at 1.0.0, which no cluster tells of."""
    return histories.begin(_people, tmp_path, database)


def _staged(folder: Path, database: Database) -> People:
    lane = Lane.create(folder, database, {**fleet(), ".fluxbridge.yaml": RULES})
    lane.run()
    return People(lane, policy="app", stage="staging")


@pytest.fixture
def staged(histories: Histories, tmp_path: Path, database: Database) -> People:
    """One app in two stages, each with its cluster, at 1.0.0; people ask about staging."""
    return histories.begin(_staged, tmp_path, database)
