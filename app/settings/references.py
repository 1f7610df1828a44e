"""Checks what no single section can know: that names lead somewhere and that sections do not contradict each other."""

from collections import Counter
from collections.abc import Iterator, Mapping

from app.core.nearest import among
from app.settings.models import Settings
from app.settings.server import is_loopback
from app.settings.sources import Source
from app.settings.sources.jenkins import JenkinsSource

Key = tuple[str | int, ...]


def contradictions(settings: Settings) -> Iterator[tuple[Key, str]]:
    """Each problem with the key that it is at."""
    for name, source in settings.sources.items():
        yield from _dangling(settings, name, source)
        yield from _foreign_issuers(settings, name, source)
    yield from _shared_places(settings)
    yield from _missing_branches(settings)
    yield from _shared_hosts(settings)
    yield from _shared_branches(settings)
    yield from _shared_budgets(settings)
    if not is_loopback(settings.listen.host) and not settings.api.tokens:
        yield ("listen", "host"), "is reachable from other machines, so at least one token is needed under api.tokens"


def _dangling(settings: Settings, name: str, source: Source) -> Iterator[tuple[Key, str]]:
    """A field of a source that is called so names an entry of that section, whatever kind of source it is."""
    leads_to: Mapping[str, tuple[str, Mapping[str, object]]] = {
        "jenkins": ("jenkins", settings.jenkins),
        "registry": ("registries", settings.registries),
        "config_repo": ("config_repos", settings.config_repos),
    }
    for field, (section, entries) in leads_to.items():
        for where, below in ((source, ()), (getattr(source, "body", None), ("body",))):
            target = getattr(where, field, None)
            if target is not None:
                yield from _missing((name, *below, field), target, entries, section)


def _foreign_issuers(settings: Settings, name: str, source: Source) -> Iterator[tuple[Key, str]]:
    """Whoever has the keys of an issuer can speak for all builds, so another than Jenkins itself is named as that."""
    if not isinstance(source, JenkinsSource) or source.oidc is None or source.jenkins not in settings.jenkins:
        return
    url = settings.jenkins[source.jenkins].url
    if source.oidc.folder_of(url) is None:
        yield (
            ("sources", name, "oidc", "issuer"),
            (
                f"is no issuer of jenkins.{source.jenkins}, whose are {url}/oidc and {url}/oidc/job/<folder>: write "
                "one of them letter by letter, or alternative_issuer: true where the credential in Jenkins has another"
            ),
        )


def _missing(place: Key, target: str, entries: Mapping[str, object], section: str) -> Iterator[tuple[Key, str]]:
    if target not in entries:
        yield (
            ("sources", *place),
            f"names {target}, which is not under {section}: {among(target, sorted(entries))}",
        )


def _shared_places(settings: Settings) -> Iterator[tuple[Key, str]]:
    """Each deployer is waited for by itself: one of two that are the same would never tell."""
    owners: dict[tuple[str, ...], str] = {}
    for name, source in settings.sources.items():
        place: tuple[str, ...] | None = getattr(source, "deploys", None)
        if place is not None and (owner := owners.setdefault(place, name)) != name:
            told = f"deploys the same root to the same cluster as sources.{owner}: keep one, with the jobs of both"
            yield ("sources", name), told


def _missing_branches(settings: Settings) -> Iterator[tuple[Key, str]]:
    for name, source in settings.sources.items():
        branch = getattr(source, "branch", None)
        repo = settings.config_repos.get(getattr(source, "config_repo", None) or "")
        if branch is not None and repo is not None and branch not in repo.bases:
            told = f"names {branch}, which is no base branch there: {among(branch, sorted(repo.bases))}"
            yield ("sources", name, "branch"), told


def _shared_hosts(settings: Settings) -> Iterator[tuple[Key, str]]:
    owners: dict[str, str] = {}
    for name, registry in settings.registries.items():
        for host in (registry.called, *registry.also_called):
            owner = owners.setdefault(host, name)
            if owner != name:
                yield ("registries", name), f"has the host {host}, which registries.{owner} has as well"
        if Counter((registry.called, *registry.also_called)).most_common(1)[0][1] > 1:
            yield ("registries", name, "aliases"), "must not repeat a host"


def _shared_branches(settings: Settings) -> Iterator[tuple[Key, str]]:
    owners: dict[tuple[str, str], str] = {}
    for name, repo in settings.config_repos.items():
        for base in repo.bases:
            owner = owners.setdefault((repo.url, base), name)
            if owner != name:
                yield ("config_repos", name), f"has the branch {base} of the same url as config_repos.{owner}"


def _shared_budgets(settings: Settings) -> Iterator[tuple[Key, str]]:
    owners: dict[str, tuple[str, int | None]] = {}
    for name, repo in settings.config_repos.items():
        budget = repo.forge.budget
        owner, shared = owners.setdefault(budget.name, (name, budget.per_hour))
        if budget.per_hour != shared:
            told = (
                f"is {budget.per_hour}, but config_repos.{owner} has {shared} with the same token: they share a budget"
            )
            yield ("config_repos", name, "forge", "writes_per_hour"), told
