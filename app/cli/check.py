"""`fluxbridge check`: are the settings right, and does every system answer."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any

import typer

from app.cli.integrity import look_through_database
from app.cli.reach import reach, running_at
from app.cli.settings import read_settings
from app.cli.sweep import held_line
from app.cli.terminal import printable, say
from app.cli.untold import untold
from app.clients.git_command import check_git
from app.compose import compose_systems, exposed_data_folder, utc_now
from app.core.errors import FluxbridgeError, Invalid, NotFound
from app.core.facts import BuildFinished
from app.core.flux.tree import About, FluxTree
from app.core.flux.warnings import warn_of_tree
from app.db import held_back, policies
from app.db.database import DatabaseLocked
from app.main import open_database
from app.services.expect_flux import applying
from app.services.read_lane import view_at
from app.services.read_status import read_untold
from app.services.read_sweeps import HeldView
from app.services.scans import Scans
from app.services.systems import ConfigRepo, Source, Systems
from app.settings.exposure import exposed_secrets
from app.settings.loading import settings_path
from app.settings.models import Settings
from app.settings.secrets import unusable_secrets

_TELLS_NO_SUCCESS = "notification-controller 1.8.0 to 1.8.3 sends no success: run 1.8.4 or later (docs/flux.md)"
_BARRED = "barred: "
_MOST_BARRED = 100
_NOT_THERE = "fluxbridge/check"
_Check = tuple[str, Callable[[], str]]


def check(*, database: bool) -> None:
    """Check the settings, the secrets, git, and whether every system answers."""
    settings = read_settings()
    if database:
        raise typer.Exit(look_through_database(settings))
    typer.echo(f"ok    settings: {settings_path(os.environ)}")
    problems = unusable_secrets(settings)
    for problem in problems:
        say(f"WRONG {problem}")
    if problems:
        raise typer.Exit(1)
    with closing(compose_systems(settings)) as systems:
        are_well = [_is_well(name, look) for name, look in _checks(settings, systems)]
    raise typer.Exit(0 if all(are_well) else 1)


def _is_well(name: str, look: Callable[[], str]) -> bool:
    try:
        told, is_well = f"ok    {name}: {look()}", True
    except FluxbridgeError as error:
        told, is_well = f"WRONG {name}: {error}", False
    for line in told.split("\n"):
        say(line)
    return is_well


def _checks(settings: Settings, systems: Systems) -> Iterator[_Check]:
    yield "secrets", lambda: _lines("each can be used", (), exposed_secrets(settings))
    yield "data folder", lambda: _lines(str(settings.data_dir), (), filter(None, [exposed_data_folder(settings)]))
    yield "git", lambda: ".".join(map(str, check_git()))
    yield "database", lambda: _check_database(settings)
    for name, jenkins in systems.jenkins.items():
        yield f"jenkins.{name}", partial(_answered, partial(jenkins.build, "fluxbridge-check", 1))
    scans, named = Scans.kept_in(settings.data_dir), dict[str, str]()
    for name, repo in systems.config_repos.items():
        yield f"config_repos.{name}.forge", partial(_check_forge, repo)
        yield f"config_repos.{name}", partial(_check_config_repo, repo, systems, scans, named)
    for name, source in systems.sources.items():
        if source.origin.cluster is not None:
            yield f"sources.{name}", partial(_check_cluster, source, systems, scans)
    for host, registry in systems.registries.items():
        # Many registries deny what an account may not pull, whether it exists or not.
        yield f"registry {host}", partial(_answered, partial(registry.digest, named.get(host, _NOT_THERE), "none"))


def _check_database(settings: Settings) -> str:
    try:
        with closing(open_database(settings)) as database:
            with database.transaction() as connection:
                held = [(one.sweep, HeldView.of(one).model_dump()) for one in held_back.every(connection)]
                barred = policies.page(connection, limit=_MOST_BARRED, status=_BARRED).items
                status = read_untold(connection, utc_now()).model_dump(mode="json")
            told = [f"{one.file}: {one.namespace}/{one.name}: {one.status}" for one in barred]
    except DatabaseLocked:
        url = running_at(settings)
        if url is None:
            raise
        with reach() as api:
            held = [(each["name"], one) for each in api.get("/sweeps")["items"] for one in each["held"]]
            listed = api.get("/policies", status=_BARRED, limit=_MOST_BARRED)["items"]
            told = [f"{one['file']}: {one['namespace']}/{one['name']}: {one['status']}" for one in listed]
            status = api.get("/status")
        return _lines(f"open in the server at {url}", held, [*told, *untold(status)])
    return _lines("at this version's schema", held, [*told, *untold(status)])


def _lines(first: str, held: Sequence[tuple[str, Any]], told: Iterable[str]) -> str:
    waits = [printable(f"WAITS {held_line(*one)}") for one in held]
    return "\n".join([first, *waits]) + "".join(map(_below, told))


def _below(told: str) -> str:
    """A line of its own below what is told of one thing."""
    return f"\n      {printable(told)}"


def _answered(ask: Callable[[], BuildFinished | str | None]) -> str:
    """Any answer will do: also that there is no such build."""
    with suppress(NotFound):
        ask()
    return "answers"


def _check_forge(repo: ConfigRepo) -> str:
    return f"acts as {repo.forge.account()}"


def _check_config_repo(repo: ConfigRepo, systems: Systems, scans: Scans, named: dict[str, str]) -> str:
    """Read every base branch; `named` gets a repository of each registry that a policy names."""
    heads = repo.repository.fetch()
    told: list[str] = []
    is_well = True
    for branch in repo.branches:
        if branch not in heads:
            raise MissingBranch(repo.name, branch)
        view = view_at(repo.repository, scans, heads[branch], are_rules_required=repo.are_rules_required)
        images = [systems.known_as(one.image) for one in view.tree.policies if one.image is not None]
        named.update({image.registry: image.path for image in images})
        told.append(f"{branch}: {len(view.tree.policies)} policies, {len(view.staged)} fields")
        odd = [one for one in view.reports if one.about in (About.OBJECT, About.STAGE)]
        told += [_below(f"{one.file}:{one.line or 1}: {one.what}") for one in odd]
        is_well &= all(one.about is not About.STAGE for one in odd)
        if view.rules_problem is not None:
            raise RulesUnusable(repo.name, branch, view.rules_problem)
        told += map(_below, _policy_problems(view.tree, systems))
        told += [_below(f"{one.place}: {one.message} ({one.kind})") for one in warn_of_tree(view.tree)]
    if not is_well:
        raise StagesUnclear(" ".join(told))
    return " ".join(told)


def _check_cluster(source: Source, systems: Systems, scans: Scans) -> str:
    """See that the cluster's root reaches Kustomizations, and tell of what keeps Flux from applying or telling."""
    repo = systems.config_repos[source.config_repo or ""]
    heads = repo.repository.fetch()
    told: list[str] = []
    for branch in (one for one in repo.branches if one in heads):
        view = view_at(repo.repository, scans, heads[branch], are_rules_required=repo.are_rules_required)
        found = list(applying(view.tree, source, branch))
        fields = {
            one.file
            for kustomization, _ in found
            for one, _ in view.staged
            if view.tree.reaches(kustomization, one.file)
        }
        told += [f"{branch}: {len(found)} Kustomizations, which reach fields in {len(fields)} files"] if found else []
        told += [_below(f"{one.namespace}/{one.name}: {why}") for one, why in found if why is not None]
    if not told:
        raise RootReachesNothing(source, repo.name)
    return f"{' '.join(told)}{_below(_TELLS_NO_SUCCESS)}"


