"""A GitLab with a config repository, the bot's view of it, and people who use it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.clients.forges.gitlab.forge import GitLab
from tests.clients.forges.served_worlds import MIRA, ServedWorld
from tests.servers.gitlab import GitLabServer, gitlab_server

BOT, BOT_TOKEN = "project_61_bot_5f3a", "glpat-never-to-be-seen"
MIRA_TOKEN = "glpat-mira"
PROJECT = "acme/platform/fleet"

GitLabWorld = ServedWorld[GitLabServer, GitLab]


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
