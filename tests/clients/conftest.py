"""Config repositories for the tests of git."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

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


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A web server on this machine, by the URL of a manifest of it, and what it was asked for."""
    paths: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/x.yaml", paths
    server.shutdown()
    server.server_close()


def _fleet(folder: Path) -> BareRepository:
    repository = BareRepository.create(folder / "fleet.git")
    repository.commit("main", {"app.yaml": "tag: 1.0.0\n", "deep/er/web.yaml": "tag: 1.0.0\n"})
    protect_main(repository)
    return repository
