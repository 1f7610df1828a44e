"""A Bitbucket Data Center with a config repository, the bot's view of it, and people who use it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.clients.forges.bitbucket_dc.forge import BitbucketDC
from tests.servers.bitbucket_dc import BitbucketDCServer, bitbucket_dc_server

BOT, BOT_TOKEN = "fluxbridge-bot", "bbdc_never-to-be-seen"
MIRA, MIRA_TOKEN = "mira", "bbdc_mira"


@dataclass(frozen=True, slots=True)
class BitbucketDCWorld:
    """The server, and the forge as the bot."""

    server: BitbucketDCServer
    forge: BitbucketDC

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
def bitbucket_dc_world(folder: Path) -> Iterator[BitbucketDCWorld]:
    """Run a Bitbucket whose main holds `app.yaml`."""
    with bitbucket_dc_server(folder, {BOT: BOT_TOKEN, MIRA: MIRA_TOKEN}) as server:
        server.push("main", {"app.yaml": "tag: 1.0.0\n"}, by=MIRA)
        yield BitbucketDCWorld(server, connect(server.api_url))


def connect(
    url: str,
    *,
    repository: str = "ACME/fleet",
    token: Callable[[], str] = lambda: BOT_TOKEN,
    timeout_s: float = 10,
    spend: Callable[[int], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> BitbucketDC:
    """The bot's view of a server."""
    return BitbucketDC(repository, token=token, base_url=url, timeout_s=timeout_s, spend=spend, clock=clock)
