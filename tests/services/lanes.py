"""One lane with a real mirror, a real local forge and a real database, run by hand step by step."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from sqlalchemy import Connection

from app.clients.forges.local.forge import LocalForge
from app.clients.git.command import GitCommand
from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote
from app.core.errors import Unavailable
from app.core.images import ImageName, is_digest
from app.core.ports import ConfigRepository, Forge, PullRequest, PullRequestState, Receiver
from app.db import catalogue, lanes, outbox, promotions
from app.db.database import Database
from app.db.outbox import ClaimedTelling
from app.db.promotions import PromotionFilters, PromotionRow
from app.services.catalogue.keep_selections import keep_selections
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.heads.scans import Scans
from app.services.lane.reconcile import reconcile
from app.services.lane.run import LaneRun
from app.services.systems import ConfigRepo, Systems
from app.services.telling.outbox import Sender
from tests.db.facts import record_listing, record_push
from tests.servers.bare_repository import BareRepository

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=30)
IMAGE = ImageName("registry.acme.example", "team/app")
LANE = "fleet:main"


@dataclass
class ListedRegistry:
    """A registry that was listed already and has every tag, but those that are `gone`; a `silent` one says nothing."""

    gone: set[str] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)
    is_silent: bool = False

    def tags(self, path: str) -> list[str]:
        """Not asked: the catalogue is filled by hand."""
        raise AssertionError(path)

    def digest(self, path: str, reference: str) -> str | None:
        """A digest of its own for each tag, but for those that were `moved` to another."""
        del path
        if self.is_silent:
            raise Unavailable("the registry is silent")
        if reference in self.gone:
            return None
        return reference if is_digest(reference) else self.moved.get(reference, digest(reference))


def digest(tag: str) -> str:
    """A digest of its own for each tag."""
    return "sha256:" + tag.encode().hex().rjust(64, "0")[-64:]


def mirror_of(config: BareRepository, path: Path) -> Mirror:
    """A mirror of a config repository, empty where there is none yet, as every process has one of its own."""
    return Mirror(
        Remote(url=str(config.path)),
        GitCommand(path, 30),
        base_branches=["main"],
        prefix="fluxbridge",
        identity=("Fluxbridge", "fluxbridge@localhost"),
    )


@dataclass
class Lane:
    """The lane `main` of `fleet`; its systems can be swapped for others between runs."""

    database: Database
    config: BareRepository
    repository: ConfigRepository
    forge: Forge
    now: datetime = NOW
    receivers: tuple[Receiver, ...] = ()
    is_observing: bool = False
    registry: ListedRegistry = field(default_factory=ListedRegistry)
    scans: Scans = field(default_factory=Scans)
    ready: ReadyPolicies = field(default_factory=ReadyPolicies)

    @classmethod
    def create(cls, folder: Path, database: Database, files: Mapping[str, str]) -> "Lane":
        """Make a config repository with these files and a lane over it."""
        config = BareRepository.create(folder / "fleet.git")
        config.commit("main", files)
        mirror = mirror_of(config, folder / "mirror.git")
        lane = cls(database, config, mirror, LocalForge(config.path, clock=lambda: NOW))
        with database.transaction() as connection:
            lanes.ensure(connection, "fleet", "main", NOW)
            record_listing(connection, IMAGE, ["1.0.0"], NOW - timedelta(days=1))
        return lane

    def moved(self, folder: Path, database: Database) -> Self:
        """The lane on copies of its folder and its database; see histories.py."""
        config = BareRepository(folder / "fleet.git")
        return replace(
            self,
            database=database,
            config=config,
            repository=mirror_of(config, folder / "mirror.git"),
            forge=LocalForge(config.path, clock=lambda: NOW),
            registry=deepcopy(self.registry),
            scans=Scans(),
            ready=ReadyPolicies(),
        )

    @property
    def systems(self) -> Systems:
        """The systems as they are now."""
        repo = ConfigRepo(
            name="fleet",
            repository=self.repository,
            forge=self.forge,
            forge_repository="acme/fleet",
            refs=dict,
            refs_every=timedelta(seconds=1),
            branches=("main",),
            prefix="fluxbridge",
            receivers=self.receivers,
            is_observing=self.is_observing,
        )
        return Systems(registries={IMAGE.registry: self.registry}, config_repos={"fleet": repo})

    def push(self, tag: str) -> None:
        """A tag was pushed, and the registry has shown it."""
        with self.telling_of(tag) as connection:
            record_push(connection, IMAGE, tag, digest(tag), at=None, now=self.now, source="registry", delivery_id=None)
            catalogue.set_digest(connection, IMAGE, tag, digest(tag), asked_at=self.now)

    @contextmanager
    def telling_of(self, *tags: str) -> Iterator[Connection]:
        """One transaction that writes facts about these tags."""
        with self.database.transaction() as connection:
            catalogue.lock(connection, [IMAGE], self.now)
            yield connection
            keep_selections(connection, self.ready, IMAGE, tags)

    def claim(self, owner: str = "tests", *, later: timedelta = timedelta(0)) -> LaneRun:
        """Take the lane."""
        systems = self.systems
        with self.database.transaction() as connection:
            lanes.raise_wanted(connection, [LANE], now=self.now)
            now = self.now + later + timedelta(hours=1)
            claim = lanes.claim_due(connection, owner=owner, now=now, lease=LEASE)
        assert claim is not None
        return LaneRun(
            claim=claim,
            repo=systems.config_repos["fleet"],
            systems=systems,
            database=self.database,
            scans=self.scans,
            ready=self.ready,
            clock=lambda: self.now,
        )

    def run(self) -> None:
        """Run the lane once, and tell others what it had to tell."""
        reconcile(self.claim())
        self.send()

    def send(self) -> list[ClaimedTelling]:
        """Send what is due, as the threads of the outbox do; returns what was taken."""
        taken: list[ClaimedTelling] = []
        while (claim := self.claim_telling()) is not None:
            Sender(self.database, self.systems, lambda: self.now).send(claim)
            taken.append(claim)
        return taken

    def claim_telling(self) -> ClaimedTelling | None:
        """Take what has been due longest of the outbox."""
        with self.database.transaction() as connection:
            return outbox.claim_due(connection, owner="tests", now=self.now, lease=LEASE)

    def open_pulls(self) -> list[PullRequest]:
        """The pull requests that people see open."""
        forge = LocalForge(self.config.path, clock=lambda: NOW)
        return list(forge.list_pull_requests(state=PullRequestState.OPEN))

    def merge_open(self) -> str:
        """Merge what is open, and let the lane see it; returns the base head."""
        for pull in self.open_pulls():
            self.forge.merge(pull.number, by="mira")  # type: ignore[attr-defined]
        self.run()
        head = self.config.head("main")
        assert head is not None
        return head

    def promotions(self) -> list[PromotionRow]:
        """Every promotion, newest first."""
        with self.database.transaction() as connection:
            return list(promotions.page(connection, PromotionFilters(), limit=100).items)
