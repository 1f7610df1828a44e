"""The sparse forge keeps the forge contract, as far as its capabilities go."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.clients.forges.forge_contract import ForgeContract, ForgeWorld, opened
from tests.servers.bare_repository import BareRepository
from tests.servers.sparse_forge import SparseForge, SparseWorld


@pytest.fixture
def forge_world(tmp_path: Path) -> ForgeWorld:
    repository = BareRepository.create(tmp_path / "fleet.git")
    repository.commit("main", {"app.yaml": "tag: 1.0.0\n"})
    return SparseWorld(repository, SparseForge(repository, clock=lambda: datetime(2026, 5, 4, 12, 30, tzinfo=UTC)))


class TestSparseForge(ForgeContract):
    """The promises of every forge."""


def test_commits_are_cut_short(forge_world: ForgeWorld) -> None:
    assert len(opened(forge_world).head_sha) == 12
