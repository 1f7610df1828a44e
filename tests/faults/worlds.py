"""Fluxbridge as processes over a fleet at a GitHub of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.demo.registry import DemoRegistry
from tests.end_to_end.bridge import ENVIRONMENT, settings_text
from tests.faults import truth
from tests.faults.fleets import Fleet
from tests.faults.forge import BOT_TOKEN, MIRA, WatchedGitHub, watched_github
from tests.faults.processes import Fluxbridge, installed
from tests.faults.senders import Senders

LEASE_S = 2.0
_ENVIRONMENT = {**ENVIRONMENT, "GITHUB_TOKEN": BOT_TOKEN}


@dataclass(frozen=True, slots=True)
class World:
    """The processes, what surrounds them, and those who send."""

    fluxbridge: Fluxbridge
    fleet: Fleet
    github: WatchedGitHub
    senders: Senders

    def check(self, *, patience_s: float = 60) -> None:
        """Wait until all is worked off, and compare what is outside with what was acknowledged."""
        self.senders.wait()
        self.fluxbridge.settle(patience_s=patience_s)
        truth.nothing_is_lost(self.fluxbridge, self.senders.acknowledged)
        truth.newest_are_proposed(self.fleet, self.github)
        truth.each_is_opened_once(self.github)
        truth.no_promotion_is_doubled(self.fluxbridge)
        truth.database_is_sound(self.fluxbridge)


@contextmanager
def world(
    folder: Path, database: str, *, apps: int = 6, branches_s: float = 60, lease_s: float = LEASE_S
) -> Iterator[World]:
    """Everything but a running server, which looks at the remote's branches every so many seconds."""
    with DemoRegistry() as registry, watched_github(folder) as github:
        fleet = Fleet(registry, tuple(f"app-{number}" for number in range(apps)))
        github.push("main", fleet.files(), by=MIRA)
        at_once = "paced: false, update_every_s: 0, writes_per_hour: 100000"
        where = f'repository: acme/fleet, api_url: "{github.api_url}", token: {{env: GITHUB_TOKEN}}, {at_once}'
        settings = settings_text(folder, github.git_url, registry.host, database, forge=f"{{kind: github, {where}}}")
        settings = settings.replace("workers: 4", f"workers: 4, lease_s: {lease_s}")
        settings = settings.replace("local_s: 0.1", f"branches_s: {branches_s}")
        with installed(folder, settings, _ENVIRONMENT) as fluxbridge:
            senders = Senders(fluxbridge)
            with senders.sending():
                yield World(fluxbridge, fleet, github, senders)
            github.on_asked, github.on_acted, github.on_git = _nothing, _nothing, _nothing


def _nothing(*_: object) -> None:
    """What is called at a request when the test is over."""