def _policy_problems(tree: FluxTree, systems: Systems) -> Iterator[str]:
    for policy in tree.policies:
        if policy.problem is not None:
            yield f"{policy.file}: {policy.name}: {policy.problem}"
        elif policy.image is not None and systems.registry_of(systems.known_as(policy.image)) is None:
            yield f"{policy.file}: {policy.name}: the registry of {policy.image} is not among `registries`"


class RootReachesNothing(Invalid):
    """Nothing that a cluster tells can be followed: no Kustomization lies below its source's root."""

    def __init__(self, source: Source, repo: str) -> None:
        super().__init__(
            f"root {source.root!r} reaches no Kustomization of {repo}: write the folder that "
            f"`flux bootstrap --path` was given, or no event of cluster {source.origin.cluster} counts"
        )


class RulesUnusable(Invalid):
    """The rules of a lane stop it."""

    def __init__(self, repo: str, branch: str, problem: str) -> None:
        super().__init__(f"{repo}:{branch}: {problem}")


class StagesUnclear(Invalid):
    """Files may be in another stage than was meant: told with all else of the config repository."""


class MissingBranch(NotFound):
    """A base branch is not in its config repository."""

    def __init__(self, repo: str, branch: str) -> None:
        super().__init__(f"{repo} has no branch {branch}: push it, or mend config_repos.{repo}.branch")
