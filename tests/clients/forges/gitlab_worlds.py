"""A GitLab with a config repository, the bot's view of it, and people who use it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.clients.forges.gitlab.forge import GitLab
from tests.servers.gitlab import GitLabServer, gitlab_server

BOT, BOT_TOKEN = "project_61_bot_5f3a", "glpat-never-to-be-seen"
MIRA, MIRA_TOKEN = "mira", "glpat-mira"
PROJECT = "acme/platform/fleet"


@dataclass(frozen=True, slots=True)
class GitLabWorld:
    """The server, and the forge as the bot."""

    server: GitLabServer
    forge: GitLab

    def push(self, branch: str, files: Mapping[str, str]) -> str:
        return self.server.push(branch, files, by=MIRA)

    def head(self, branch: str) -> str | None:
        return self.server.repository.head(branch)

    def delete_branch(self, branch: str) -> None:
        self.server.delete_branch(branch, by=MIRA)

    def merge_as(self, account: str, number: int) -> None:
        self.server.merge(number, by=account)

    def close_as(self, account: str, number: int) -> None:
        self.server.close(number, by=account)

    def reopen_as(self, account: str, number: int) -> None:
        self.server.reopen(number, by=account)

    def comment_as(self, account: str, number: int, text: str) -> None:
        self.server.comment(number, text, by=account)


@contextmanager
def gitlab_world(folder: Path) -> Iterator[GitLabWorld]:
    """Run a GitLab whose main holds `app.yaml`."""
    with gitlab_server(folder, {BOT: BOT_TOKEN, MIRA: MIRA_TOKEN}, full_name=PROJECT) as server:
        server.push("main", {"app.yaml": "tag: 1.0.0\n"}, by=MIRA)
        yield GitLabWorld(server, connect(server.api_url))


def connect(
    url: str,
    *,
    repository: str = PROJECT,
    token: Callable[[], str] = lambda: BOT_TOKEN,
    timeout_s: float = 10,
    spend: Callable[[int], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> GitLab:
    """Make a client."""
    return GitLab(repository, token=token, base_url=url, timeout_s=timeout_s, spend=spend, clock=clock)
