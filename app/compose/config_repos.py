"""Config repositories from their settings: the mirror, the forge, and whoever is told of a merge."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from app.clients.flux.kubectl import Kubectl, KustomizeBuilds
from app.clients.flux.receivers import FluxReceiver
from app.clients.git.command import GitCommand
from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote, SshKey
from app.compose.forges import ComposedForge, Spend, compose_forge, without_budget
from app.compose.machine import make_data_folder
from app.core.ports import ManifestBuilder
from app.services.lane.check_builds import CheckedBuilds
from app.services.systems import ConfigRepo
from app.settings import config_repos
from app.settings.models import Settings

BUILD_TIMEOUT_S = 60.0
GitLogin = Callable[[], tuple[str | None, str] | None]


def mirror_path(settings: Settings, name: str) -> Path:
    """Where the mirror of a config repository is kept."""
    return settings.data_dir / "mirrors" / f"{name}.git"


def compose_config_repo(name: str, settings: Settings, *, spend: Spend = without_budget) -> ConfigRepo:
    """One config repository, with its mirror on this disk. Raises Refused leaves."""
    make_data_folder(settings)
    one = settings.config_repos[name]
    composed = compose_forge(name, one, spend=spend)
    mirror = _mirror(name, one, settings, _git_login(one, composed))
    return ConfigRepo(
        name=name,
        repository=mirror,
        forge=composed.forge,
        forge_repository=composed.repository,
        refs=composed.refs or mirror.remote_branches,
        refs_every=timedelta(seconds=settings.sweeps.local_s if one.is_local else settings.sweeps.branches_s),
        branches=one.bases,
        prefix=one.prefix,
        is_observing=one.mode == "observe",
        are_rules_required=one.rules == "required",
        builder=_builder(one, mirror),
        forge_budget=composed.budget,
        url=one.url,
        update_every=composed.update_every,
        refs_show_pull_requests=composed.refs is not None,
        receivers=_receivers(one),
    )


def _receivers(one: config_repos.ConfigRepo) -> tuple[FluxReceiver, ...]:
    return tuple(
        FluxReceiver(name, each.url, secret=each.secret.read, ca_file=each.ca_file, proxy=each.proxy)
        for name, each in one.receivers.items()
    )


def _mirror(name: str, one: config_repos.ConfigRepo, settings: Settings, login: GitLogin) -> Mirror:
    url = one.url.removeprefix("file://")
    return Mirror(
        Remote(url=url, credentials=login, ssh=_deploy_key(one), ca_file=one.ca_file, proxy=one.proxy),
        GitCommand(mirror_path(settings, name), settings.work.lane_deadline_s),
        base_branches=one.bases,
        prefix=one.prefix,
        identity=(one.identity.name, one.identity.email),
    )


def _deploy_key(one: config_repos.ConfigRepo) -> SshKey | None:
    return SshKey(one.ssh.key.read, one.ssh.known_hosts) if one.ssh is not None else None


def _git_login(one: config_repos.ConfigRepo, composed: ComposedForge) -> GitLogin:
    """Own credentials before the forge's, which are of no use where git does not ask over HTTP."""
    if one.credentials is None and composed.git_login is not None and one.is_on_web:
        return composed.git_login
    login = one.git_login
    return (lambda: (login[0], login[1].read())) if login is not None else (lambda: None)


def _builder(one: config_repos.ConfigRepo, mirror: Mirror) -> ManifestBuilder | None:
    if one.validate_by == "none":
        return None
    return CheckedBuilds(KustomizeBuilds(mirror, Kubectl.on_path(timeout_s=BUILD_TIMEOUT_S)))
