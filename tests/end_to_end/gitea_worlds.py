"""Fluxbridge over a Gitea whose webhooks it gets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.demo.registry import DemoRegistry
from tests.end_to_end.bridge import APP, ENVIRONMENT, Bridge, fleet, manifest, settings_text, started
from tests.end_to_end.worlds import LABELLED_RULES
from tests.servers.gitea import GiteaServer, gitea_server
from tests.servers.pulls import Pull

BOT, BOT_TOKEN, MIRA, HOOK_SECRET = "fluxbridge-bot", "gta_never-to-be-seen", "mira", "secret-of-the-gitea-hook"


@dataclass(frozen=True, slots=True)
class GiteaWorld:
    """Both, and the people there."""

    bridge: Bridge
    gitea: GiteaServer

    def open_pulls(self, stage: str = "staging") -> list[int]:
        """The numbers of those that are open from our branch of a stage."""
        return [pull.number for pull in self.gitea.every() if pull.is_open and pull.head.split("/")[2:3] == [stage]]

    def labels(self, pull: Pull) -> list[str]:
        """The names of its labels."""
        return [label["name"] for label in self.gitea.api.labels if str(label["id"]) in pull.labels]

    def wait_for_pull(self, stage: str, tag: str) -> Pull:
        """Wait until a tag is proposed for a stage, and the history knows it."""

        def look() -> Pull | None:
            promotion = self.bridge.promotion(stage, tag, "proposed")
            return self.gitea.shown(promotion["pull_request"]["number"]) if promotion else None

        return self.bridge.wait_for(f"a pull request for {tag} in {stage}", look)


@contextmanager
def gitea_world(
    folder: Path, database: str, *, has_webhook: bool = True, branches_s: float = 60
) -> Iterator[GiteaWorld]:
    """Run both; main is protected. Without a webhook Fluxbridge looks at branches every so many seconds."""
    environment = {**ENVIRONMENT, "GITEA_TOKEN": BOT_TOKEN, "GITEA_HOOK": HOOK_SECRET}
    with DemoRegistry() as registry, gitea_server(folder, {BOT: BOT_TOKEN, MIRA: "gta_mira"}) as gitea:
        registry.put(APP, "1.0.0", manifest(f"{APP}:1.0.0"))
        gitea.push("main", {**fleet(), ".fluxbridge.yaml": LABELLED_RULES}, by=MIRA)
        gitea.protect_main()
        forge = f'kind: gitea, repository: acme/fleet, api_url: "{gitea.api_url}", token: {{env: GITEA_TOKEN}}'
        settings = settings_text(
            folder,
            gitea.git_url,
            registry.host,
            database,
            forge=f"{{{forge}, update_every_s: 0}}",
            more_sources="  gitea: {kind: gitea, config_repo: fleet, hmac: {env: GITEA_HOOK}}\n",
        ).replace("local_s: 0.1", f"branches_s: {branches_s}")
        with started(folder, settings, config=gitea.repository, registry=registry, environment=environment) as bridge:
            if has_webhook:
                gitea.send_webhooks_to(f"{bridge.url}/webhooks/gitea", HOOK_SECRET)
            yield GiteaWorld(bridge, gitea)
