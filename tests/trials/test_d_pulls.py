"""`fluxbridge pulls` beside readers and writers of the same bare repository."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.clients.forges.local.forge import LocalForge
from app.core.ports import PullRequestDraft, PullRequestState
from tests.servers.bare_repository import BareRepository

_NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
_COUNT = 8


@pytest.fixture
def repository(tmp_path: Path) -> BareRepository:
    """A config repository with several branches of ours, each with an open pull request."""
    made = BareRepository.create(tmp_path / "fleet.git")
    made.commit("main", {"README": "one"})
    forge = LocalForge(made.path, clock=lambda: _NOW)
    for number in range(_COUNT):
        branch = f"fluxbridge/main/all/app-{number}"
        made.commit(branch, {f"{number}.yaml": "tag: 1.1.0\n"})
        forge.open_pull_request(PullRequestDraft(head=branch, base="main", title="A", body=""))
    return made


# E9
def test_a_merge_beside_readers_is_a_merge(repository: BareRepository) -> None:
    over = threading.Event()

    def read() -> None:
        forge = LocalForge(repository.path, clock=lambda: _NOW)
        while not over.is_set():
            forge.list_pull_requests()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        forge = LocalForge(repository.path, clock=lambda: _NOW)
        merged = [forge.merge(number, by="mira") for number in range(1, _COUNT + 1)]
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert {one.state for one in merged} == {PullRequestState.MERGED}
    assert {one.merged_by for one in merged} == {"mira"}


def test_a_merge_that_git_calls_failed_although_it_was_done_is_done(repository: BareRepository) -> None:
    """Git answers with a failure after it has moved everything: as where its report is lost, or a hook ends badly."""
    real = repository.git("--exec-path").decode().strip()
    lying = repository.path.parent / "bin"
    lying.mkdir()
    (lying / "git").write_text(_LYING.format(real=f"{real}/git", marker=lying / "lied"))
    (lying / "git").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(lying), prepend=":")
        merged = LocalForge(repository.path, clock=lambda: _NOW).merge(1, by="mira")
    assert (lying / "lied").exists()
    assert (merged.state, merged.merge_commit) == (PullRequestState.MERGED, repository.head("main"))
    assert repository.git("rev-list", "--count", "--merges", "main").strip() == b"1"


_LYING = """#!/bin/sh
case " $* " in *" update-ref "*)
    {real} "$@" || exit $?
    [ -e {marker} ] || {{ : > {marker}; echo "fatal: cannot lock ref: lost" >&2; exit 128; }}
    exit 0;;
esac
exec {real} "$@"
"""
