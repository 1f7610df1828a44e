"""A Gitea with a config repository, the bot's view of it, and people who use it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.clients.forges.gitea.forge import Gitea
from tests.servers.gitea import GiteaServer, gitea_server

BOT, BOT_TOKEN = "fluxbridge-bot", "gta_never-to-be-seen"
MIRA, MIRA_TOKEN = "mira", "gta_mira"


@dataclass(frozen=True, slots=True)
class GiteaWorld:
    """The server, and the forge as the bot."""

    server: GiteaServer
    forge: Gitea

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
