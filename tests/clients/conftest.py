"""Config repositories for the tests of git."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.clients.git.remote import Remote
from tests.clients.git.git_worlds import TOKEN, USER, GitWorld, http_remote
from tests.servers.bare_repository import BareRepository
from tests.servers.git_http import GitServer, git_server, protect_main


@pytest.fixture
def git_host(tmp_path: Path) -> Iterator[GitServer]:
    """A git server whose folder also serves as remote paths."""
    (tmp_path / "served").mkdir()
    with git_server(tmp_path / "served", {USER: TOKEN, "admin": "root"}) as running:
        yield running


@pytest.fixture(params=["path", "http"])
def git_world(git_host: GitServer, tmp_path: Path, request: pytest.FixtureRequest) -> GitWorld:
    """A repository with one file on a protected main, reached by path and over HTTP."""
    repository = _fleet(tmp_path / "served")
    remote = Remote(url=str(repository.path))
    if request.param == "http":
        remote = http_remote(git_host, "fleet", lambda: (USER, TOKEN))
    return GitWorld(repository, remote, tmp_path)


@pytest.fixture
def path_world(tmp_path: Path) -> GitWorld:
    """The same by path only, where the way to the remote makes no difference."""
    repository = _fleet(tmp_path)
    return GitWorld(repository, Remote(url=str(repository.path)), tmp_path)


def _fleet(folder: Path) -> BareRepository:
    repository = BareRepository.create(folder / "fleet.git")
    repository.commit("main", {"app.yaml": "tag: 1.0.0\n", "deep/er/web.yaml": "tag: 1.0.0\n"})
    protect_main(repository)
    return repository
