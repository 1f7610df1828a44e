"""Systems that say what a test puts into them, and sweeps over them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from app.core.errors import NotFound
from app.core.facts import BuildFinished, BuildResult
from app.core.images import ImageName
from app.core.ports import BuildSeen, PullRequestSeen
from app.db import policies, schedules, storms
from app.db.policies import PolicyRow
from app.db.schedules import ScheduleRow
from app.db.storms import Storm
from app.services.sweeps.schedule import Sweeps
from app.services.sweeps.sweep_run import SweepRun
from app.services.systems import ConfigRepo
from tests.services.intake.webhooks import COMMIT, MAIN, NOW, Site


@dataclass
class ShownRegistry:
    """Tags with their digests, or the error that stands in place of a repository's."""

    shown: dict[str, dict[str, str] | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def tags(self, path: str) -> list[str]:
        self.asked.append(path)
        return list(self._of(path))

    def digest(self, path: str, reference: str) -> str | None:
        return self._of(path).get(reference)

    def _of(self, path: str) -> dict[str, str]:
        found = self.shown.get(path, {})
        if isinstance(found, Exception):
            raise found
        return found


@dataclass
class BuiltJenkins:
    """Jobs with their builds (None: it runs), or the error that stands in place of a job's."""

    jobs: dict[str, dict[int, BuildFinished | None] | Exception] = field(default_factory=dict)
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    error: Exception | None = None

    def put(self, job: str, number: int, build: BuildFinished | None) -> None:
        its = self.jobs.setdefault(job, {})
        assert isinstance(its, dict)
        its[number] = build

    def newest_builds(self, patterns: Sequence[str], *, on_left_out: object = None) -> Mapping[str, int]:
        del on_left_out
        if self.error is not None:
            raise self.error
        return {
            job: max(its, default=0) if isinstance(its, dict) else 9
            for job, its in self.jobs.items()
            if any(fnmatchcase(job, pattern) for pattern in patterns)
        }

    def builds_after(self, job: str, number: int, *, limit: int) -> Sequence[BuildSeen]:
        self.asked.append((job, number, limit))
        its = self.jobs.get(job, NotFound(job))
        if isinstance(its, Exception):
            raise its
        return [BuildSeen(one, its[one]) for one in sorted(its) if one > number][-limit:]

    def build(self, job: str, number: int) -> BuildFinished | None:
        its = self.jobs.get(job, NotFound(job))
        if isinstance(its, Exception):
            raise its
        if number not in its:
            raise NotFound(job)
        return its[number]


@dataclass
class ShownForge:
    """The pull requests that changed last, or the error in their place; nothing else is asked."""

    seen: list[PullRequestSeen] | Exception = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def recent_pull_requests(self, *, prefix: str, limit: int) -> Sequence[PullRequestSeen]:
        self.asked.append((prefix, limit))
        if isinstance(self.seen, Exception):
            raise self.seen
        return self.seen


@dataclass
class Packed:
    """A mirror that counts how often it is packed."""

    times: int = 0
    error: Exception | None = None

    def collect_garbage(self) -> None:
        if self.error is not None:
            raise self.error
        self.times += 1


def built(number: int, *, job: str = "team/app/main", image: str = "", tag: str = "", **changes: Any) -> BuildFinished:
    """A build as Jenkins tells it; with `image` and `tag` its parameters name them."""
    named = {"IMAGE": image, "IMAGE_TAG": tag} if image else {}
    build = BuildFinished(
        controller="main",
        job=job,
        number=number,
        result=BuildResult.SUCCESS,
        commit=COMMIT,
        branch="main",
        finished_at=NOW,
        parameters=named,
    )
    return replace(build, **changes)


def sweeps_over(site: Site, database: Any = None, *, owner: str = "tests", **rules: Any) -> Sweeps:
    """The sweeps over the site as it is now; `rules` say what and how much."""
    systems = replace(site.systems, sweeps=replace(site.systems.sweeps, **rules))
    return Sweeps(database=database or site.database, systems=systems, clock=lambda: site.now, owner=owner)


def sweep(
    site: Site,
    name: str,
    *,
    is_dry: bool = False,
    is_confirmed: bool = False,
    accepted: Sequence[str] = (),
    **rules: Any,
) -> SweepRun:
    """Run one sweep now."""
    [run] = sweeps_over(site, **rules).run_now([name], is_dry=is_dry, is_confirmed=is_confirmed, accepted=accepted)
    return run


def change_repo(site: Site, name: str = "fleet", **changes: Any) -> ConfigRepo:
    """Say something else of a config repository."""
    repo = replace(site.systems.config_repos[name], **changes)
    site.systems = replace(site.systems, config_repos={**site.systems.config_repos, name: repo})
    return repo


def name_in_policies(site: Site, images: Iterable[ImageName]) -> None:
    """Let policies of the lane `main` name these images."""
    rows = [
        PolicyRow(
            lane=MAIN,
            root="",
            namespace="flux-system",
            name=f"policy-{number}",
            file="policies.yaml",
            image=str(image),
            repository=str(image),
            spec="{}",
            stages=[],
            selected_tag=None,
            status="selected",
            reason="",
        )
        for number, image in enumerate(images)
    ]
    with site.database.transaction() as connection:
        policies.replace_all(connection, MAIN, rows)


def waiting(site: Site) -> Sequence[Storm]:
    """All storms."""
    with site.database.transaction() as connection:
        return storms.every(connection)


def schedule(site: Site, name: str) -> ScheduleRow:
    """How a sweep stands."""
    with site.database.transaction() as connection:
        return {row.name: row for row in schedules.every(connection)}[name]


def everything(site: Site) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that a sweep may write, to compare."""
    tables = ("repositories", "tags", "pushes", "builds", "build_artifacts", "selections", "lanes", "deliveries")
    more = ("schedules", "sweep_marks", "storms", "measures")
    with site.database.transaction() as connection:
        return {
            name: sorted(tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name}"))  # noqa: S608
            for name in (*tables, *more)
        }
