"""A Bitbucket Cloud with a config repository, the bot's view of it, and people who use it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.clients.forges.bitbucket.forge import Bitbucket
from app.core.errors import Refused
from tests.clients.forges.served_worlds import MIRA, ServedWorld
from tests.servers.bitbucket import BitbucketServer, bitbucket_server

BOT, BOT_TOKEN = "fluxbridge-bot", "ATCTT3_never-to-be-seen"
MIRA_TOKEN = "ATATT3_mira"


class BitbucketWorld(ServedWorld[BitbucketServer, Bitbucket]):
    """Where nobody takes back that a pull request was declined."""

    def reopen_as(self, account: str, number: int) -> None:
        raise Refused(f"{account} cannot take back that pull request {number} was declined: open a new one")


@contextmanager
def bitbucket_world(folder: Path) -> Iterator[BitbucketWorld]:
    """Run a Bitbucket whose main holds `app.yaml`."""
    with bitbucket_server(folder, {BOT: BOT_TOKEN, MIRA: MIRA_TOKEN}) as server:
        server.push("main", {"app.yaml": "tag: 1.0.0\n"}, by=MIRA)
        yield BitbucketWorld(server, connect(server.api_url))


def connect(
    url: str,
    *,
    repository: str = "acme/fleet",
    token: Callable[[], str] = lambda: BOT_TOKEN,
    user: str | None = None,
    account_uuid: str | None = None,
    timeout_s: float = 10,
    spend: Callable[[int], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Bitbucket:
    """The bot's view of a server."""
    return Bitbucket(
        repository,
        token=token,
        user=user,
        account_uuid=account_uuid,
        base_url=url,
        timeout_s=timeout_s,
        spend=spend,
        clock=clock,
    )
