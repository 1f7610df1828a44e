"""The running bridge of each end-to-end test: on SQLite, and where a test asks for both, on PostgreSQL too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bridge import Bridge, fleet, running_bridge


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh SQLite database, or what `both_databases` says."""
    name = getattr(request, "param", "sqlite")
    url: str = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[name])
    return url


@pytest.fixture
def bridge(tmp_path: Path, database_url: str) -> Iterator[Bridge]:
    """One app in two stages, all at 1.0.0, with everything settled."""
    with running_bridge(tmp_path, database_url, files=fleet()) as running:
        yield running
