"""A ledger keeps the forge contract, and what is wrong with its file is told."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.clients.forges.ledger import Ledger, LedgerUnusable
from app.compose.forges import compose_forge
from app.core.ports import GitMerge, PullRequestState
from app.settings.loading import load
from tests.clients.forges.forge_contract import ForgeContract, opened
from tests.servers.bare_repository import BareRepository

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
SETTINGS = "config_repos: {fleet: {url: ./fleet.git, branch: main, forge: {kind: ledger, folder: ./fleet.git}}}\n"


@dataclass(frozen=True, slots=True)
class LedgerWorld:
    """A bare repository, its ledger, and people who merge with git and write in the ledger under their names."""

    repository: BareRepository
    forge: Ledger

    def push(self, branch: str, files: Mapping[str, str]) -> str:
        return self.repository.commit(branch, files)

    def head(self, branch: str) -> str | None:
        return self.repository.head(branch)

    def delete_branch(self, branch: str) -> None:
        self.repository.delete_branch(branch)

    def merge_as(self, account: str, number: int) -> None:
        one = self.forge.pull_request(number)
        self.repository.git("update-ref", f"refs/heads/{one.base}", one.head_sha)
        self.forge.notice_merge(number, GitMerge(head=one.head_sha, commit=one.head_sha, by=account, at=NOW))

    def close_as(self, account: str, number: int) -> None:
        self.forge.close(number, by=account)

    def reopen_as(self, account: str, number: int) -> None:
        del account
        state = PullRequestState.OPEN
        self.forge.change(number, lambda pull: replace(pull, state=state, closed_by=None, closed_at=None))

    def comment_as(self, account: str, number: int, text: str) -> None:
        Ledger(self.repository.path, clock=lambda: NOW, account=account).comment(number, text)


@pytest.fixture
def forge_world(tmp_path: Path) -> LedgerWorld:
    repository = BareRepository.create(tmp_path / "fleet.git")
    repository.commit("main", {"app.yaml": "tag: 1.0.0\n"})
    return LedgerWorld(repository, Ledger(repository.path, clock=lambda: NOW))


class TestLedger(ForgeContract):
    """The promises of every forge."""


def test_another_process_reads_what_this_one_wrote(forge_world: LedgerWorld, tmp_path: Path) -> None:
    shown = opened(forge_world)
    (tmp_path / "fluxbridge.yaml").write_text(SETTINGS, encoding="utf-8")
    composed = compose_forge("fleet", load(tmp_path / "fluxbridge.yaml", {}).config_repos["fleet"])
    assert composed.forge.pull_request(shown.number) == shown


def test_a_file_that_is_no_ledger_is_told_and_left_as_it_is(forge_world: LedgerWorld) -> None:
    file = forge_world.repository.path / "pulls.json"
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(LedgerUnusable, match=r"pulls\.json"):
        opened(forge_world)
    assert file.read_text(encoding="utf-8") == "[]"
