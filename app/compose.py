"""Compose the systems from the settings: the one place where clients are built."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import assert_never

from app.clients.flux.kubectl import Kubectl, KustomizeBuilds
from app.clients.flux.receivers import FluxReceiver
from app.clients.forges.github.forge import GitHub
from app.clients.forges.github.webhooks import GitHubWebhooks
from app.clients.forges.local.forge import LocalForge
from app.clients.git.command import GitCommand
from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote
from app.clients.jenkins.controller import Jenkins
from app.clients.registry.oci import OCIRegistry
from app.core.errors import Refused
from app.core.ports import Forge, ManifestBuilder, WebhookSender
from app.senders import SENDERS
from app.senders.sender import Keys, Origin
from app.services.lane.check_builds import CheckedBuilds
from app.services.systems import ConfigRepo, Source, SweepRules, Systems, Timing
from app.settings import config_repos
from app.settings.config_repos import GitHubForge
from app.settings.exposure import is_open_to_others, take_from_others
from app.settings.models import Settings
from app.settings.secrets import Secret
from app.settings.sources import (
    DistributionSource,
    FluxSource,
    GitHubSource,
    JenkinsNotificationSource,
    JenkinsSource,
)
from app.settings.systems import ImageRegistry, JenkinsController

BUILD_TIMEOUT_S = 60.0


class NoKeys(Refused):
    """A source has nothing by which its senders could prove themselves."""

    def __init__(self, name: str, wanted: str) -> None:
        super().__init__(f"sources.{name} has no usable {wanted}: anyone could post; set it and start again")


class DataFolderUnusable(Refused):
    """The folder for the database, the mirrors and the token cannot be made."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"the data folder {path} cannot be made ({why}): set data_dir to a folder of your own")


def utc_now() -> datetime:
    """The present time of this machine."""
    return datetime.now(UTC)


