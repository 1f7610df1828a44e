"""Fluxbridge over a forge of any kind that is asked over the web, whose webhooks it gets, and the people there."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from app.demo.registry import DemoRegistry
from tests.end_to_end.bridge import APP, ENVIRONMENT, Bridge, fleet, manifest, settings_text, started
from tests.servers.bitbucket import bitbucket_server
from tests.servers.bitbucket_dc import bitbucket_dc_server
from tests.servers.forge_server import ForgeServer
from tests.servers.forge_webhooks import FIRST_HOOK
from tests.servers.gitlab import gitlab_server
from tests.servers.pulls import Pull

Kind = Literal["bitbucket", "bitbucket-dc", "gitlab"]

BOT, BOT_TOKEN, MIRA, SECRET = "fluxbridge-bot", "token-never-to-be-seen", "mira", "the secret of the webhook"


@dataclass(frozen=True, slots=True)
class ForgeWorld:
    """The bridge, and the server with its people."""

    bridge: Bridge
    server: ForgeServer

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
def forge_world(folder: Path, database: str, kind: Kind) -> Iterator[ForgeWorld]:
    """Run both; Fluxbridge looks at branches every half second."""
    environment = {**ENVIRONMENT, "FORGE_TOKEN": BOT_TOKEN, "FORGE_HOOK": SECRET}
    with DemoRegistry() as registry, _server(folder, kind) as server:
        registry.put(APP, "1.0.0", manifest(f"{APP}:1.0.0"))
        server.push("main", fleet(), by=MIRA)
        forge = f'kind: {kind}, repository: {server.full_name}, api_url: "{server.api_url}"'
        proof = "token" if kind == "gitlab" else "secret"
        at_once = "update_every_s: 0, writes_per_hour: 100000"
        settings = settings_text(
            folder,
            server.git_url,
            registry.host,
            database,
            forge=f"{{{forge}, token: {{env: FORGE_TOKEN}}, {at_once}}}",
            more_sources=f"  forge: {{kind: {kind}, config_repo: fleet, {proof}: {{env: FORGE_HOOK}}}}\n",
        ).replace("local_s: 0.1", "branches_s: 0.5")
        with started(folder, settings, config=server.repository, registry=registry, environment=environment) as bridge:
            server.send_webhooks_to(f"{bridge.url}/webhooks/forge", SECRET)
            yield ForgeWorld(bridge, server)


def _server(folder: Path, kind: Kind) -> AbstractContextManager[ForgeServer]:
    accounts = {BOT: BOT_TOKEN, MIRA: "token-of-mira"}
    match kind:
        case "bitbucket":
            return bitbucket_server(folder, accounts)
        case "bitbucket-dc":
            return bitbucket_dc_server(folder, accounts)
        case "gitlab":
            return gitlab_server(folder, accounts)
