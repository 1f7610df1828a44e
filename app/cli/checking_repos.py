"""What `fluxbridge check` asks of config repositories and forges, and of clusters by what is in the repositories."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.cli.noticing import lines_of, noticed
from app.clients.deadline import ending_within
from app.core.errors import Invalid, NotFound, Refused
from app.core.flux.tree import About, FluxTree, Report
from app.core.ports import Rights
from app.services.heads.scans import Scans
from app.services.heads.view import HeadView, view_at
from app.services.lane.expect_flux import applying
from app.services.systems import ConfigRepo, Source

_SOON_DAYS = 30
_FIRST_ANSWER = timedelta(seconds=30)
_TELLS_NO_SUCCESS = "notification-controller 1.8.0 to 1.8.3 sends no success: run 1.8.4 or later (docs/flux.md)"


class RootReachesNothing(Invalid):
    """Nothing that a cluster tells can be followed: no Kustomization lies below its source's root."""

    def __init__(self, source: Source, repo: str) -> None:
        super().__init__(
            f"root {source.root!r} reaches no Kustomization of {repo}: write the folder that "
            f"`flux bootstrap --path` was given, or no event of cluster {source.origin.cluster} counts"
        )


class RootHoldsNothing(Invalid):
    """No build of a deployer can be followed: what it deploys has no field."""

    def __init__(self, source: Source) -> None:
        super().__init__(
            f"root {source.root!r} of {source.config_repo} has no field in any stage: write the folder that "
            f"{' or '.join(source.jobs)} deploys, or no build counts for cluster {source.origin.cluster}"
        )


class RulesUnusable(Invalid):
    """The rules of a lane stop it."""

    def __init__(self, repo: str, branch: str, problem: str) -> None:
        super().__init__(f"{repo}:{branch}: {problem}")


class ConfigRepoUnclear(Invalid):
    """Something in a config repository is wrong: told with all else of it."""


class MissingBranch(NotFound):
    """A base branch is not in its config repository."""

    def __init__(self, repo: str, branch: str) -> None:
        super().__init__(f"{repo} has no branch {branch}: push it, or mend config_repos.{repo}.branch")


def below(told: str) -> str:
    """A line of its own below what is told of one thing."""
    return f"\n      {told}"


class MayNotPropose(Refused):
    """The forge tells that what Fluxbridge is there for cannot be done."""

    def __init__(self, told: str, why: str) -> None:
        super().__init__(f"{told}, but {why}")


def check_forge(repo: ConfigRepo, now: datetime) -> str:
    """Prove that it is the forge that the settings say, that it shows the repository, and what we may do there.

    Raises MayNotPropose.
    """
    forge = repo.forge
    product = forge.product()
    forge.recent_pull_requests(prefix=repo.prefix, limit=1)
    told = f"acts as {forge.account()} on {product}"
    rights = {base: forge.rights(base=base) for base in repo.branches}
    of_all = next(iter(rights.values()))
    if of_all.is_archived and not repo.is_observing:
        raise MayNotPropose(told, "the repository is archived: unarchive it, or set mode: observe")
    if of_all.may_push is False and not repo.is_observing:
        raise MayNotPropose(told, f"may not push: let it write branches below {repo.prefix}/, or set mode: observe")
    return told + "".join(below(line) for line in _of_rights(rights, of_all.token_ends_at, now))


def _of_rights(rights: Mapping[str, Rights], ends_at: datetime | None, now: datetime) -> Iterator[str]:
    for base, its in rights.items():
        if its.may_push_to_base:
            yield f"{base} is open: it may push there itself, past all review; protect the branch (docs/security.md)"
        if its.demands:
            yield f"{base} demands before a merge: {', '.join(its.demands)}"
    if ends_at is not None:
        days = (ends_at - now).days
        yield f"its token ends on {ends_at:%Y-%m-%d}{f', in {days} days: make a new one' if days < _SOON_DAYS else ''}"


