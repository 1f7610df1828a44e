"""A Bitbucket Data Center with a config repository, the bot's view of it, and people who use it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.clients.forges.bitbucket_dc.forge import BitbucketDC
from tests.clients.forges.served_worlds import MIRA, ServedWorld
from tests.servers.bitbucket_dc import BitbucketDCServer, bitbucket_dc_server

BOT, BOT_TOKEN = "fluxbridge-bot", "bbdc_never-to-be-seen"
MIRA_TOKEN = "bbdc_mira"

BitbucketDCWorld = ServedWorld[BitbucketDCServer, BitbucketDC]


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
