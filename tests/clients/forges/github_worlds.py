"""A GitHub with a config repository, the bot's view of it, and people who use it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.clients.forges.github.access import PersonalToken
from app.clients.forges.github.forge import GitHub
from app.core.ports import Forge
from tests.clients.forges.served_worlds import MIRA, ServedWorld
from tests.servers.github import GitHubServer, github_server
from tests.servers.github_api import ENTERPRISE_VERSION

BOT, BOT_TOKEN = "fluxbridge-bot", "ghp_never-to-be-seen"
MIRA_TOKEN = "ghp_mira"

GitHubWorld = ServedWorld[GitHubServer, Forge]


@contextmanager
def github_world(folder: Path) -> Iterator[GitHubWorld]:
    """Run a GitHub whose main holds `app.yaml`; at the end every exchange must be as GitHub describes it."""
    with github_server(folder, {BOT: BOT_TOKEN, MIRA: MIRA_TOKEN}) as server:
        server.push("main", {"app.yaml": "tag: 1.0.0\n"}, by=MIRA)
        yield GitHubWorld(server, acquainted(server))
        server.check_exchanges()


def acquainted(server: GitHubServer) -> GitHub:
    """The bot's view of a server of which it knows which GitHub it is."""
    forge = connect(server.api_url)
    assert forge.product() == f"GitHub Enterprise Server {ENTERPRISE_VERSION}, API 2022-11-28"
    return forge


def connect(
    url: str,
    *,
    repository: str = "acme/fleet",
    token: Callable[[], str] = lambda: BOT_TOKEN,
    timeout_s: int = 10,
    proxy: str | None = None,
    spend: Callable[[int], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> GitHub:
    """Make a client without the pauses that GitHub itself asks for."""
    return GitHub(
        repository,
        access=PersonalToken(token),
        base_url=url,
        timeout_s=timeout_s,
        proxy=proxy,
        seconds_between_requests=None,
        seconds_between_writes=None,
        spend=spend,
        clock=clock,
    )