@dataclass(slots=True)
class ReadRepos:
    """Reads config repositories, and knows afterwards what is on their base branches.

    `hosts` leads from each name of a configured registry to its host; `named` has then a repository of each host that a
    policy names.
    """

    hosts: Mapping[str, str]
    scans: Scans
    is_all: bool = False
    views: dict[str, list[tuple[str, HeadView]]] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)

    def check(self, repo: ConfigRepo) -> str:
        """Read every base branch; what is wrong with one keeps no other from being read. Raises ConfigRepoUnclear."""
        # A server that says nothing is not waited for as long as a large repository is.
        with ending_within(_FIRST_ANSWER):
            repo.repository.remote_branches()
        heads = repo.repository.fetch()
        views = [(one, self._view(repo, heads[one])) for one in repo.branches if one in heads]
        self.views[repo.name] = views
        wrong = [str(MissingBranch(repo.name, one)) for one in repo.branches if one not in heads]
        told: list[str] = []
        for branch, view in views:
            if view.rules_problem is not None:
                wrong.append(str(RulesUnusable(repo.name, branch, view.rules_problem)))
                continue
            told.append(f"{branch}: {len(view.tree.policies)} policies, {len(view.staged)} fields")
            told += map(below, self._noticed(view))
        is_well = all(one.about is not About.STAGE for _, view in views for one in view.reports)
        if wrong or not is_well:
            raise ConfigRepoUnclear(_together(wrong, told))
        return _together((), told)

    def check_cluster(self, source: Source, branches: Sequence[tuple[str, HeadView]]) -> str:
        """See that a cluster's root reaches Kustomizations, and tell what keeps Flux from applying or telling.

        Of a deployer's root, that fields are below it. Raises RootReachesNothing, RootHoldsNothing.
        """
        if source.is_deployer:
            return _deployed(source, branches)
        told: list[str] = []
        for branch, view in branches:
            found = list(applying(view.tree, source, branch))
            fields = {
                one.file
                for kustomization, _ in found
                for one, _ in view.staged
                if view.tree.reaches(kustomization, one.file)
            }
            reached = f"{branch}: {len(found)} Kustomizations, which reach fields in {len(fields)} files"
            told += [reached] if found else []
            told += [below(f"{one.namespace}/{one.name}: {why}") for one, why in found if why is not None]
        if not told:
            raise RootReachesNothing(source, source.config_repo or "")
        return f"{' '.join(told)}{below(_TELLS_NO_SUCCESS)}"

    def _view(self, repo: ConfigRepo, commit: str) -> HeadView:
        view = view_at(repo.repository, self.scans, commit, are_rules_required=repo.are_rules_required)
        images = [one.image for one in view.tree.policies if one.image is not None]
        self.named |= {self.hosts[one.registry]: one.path for one in images if one.registry in self.hosts}
        return view

    def _noticed(self, view: HeadView) -> Iterator[str]:
        return lines_of([*noticed(view), *self._unknown_registries(view.tree)], is_all=self.is_all)

    def _unknown_registries(self, tree: FluxTree) -> Iterator[Report]:
        for policy in tree.policies:
            if policy.problem is None and policy.image is not None and policy.image.registry not in self.hosts:
                what = f"{policy.name}: the registry of {policy.image} is not among `registries`"
                yield Report(policy.file, None, what)


def _deployed(source: Source, branches: Sequence[tuple[str, HeadView]]) -> str:
    told = []
    for branch, view in branches:
        files = {one.file for one, _ in view.staged if view.tree.deploys(source.root, one.file)}
        told += [f"{branch}: deploys fields in {len(files)} files"] if files else []
    if not told:
        raise RootHoldsNothing(source)
    return " ".join(told)


def _together(wrong: Sequence[str], told: Sequence[str]) -> str:
    """What is wrong first, and what else there is below it."""
    if not wrong:
        return " ".join(told).replace(" \n", "\n")
    first, *others = wrong
    return first + "".join(map(below, others)) + "".join(one if one.startswith("\n") else below(one) for one in told)
