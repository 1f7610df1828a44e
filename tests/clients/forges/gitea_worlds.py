"""A Gitea with a config repository, the bot's view of it, and people who use it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.clients.forges.gitea.forge import Gitea
from tests.clients.forges.served_worlds import MIRA, ServedWorld
from tests.servers.gitea import GiteaServer, gitea_server

BOT, BOT_TOKEN = "fluxbridge-bot", "gta_never-to-be-seen"
MIRA_TOKEN = "gta_mira"

GiteaWorld = ServedWorld[GiteaServer, Gitea]


@contextmanager
def gitea_world(folder: Path) -> Iterator[GiteaWorld]:
    """Run a Gitea whose main holds `app.yaml`."""
    with gitea_server(folder, {BOT: BOT_TOKEN, MIRA: MIRA_TOKEN}) as server:
        server.push("main", {"app.yaml": "tag: 1.0.0\n"}, by=MIRA)
        yield GiteaWorld(server, connect(server.api_url))


def connect(
    url: str,
    *,
    repository: str = "acme/fleet",
    token: Callable[[], str] = lambda: BOT_TOKEN,
    timeout_s: float = 10,
    spend: Callable[[int], None] = lambda _: None,
) -> Gitea:
    """Make a client."""
    return Gitea(repository, token=token, base_url=url, timeout_s=timeout_s, spend=spend)
