"""A real Gitea or Forgejo keeps the forge contract; collected only where the environment names one."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.core.ports import PullRequestState
from tests.clients.forges.forge_contract import HEAD, ForgeContract, ForgeWorld, opened
from tests.clients.forges.real_gitea import ALICE, URL_NAME, RealGitea, real_gitea

if URL_NAME in os.environ:

    @pytest.fixture
    def real(tmp_path: Path) -> Iterator[RealGitea]:
        with real_gitea(tmp_path) as world:
            yield world

    @pytest.fixture
    def forge_world(real: RealGitea) -> ForgeWorld:
        return real

    @pytest.mark.allow_hosts([urlsplit(os.environ[URL_NAME]).hostname])
    class TestRealGitea(ForgeContract):
        """The promises of every forge."""

        @pytest.mark.parametrize("method", ["merge", "squash", "rebase", "rebase-merge", "fast-forward-only"])
        def test_each_way_to_merge_names_who_which_commit_and_the_head(self, real: RealGitea, method: str) -> None:
            before = opened(real)
            real.merge_as(ALICE, before.number, method)
            shown = real.forge.pull_request(before.number)
            assert (shown.state, shown.merged_by) == (PullRequestState.MERGED, ALICE)
            assert (shown.head_sha, shown.merge_commit) == (before.head_sha, real.head("main"))

        def test_one_that_was_closed_keeps_its_head_when_the_branch_goes_on(self, real: RealGitea) -> None:
            before = opened(real)
            real.close_as(ALICE, before.number)
            real.push(before.head, {"app.yaml": "tag: 1.3.0\n"})
            assert real.forge.pull_request(before.number).head_sha == before.head_sha

        def test_an_approval_counts_for_the_head_that_was_looked_at(self, real: RealGitea) -> None:
            number = opened(real).number
            assert not real.forge.pull_request(number).is_committed
            real.approve(number)
            assert real.forge.pull_request(number).is_committed
            real.push(HEAD, {"app.yaml": "tag: 1.4.0\n"})
            assert not real.forge.pull_request(number).is_committed
