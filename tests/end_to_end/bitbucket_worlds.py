"""Fluxbridge over either Bitbucket, whose webhooks it gets, and the people there."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from app.demo.registry import DemoRegistry
from tests.end_to_end.bridge import APP, ENVIRONMENT, Bridge, fleet, manifest, settings_text, started
from tests.servers.bitbucket import BitbucketServer, bitbucket_server
from tests.servers.bitbucket_dc import BitbucketDCServer, bitbucket_dc_server
from tests.servers.forge_webhooks import FIRST_HOOK
from tests.servers.pulls import Pull

Kind = Literal["bitbucket", "bitbucket-dc"]
Server = BitbucketServer | BitbucketDCServer

BOT, BOT_TOKEN, MIRA, SECRET = "fluxbridge-bot", "bb_never-to-be-seen", "mira", "the secret of the webhook"


@dataclass(frozen=True, slots=True)
class BitbucketWorld:
    """The bridge, and the server with its people."""

    bridge: Bridge
    server: Server

    def wait_for_pull(self, stage: str, tag: str) -> Pull:
        """Wait until a tag is proposed for a stage, and the history knows it."""

        def look() -> Pull | None:
            promotion = self.bridge.promotion(stage, tag, "proposed")
            return self.server.shown(promotion["pull_request"]["number"]) if promotion else None

        return self.bridge.wait_for(f"a pull request for {tag} in {stage}", look)

    def lose_webhooks(self) -> None:
        """Send none from now on."""
        hooks = self.server._post.hooks
        hooks[FIRST_HOOK] = replace(hooks[FIRST_HOOK], is_active=False)


@contextmanager
def bitbucket_world(folder: Path, database: str, kind: Kind) -> Iterator[BitbucketWorld]:
    """Run both; Fluxbridge looks at branches every half second."""
    environment = {**ENVIRONMENT, "BITBUCKET_TOKEN": BOT_TOKEN, "BITBUCKET_HOOK": SECRET}
    with DemoRegistry() as registry, _server(folder, kind) as server:
        registry.put(APP, "1.0.0", manifest(f"{APP}:1.0.0"))
        server.push("main", fleet(), by=MIRA)
        forge = f'kind: {kind}, repository: {server.full_name}, api_url: "{server.api_url}"'
        at_once = "update_every_s: 0, writes_per_hour: 100000"
        settings = settings_text(
            folder,
            server.git_url,
            registry.host,
            database,
            forge=f"{{{forge}, token: {{env: BITBUCKET_TOKEN}}, {at_once}}}",
            more_sources=f"  forge: {{kind: {kind}, config_repo: fleet, secret: {{env: BITBUCKET_HOOK}}}}\n",
        ).replace("local_s: 0.1", "branches_s: 0.5")
        with started(folder, settings, config=server.repository, registry=registry, environment=environment) as bridge:
            server.send_webhooks_to(f"{bridge.url}/webhooks/forge", SECRET)
            yield BitbucketWorld(bridge, server)


def _server(folder: Path, kind: Kind) -> AbstractContextManager[Server]:
    accounts = {BOT: BOT_TOKEN, MIRA: "bb_mira"}
    return bitbucket_server(folder, accounts) if kind == "bitbucket" else bitbucket_dc_server(folder, accounts)
