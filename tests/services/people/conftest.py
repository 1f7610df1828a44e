"""One app in a lane of its own."""

from pathlib import Path

import pytest

from app.db.database import Database
from tests.end_to_end.bridge import deployment, fleet, policy
from tests.services.lanes import Lane
from tests.services.people.asking import People

RULES = "stages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}\n"


@pytest.fixture
def people(tmp_path: Path, database: Database) -> People:
    """One app without stages, at 1.0.0, which no cluster tells of."""
    files = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}
    lane = Lane.create(tmp_path, database, files)
    lane.run()
    return People(lane)


@pytest.fixture
def staged(tmp_path: Path, database: Database) -> People:
    """One app in two stages, each with its cluster, at 1.0.0; people ask about staging."""
    lane = Lane.create(tmp_path, database, {**fleet(), ".fluxbridge.yaml": RULES})
    lane.run()
    return People(lane, policy="app", stage="staging")
