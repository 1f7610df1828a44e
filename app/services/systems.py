"""The systems that services talk to, as they were composed from the settings: ports and what was said of each."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from app.core.images import ImageName
from app.core.ports import ConfigRepository, Forge, Jenkins, ManifestBuilder, Receiver, Registry
from app.senders.sender import Keys, Origin

Clock = Callable[[], datetime]

_LEADS_ELSEWHERE = re.compile(r"[?#\\]|/\.\.?(?:/|$)|%2e|%2f|%5c", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One configured sender: what proves it, and what it may speak for (patterns with `*`; empty: everything).

    `branch` is the one base branch that a deployer deploys; None: any.
    """

    name: str
    kind: str
    origin: Origin
    keys: Callable[[], Keys]
    jobs: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    config_repo: str | None = None
    root: str = ""
    branch: str | None = None

    @property
    def is_deployer(self) -> bool:
        """Whether the builds of its Jenkins deploy to a cluster, in Flux's place; they make no images then."""
        return self.origin.jenkins is not None and self.origin.cluster is not None

    def may_report_job(self, job: str) -> bool:
        """Tell whether this source may speak for a job."""
        return not self.jobs or any(fnmatchcase(job, pattern) for pattern in self.jobs)

    def may_report_image(self, image: ImageName) -> bool:
        """Tell whether this source may speak for an image."""
        return not self.images or any(fnmatchcase(str(image), pattern) for pattern in self.images)

    def may_report_on(self, repo: "ConfigRepo") -> bool:
        """Tell whether this source may speak for the branches and pull requests of a config repository."""
        return self.config_repo in {None, repo.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRepo:
    """One config repository: its mirror, its forge, its base branches and how far we may go in it.

    `refs` gives names and ids that change whenever its branches do, and its pull requests too where
    `refs_show_pull_requests`. `builder` proves that what was edited still builds, where that is asked for. Writes to
    the forge are counted under `forge_budget`; a pull request gets a newer tag at most once in `update_every`.
    `receivers` are those of Flux in its clusters, which are called after a merge. `url` is where it is fetched from.
    """

    name: str
    repository: ConfigRepository
    forge: Forge
    forge_repository: str
    refs: Callable[[], Mapping[str, str]]
    refs_every: timedelta
    branches: tuple[str, ...]
    prefix: str
    is_observing: bool = False
    are_rules_required: bool = False
    builder: ManifestBuilder | None = None
    forge_budget: str = ""
    url: str = ""
    update_every: timedelta = timedelta(0)
    refs_show_pull_requests: bool = False
    receivers: tuple[Receiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The spans that the work keeps to; what has not ended `grace` after its deadline is given up."""

    lease: timedelta = timedelta(seconds=30)
    lane_deadline: timedelta = timedelta(minutes=10)
    grace: timedelta = timedelta(seconds=30)
    build_within: timedelta = timedelta(hours=1)
    applied_within: timedelta = timedelta(minutes=15)
    pull_requests_every: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRules:
    """What sweeps look at and when. `schedules` are cron expressions in UTC by sweep; one without waits for a person.

    `jobs` are patterns by Jenkins controller (none: its builds are not swept). More than `max_new` new items of one
    repository or pattern at once wait for a person. Bodies of deliveries are kept for `bodies_kept` after their end, of
    one source and day at most `bodies_day_bytes`. Registries that are listed `often` are so whatever the schedules say,
    by how they are called and how often.
    """

    schedules: Mapping[str, str] = field(default_factory=dict)
    jobs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    max_new: int = 100
    often: Mapping[str, timedelta] = field(default_factory=dict)
    bodies_kept: timedelta = timedelta(days=30)
    bodies_day_bytes: int = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Systems:
    """Everything outside that the services may reach. `registries` is keyed by host, aliases resolved by `known_as`.

    `jenkins_urls` says where people see each controller, as the settings have it.
    `closers` end the connections that clients keep open between two calls.
    """

    sources: Mapping[str, Source] = field(default_factory=dict)
    jenkins: Mapping[str, Jenkins] = field(default_factory=dict)
    jenkins_urls: Mapping[str, str] = field(default_factory=dict)
    registries: Mapping[str, Registry] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    config_repos: Mapping[str, ConfigRepo] = field(default_factory=dict)
    timing: Timing = field(default_factory=Timing)
    sweeps: SweepRules = field(default_factory=SweepRules)
    closers: tuple[Callable[[], None], ...] = ()

    def close(self) -> None:
        """End the connections that clients keep."""
        for close in self.closers:
            close()

    def known_as(self, image: ImageName) -> ImageName:
        """The image under its registry's own host, where it was written with an alias."""
        host = self.aliases.get(image.registry)
        return ImageName(host, image.path) if host else image

    def is_of_controller(self, url: str, controller: str) -> bool:
        """Whether an address that was told is a page of a Jenkins controller, below its own in the settings.

        What leads out of there, or asks that page for something, is none.
        """
        own = self.jenkins_urls.get(controller)
        return own is not None and url.startswith(f"{own.rstrip('/')}/") and not _LEADS_ELSEWHERE.search(url)

    def deployers_of(self, controller: str, job: str) -> Sequence[Source]:
        """The sources for which the builds of a job deploy; none: they may make images."""
        every = (one for one in self.sources.values() if one.is_deployer and one.origin.jenkins == controller)
        return [one for one in every if one.may_report_job(job)]

    def config_repos_at(self, forge_repository: str) -> Iterator[ConfigRepo]:
        """The config repositories that are this repository of a forge, whose names differ in more than case."""
        wanted = forge_repository.casefold()
        return (repo for repo in self.config_repos.values() if repo.forge_repository.casefold() == wanted)

    def registry_of(self, image: ImageName) -> Registry | None:
        """The registry that holds an image; None where its host is not configured."""
        return self.registries.get(image.registry)