def make_data_folder(settings: Settings) -> None:
    """Make the data folder, and leave it to this account alone where it is ours. Raises DataFolderUnusable."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DataFolderUnusable(settings.data_dir, error.strerror or "refused") from error
    # What a file system does not let us change is told by `exposed_data_folder`.
    with suppress(OSError):
        take_from_others(settings.data_dir)


def exposed_data_folder(settings: Settings) -> str | None:
    """Say that others may see into the data folder, where that could not be changed."""
    if not is_open_to_others(settings.data_dir):
        return None
    return (
        f"other accounts may read the data folder {settings.data_dir}: "
        "make this account its owner and chmod 700 it, or set data_dir to a folder of its own"
    )


Spend = Callable[[str, int, int], None]
"""Take writes out of a budget: its name, how many it has an hour, how many to take at once. Raises Unavailable."""


def without_budget(name: str, per_hour: int, count: int) -> None:
    """For commands that only read."""
    del name, per_hour, count


def compose_systems(settings: Settings, *, spend: Spend = without_budget) -> Systems:
    """Build every client that the settings name; nothing is contacted yet. Raises Refused leaves."""
    found = {name: compose_source(name, settings) for name in settings.sources}
    for name, source in found.items():
        _require_keys(name, source)
    registries = {_host(one): compose_registry(one) for one in settings.registries.values()}
    return Systems(
        sources=found,
        jenkins={name: compose_jenkins(name, one) for name, one in settings.jenkins.items()},
        jenkins_urls={name: one.url for name, one in settings.jenkins.items()},
        registries=registries,
        aliases={alias: _host(one) for one in settings.registries.values() for alias in one.aliases},
        config_repos={name: compose_config_repo(name, settings, spend=spend) for name in settings.config_repos},
        timing=Timing(
            lease=timedelta(seconds=settings.work.lease_s),
            lane_deadline=timedelta(seconds=settings.work.lane_deadline_s),
            build_within=timedelta(seconds=settings.build_within_s),
            applied_within=timedelta(seconds=settings.applied_within_s),
        ),
        sweeps=_sweep_rules(settings),
        closers=tuple(one.close for one in registries.values()),
    )


def mirror_path(settings: Settings, name: str) -> Path:
    """Where the mirror of a config repository is kept."""
    return settings.data_dir / "mirrors" / f"{name}.git"


def local_forge(one: config_repos.ConfigRepo) -> LocalForge:
    """The forge that is the bare repository itself."""
    return LocalForge(Path(one.url.removeprefix("file://")), clock=utc_now)


def _require_keys(name: str, source: Source) -> None:
    wanted = SENDERS[source.kind].needs
    keys = source.keys()
    if not any(keys.holds(kind) for kind in wanted):
        raise NoKeys(name, " or ".join(wanted))


def compose_source(name: str, settings: Settings) -> Source:
    """One source; its secrets are read when they are used."""
    match one := settings.sources[name]:
        case JenkinsSource():
            return Source(
                name=name,
                kind=one.kind,
                origin=Origin(name, jenkins=one.jenkins, jenkins_url=settings.jenkins[one.jenkins].url),
                keys=lambda: Keys(secrets=_read(one.secret)),
                jobs=one.jobs or (),
                images=one.images or (),
            )
        case JenkinsNotificationSource():
            return Source(
                name=name,
                kind=one.kind,
                origin=Origin(name, jenkins=one.jenkins, jenkins_url=settings.jenkins[one.jenkins].url),
                keys=lambda: _notification_keys(one),
                jobs=one.jobs or (),
                images=one.images or (),
            )
        case DistributionSource():
            return Source(
                name=name,
                kind=one.kind,
                origin=Origin(name, registry=_host(settings.registries[one.registry])),
                keys=lambda: Keys(headers={header.lower(): _read(values) for header, values in one.header.items()}),
                images=one.images or (),
            )
        case GitHubSource():
            return Source(
                name=name,
                kind=one.kind,
                origin=Origin(name),
                keys=lambda: Keys(secrets=_read(one.secret)),
                config_repo=one.config_repo,
            )
        case FluxSource():
            return Source(
                name=name,
                kind=one.kind,
                origin=Origin(name, cluster=one.cluster),
                keys=lambda: Keys(secrets=_read(one.secret)),
                config_repo=one.config_repo,
                root=one.root,
            )
        case _:
            assert_never(one)


def _notification_keys(one: JenkinsNotificationSource) -> Keys:
    if one.basic is not None:
        user = one.basic.user
        return Keys(basic=tuple((user, password) for password in _read(one.basic.password)))
    return Keys(url_tokens=_read(one.url_token or ()))


def _read(secrets: tuple[Secret, ...]) -> tuple[str, ...]:
    return tuple(secret.read() for secret in secrets)


def _reader(secret: Secret | None) -> Callable[[], str] | None:
    return secret.read if secret is not None else None


def _host(one: ImageRegistry) -> str:
    return one.host


def compose_jenkins(name: str, one: JenkinsController) -> Jenkins:
    """One controller."""
    return Jenkins(name, one.url, user=one.user, token=_reader(one.token), ca_file=one.ca_file, proxy=one.proxy)


def compose_registry(one: ImageRegistry) -> OCIRegistry:
    """One registry. Raises CertificatesUnusable."""
    return OCIRegistry(
        one.host,
        user=one.user,
        password=_reader(one.password),
        plain_http=one.plain_http,
        ca_file=one.ca_file,
        proxy=one.proxy,
    )


def compose_config_repo(name: str, settings: Settings, *, spend: Spend = without_budget) -> ConfigRepo:
    """One config repository, with its mirror on this disk. Raises Refused leaves."""
    make_data_folder(settings)
    one, path = settings.config_repos[name], mirror_path(settings, name)
    remote = Remote(
        url=one.url.removeprefix("file://"), credentials=_git_login(one), ca_file=one.ca_file, proxy=one.proxy
    )
    mirror = Mirror(
        remote,
        GitCommand(path, settings.work.lane_deadline_s),
        base_branches=one.bases,
        prefix=one.prefix,
        identity=(one.identity.name, one.identity.email),
    )
    forge, look = _forge(one, mirror, spend)
    return ConfigRepo(
        name=name,
        repository=mirror,
        forge=forge,
        forge_repository=one.forge.repository if isinstance(one.forge, GitHubForge) else name,
        look=look,
        look_every=timedelta(seconds=settings.sweeps.local_s if one.is_local else settings.sweeps.branches_s),
        branches=one.bases,
        prefix=one.prefix,
        is_observing=one.mode == "observe",
        are_rules_required=one.rules == "required",
        builder=_builder(one, mirror),
        forge_budget=one.forge.budget if isinstance(one.forge, GitHubForge) else "local",
        writes_per_hour=one.forge.writes_per_hour if isinstance(one.forge, GitHubForge) else None,
        update_every=timedelta(seconds=one.forge.update_every_s if isinstance(one.forge, GitHubForge) else 0),
        sender=_webhook_sender(one, forge),
        is_local=isinstance(forge, LocalForge),
        receivers=_receivers(one),
    )


def _receivers(one: config_repos.ConfigRepo) -> tuple[FluxReceiver, ...]:
    return tuple(
        FluxReceiver(name, each.url, secret=each.secret.read, ca_file=each.ca_file, proxy=each.proxy)
        for name, each in one.receivers.items()
    )


def _builder(one: config_repos.ConfigRepo, mirror: Mirror) -> ManifestBuilder | None:
    if one.validate_by == "none":
        return None
    return CheckedBuilds(KustomizeBuilds(mirror, Kubectl.on_path(timeout_s=BUILD_TIMEOUT_S)))


def _git_login(one: config_repos.ConfigRepo) -> Callable[[], tuple[str, str] | None]:
    login = one.git_login
    return (lambda: (login[0], login[1].read())) if login is not None else (lambda: None)


def _webhook_sender(one: config_repos.ConfigRepo, forge: Forge) -> WebhookSender | None:
    is_wanted = isinstance(one.forge, GitHubForge) and one.forge.redeliver
    return GitHubWebhooks(forge) if is_wanted and isinstance(forge, GitHub) else None


def _sweep_rules(settings: Settings) -> SweepRules:
    return SweepRules(
        schedules=settings.sweeps.schedules,
        jobs={name: one.sweep_jobs for name, one in settings.jenkins.items() if one.sweep_jobs},
        max_new=settings.sweeps.max_new,
        bodies_kept=timedelta(days=settings.retention.bodies_days),
        bodies_day_bytes=settings.retention.bodies_day_bytes,
    )


def _forge(one: config_repos.ConfigRepo, mirror: Mirror, spend: Spend) -> tuple[Forge, Callable[[], Mapping[str, str]]]:
    if not isinstance(one.forge, GitHubForge):
        forge = local_forge(one)
        return forge, forge.refs
    github = GitHub(
        one.forge.repository,
        token=one.forge.token.read,
        base_url=one.forge.api_url,
        ca_file=one.ca_file,
        proxy=one.proxy,
        seconds_between_requests=0.25 if one.forge.paced else None,
        seconds_between_writes=1.0 if one.forge.paced else None,
        spend=partial(spend, one.forge.budget, one.forge.writes_per_hour),
    )
    return github, mirror.remote_branches
