"""The local forge keeps the forge contract, and what the command line adds to it."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from app.clients.forges.local.forge import LocalForge
from app.core.errors import Conflict, NotFound, Refused
from app.core.ports import PullRequestDraft, PullRequestState
from tests.clients.forges.forge_contract import HEAD, ForgeContract, ForgeWorld, draft, opened
from tests.servers.bare_repository import BareRepository

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LocalWorld:
    """A bare repository, the forge in it, and people who use the same forge under their names."""

    repository: BareRepository
    forge: LocalForge

    def push(self, branch: str, files: Mapping[str, str]) -> str:
        return self.repository.commit(branch, files)

    def head(self, branch: str) -> str | None:
        return self.repository.head(branch)

    def delete_branch(self, branch: str) -> None:
        self.repository.delete_branch(branch)

    def merge_as(self, account: str, number: int) -> None:
        self.forge.merge(number, by=account)

    def close_as(self, account: str, number: int) -> None:
        self.forge.close(number, by=account)

    def reopen_as(self, account: str, number: int) -> None:
        self.forge.reopen(number, by=account)

    def comment_as(self, account: str, number: int, text: str) -> None:
        LocalForge(self.repository.path, clock=lambda: NOW, account=account).comment(number, text)


@pytest.fixture
def local(tmp_path: Path) -> LocalWorld:
    repository = BareRepository.create(tmp_path / "fleet.git")
    repository.commit("main", {"app.yaml": "tag: 1.0.0\n"})
    return LocalWorld(repository, LocalForge(repository.path, clock=lambda: NOW))


@pytest.fixture
def forge_world(local: LocalWorld) -> ForgeWorld:
    """The same where time goes on."""
    seconds = count()
    forge = LocalForge(local.repository.path, clock=lambda: NOW + timedelta(seconds=next(seconds)))
    return replace(local, forge=forge)


class TestLocalForge(ForgeContract):
    """The promises of every forge."""


def test_the_url_names_the_repository_and_the_number(local: LocalWorld) -> None:
    assert opened(local).url == "local:fleet/pulls/1"


def test_a_merge_brings_the_change_into_main_and_keeps_both_histories(local: LocalWorld) -> None:
    base = local.head("main")
    shown = opened(local)
    merged = local.forge.merge(shown.number, by="alice")
    assert local.repository.text("main", "web.yaml") == "tag: 1.2.0\n"
    parents = local.repository.git("log", "-1", "--format=%P %an %cI", "main").decode().split()
    assert parents == [base, shown.head_sha, "alice", "2026-05-04T12:30:00+00:00"]
    assert merged.merged_at == NOW


def test_a_conflict_is_seen_and_not_merged(local: LocalWorld) -> None:
    local.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    number = local.forge.open_pull_request(draft()).number
    moved = local.push("main", {"app.yaml": "tag: 9.9.9\n"})
    assert local.forge.pull_request(number).has_conflict is True
    with pytest.raises(Conflict, match="conflicts with main"):
        local.forge.merge(number, by="alice")
    assert local.head("main") == moved
    assert local.forge.pull_request(number).state is PullRequestState.OPEN


def test_branches_without_a_common_history_conflict(local: LocalWorld) -> None:
    tree = local.repository.git("mktree").decode().strip()
    orphan = local.repository.git("commit-tree", tree, stdin=b"Alone\n").decode().strip()
    local.repository.git("update-ref", f"refs/heads/{HEAD}", orphan)
    assert local.forge.open_pull_request(draft()).has_conflict is True


@pytest.mark.parametrize("state", ["closed", "merged"])
def test_only_an_open_one_can_be_merged(local: LocalWorld, state: str) -> None:
    number = opened(local).number
    (local.close_as if state == "closed" else local.merge_as)("alice", number)
    with pytest.raises(Conflict, match=state):
        local.forge.merge(number, by="bob")


def test_who_deletes_its_branch_closes_it_and_it_keeps_its_last_head(local: LocalWorld) -> None:
    number = opened(local).number
    newest = local.push(HEAD, {"web.yaml": "tag: 1.3.0\n"})
    local.forge.pull_request(number)
    local.delete_branch(HEAD)
    with pytest.raises(Conflict, match="lacks its branch"):
        local.forge.merge(number, by="alice")
    shown = local.forge.pull_request(number)
    assert (shown.head_sha, shown.state, shown.closed_by) == (newest, PullRequestState.CLOSED, "unknown")
    local.push(HEAD, {"web.yaml": "tag: 1.3.0\n"})
    assert local.forge.open_pull_requests(prefix="fluxbridge") == []


def test_the_head_of_a_deleted_branch_survives_garbage_collection(local: LocalWorld) -> None:
    shown = opened(local)
    local.forge.close_pull_request(shown.number)
    local.delete_branch(HEAD)
    local.repository.git("gc", "--quiet", "--prune=now")
    assert local.repository.text(shown.head_sha, "web.yaml") == "tag: 1.2.0\n"


def test_a_merged_one_stays_merged(local: LocalWorld) -> None:
    number = opened(local).number
    local.merge_as("alice", number)
    assert local.forge.close_pull_request(number).state is PullRequestState.MERGED
    with pytest.raises(Conflict, match="is merged"):
        local.forge.reopen(number, by="bob")


def test_a_closed_one_reopens_only_while_its_branch_is_there_and_free(local: LocalWorld) -> None:
    number = opened(local).number
    local.close_as("alice", number)
    other = local.forge.open_pull_request(draft()).number
    with pytest.raises(Conflict, match=f"pull request {other}"):
        local.forge.reopen(number, by="alice")
    local.close_as("alice", other)
    local.delete_branch(HEAD)
    with pytest.raises(Conflict, match="lacks its branch"):
        local.forge.reopen(number, by="alice")


def test_the_list_is_newest_first_and_filtered_by_state(local: LocalWorld) -> None:
    first, second = opened(local).number, opened(local, "fluxbridge/main/staging/api").number
    local.merge_as("alice", first)
    assert [each.number for each in local.forge.list_pull_requests()] == [second, first]
    assert [each.number for each in local.forge.list_pull_requests(state=PullRequestState.OPEN)] == [second]


def test_the_diff_is_the_same_before_and_after_the_merge(local: LocalWorld) -> None:
    number = opened(local).number
    local.push("main", {"else.yaml": "x: 1\n"})
    before = local.forge.diff(number)
    local.merge_as("alice", number)
    assert "+tag: 1.2.0" in before
    assert "else.yaml" not in before
    assert local.forge.diff(number) == before


def test_comments_tell_who_when_and_what(local: LocalWorld) -> None:
    number = opened(local).number
    local.forge.comment(number, "A newer tag waits. ✓")
    [remark] = local.forge.comments(number)
    assert (remark.by, remark.at, remark.text) == ("fluxbridge", NOW, "A newer tag waits. ✓")


def test_what_was_written_before_changes_were_dated_is_dated_by_its_opening(local: LocalWorld) -> None:
    first = opened(local, "fluxbridge/main/staging/a").number
    second = opened(local, "fluxbridge/main/staging/b").number
    assert [each.number for each in local.forge.recent_pull_requests(prefix="fluxbridge", limit=9)] == [second, first]


def test_unknown_numbers_and_repositories_are_said_so(local: LocalWorld, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no pull request 7"):
        local.forge.merge(7, by="alice")
    with pytest.raises(Refused, match="no bare git repository"):
        LocalForge(tmp_path / "absent.git", clock=lambda: NOW).list_pull_requests()


def test_many_opened_at_once_get_numbers_of_their_own(local: LocalWorld) -> None:
    heads = [f"fluxbridge/main/staging/app-{number}" for number in range(6)]
    for head in heads:
        local.push(head, {"app.yaml": f"tag: {head[-1]}\n"})
    start = threading.Barrier(len(heads))

    def open_one(head: str) -> int:
        start.wait(10)
        forge = LocalForge(local.repository.path, clock=lambda: NOW)
        return forge.open_pull_request(PullRequestDraft(head=head, base="main", title=head, body="")).number

    with ThreadPoolExecutor(len(heads)) as pool:
        numbers = list(pool.map(open_one, heads))
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]


def test_the_same_head_opened_at_once_is_one_pull_request(local: LocalWorld) -> None:
    local.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    start = threading.Barrier(4)

    def open_it(_: int) -> int:
        start.wait(10)
        return local.forge.open_pull_request(draft()).number

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(open_it, range(4))) == {1}


def test_merges_at_once_lose_none(local: LocalWorld) -> None:
    numbers = [opened(local, f"fluxbridge/main/staging/app-{number}").number for number in range(4)]
    start = threading.Barrier(len(numbers))

    def merge(number: int) -> None:
        start.wait(10)
        local.forge.merge(number, by="alice")

    with ThreadPoolExecutor(len(numbers)) as pool:
        list(pool.map(merge, numbers))
    assert {local.repository.text("main", f"app-{number}.yaml") for number in range(4)} == {"tag: 1.2.0\n"}
