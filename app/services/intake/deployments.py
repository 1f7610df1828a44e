"""What a deployer's builds say: which commit of its config repository a cluster has since then."""

from dataclasses import replace
from datetime import datetime

from app.core.builds.checkouts import checkout_of
from app.core.builds.runs import build_name
from app.core.facts import DEPLOYER, BuildFinished, BuildResult, RevisionApplied
from app.core.receipt import bounded
from app.db.builds import BuildRow
from app.services.systems import ConfigRepo, Source, Systems

_RESULTS = frozenset({BuildResult.SUCCESS, BuildResult.UNSTABLE, BuildResult.FAILURE})
_SHA_1 = 40
_BRANCH_PREFIXES = ("refs/heads/", "refs/remotes/origin/", "remotes/origin/", "origin/")


def with_deployed_commit(build: BuildFinished, source: Source, systems: Systems) -> BuildFinished:
    """A deployer's build with the commit of its config repository, where it checked out several repositories."""
    repo = systems.config_repos.get(source.config_repo or "")
    found = checkout_of(build.checkouts, repo.url) if repo is not None else None
    if found is None:
        return build
    return replace(build, commit=found.commit, git_url=found.url, branch=found.branch)


def deployment_of(
    build: BuildRow, source: Source, systems: Systems, repo: ConfigRepo, *, received_at: datetime
) -> RevisionApplied | str:
    """How its cluster fared with the commit that a deployer built; a text says why nothing follows from the build.

    `build` is all that its reports came to. Of two builds the one that ended later counts; where no end was told, the
    start stands for it, else the receipt.
    """
    name = build_name(build.job, build.number, run=build.told_run)
    if build.change_id is not None:
        return f"build {name} is of change request {build.change_id}, which deploys nothing that is merged"
    if build.result not in _RESULTS:
        return f"build {name} ended {build.result}, so nobody knows what it applied"
    if build.commit is None:
        return f"build {name} names no commit: report the one of {repo.name} that it deployed as git.commit"
    branch = source.branch or _base(build.branch, repo)
    algorithm = "sha1" if len(build.commit) == _SHA_1 else "sha256"
    revision = f"{algorithm}:{build.commit}"
    is_failure = build.result is not BuildResult.SUCCESS
    return RevisionApplied(
        cluster=source.origin.named("cluster"),
        kind=DEPLOYER,
        namespace="",
        name=source.name,
        revision=f"{branch}@{revision}" if branch else revision,
        commit=build.commit,
        branch=branch,
        is_failure=is_failure,
        reason=build.result.value,
        message=f"build {name}{_page(build, systems) if is_failure else ''}",
        at=bounded(build.finished_at or build.started_at or received_at, received_at),
    )


def _base(told: str | None, repo: ConfigRepo) -> str | None:
    """The base branch that was built, in whichever form it was told; None where it is none of those."""
    names = (told or "", *((told or "").removeprefix(prefix) for prefix in _BRANCH_PREFIXES))
    return next((name for name in names if name in repo.branches), None)


def _page(build: BuildRow, systems: Systems) -> str:
    is_its_own = build.url is not None and systems.is_of_controller(build.url, build.controller)
    return f", {build.url}" if is_its_own else ""
