"""Runs and lives: which reports of one number are one build, what they come to together, and which build is newer.

A job that is deleted and made anew counts from 1 again. What is decided here does not depend on the order in which
reports come where they name their starts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from app.core.facts import BuildFinished, BuildResult, TestCounts

Comparable = TypeVar("Comparable", str, datetime)

_SAME_START = timedelta(seconds=60)
_MOST_PARAMETERS, _LONGEST_NAME, _LONGEST_VALUE = 200, 200, 2_000
_WORSE = {
    result: rank
    for rank, result in enumerate(
        (
            BuildResult.UNKNOWN,
            BuildResult.SUCCESS,
            BuildResult.UNSTABLE,
            BuildResult.FAILURE,
            BuildResult.NOT_BUILT,
            BuildResult.ABORTED,
        )
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRun:
    """What tells one run of a build number from another."""

    run: int
    started_at: datetime | None = None
    commit: str | None = None
    git_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedRun:
    """A run among those of its job; `number` is the one that Jenkins gave it."""

    number: int
    run: int
    started_at: datetime | None = None


def build_name(job: str, number: int, *, run: int | None) -> str:
    """What people call a build; `run` only where its number has several.

    >>> build_name("team/app/main", 1, run=None), build_name("team/app/main", 1, run=2)
    ('team/app/main #1', 'team/app/main #1 (run 2)')
    """
    return f"{job} #{number}" if run is None else f"{job} #{number} (run {run})"


def find_run(known: Iterable[KnownRun], told: BuildFinished) -> int | None:
    """The run of its number that a report speaks of; None: another run than all that are known.

    Where several could be meant it is the one with that start, else one with that commit, else the newest.
    """
    possible = [one for one in known if not _are_different(one, told)]
    return max(possible, key=lambda one: _likeness(one, told)).run if possible else None


def _are_different(known: KnownRun, told: BuildFinished) -> bool:
    if known.started_at is not None and told.started_at is not None:
        return abs(known.started_at - told.started_at) > _SAME_START
    return _share_repository(known, told) and known.commit != told.commit


def _share_repository(known: KnownRun, told: BuildFinished) -> bool:
    """Whether both name a commit of the same repository."""
    if known.commit is None or told.commit is None or known.git_url is None or told.git_url is None:
        return False
    return _plain_url(known.git_url) == _plain_url(told.git_url)


def _plain_url(url: str) -> str:
    return url.rstrip("/").removesuffix(".git")


def _likeness(known: KnownRun, told: BuildFinished) -> tuple[float, bool, float, int]:
    have_starts = known.started_at is not None and told.started_at is not None
    apart = abs(known.started_at - told.started_at) if known.started_at and told.started_at else _SAME_START * 2
    has_commit = _share_repository(known, told) and not have_starts
    since = known.started_at.timestamp() if known.started_at is not None else 0.0
    return -apart.total_seconds(), has_commit, since, known.run


def moved_runs(runs: Sequence[KnownRun]) -> Mapping[int, int]:
    """The runs of one number that have another place by their starts, with that place; without a start they keep it."""
    started = sorted((one.started_at, one.run) for one in runs if one.started_at is not None)
    places = sorted(run for _, run in started)
    return {run: place for place, (_, run) in zip(places, started, strict=True) if run != place}


def merge(known: BuildFinished, told: BuildFinished) -> BuildFinished:
    """What two reports of one run come to, whichever came first; repeats change nothing.

    The worse result counts, as in Jenkins itself, and `unknown` is none. Nothing that one of them names is lost: where
    they contradict each other the earlier start, the later end and the lesser text stay.
    """
    return replace(
        known,
        result=max(known.result, told.result, key=_WORSE.__getitem__),
        url=_least(known.url, told.url),
        started_at=_least(known.started_at, told.started_at),
        finished_at=_greatest(known.finished_at, told.finished_at),
        commit=_least(known.commit, told.commit),
        branch=_least(known.branch, told.branch),
        git_tag=_least(known.git_tag, told.git_tag),
        git_url=_least(known.git_url, told.git_url),
        change_id=_least(known.change_id, told.change_id),
        tests=_more_tests(known.tests, told.tests),
        parameters=bounded(_joined(known.parameters, told.parameters)),
        artifacts=tuple(dict.fromkeys((*known.artifacts, *told.artifacts))),
    )


def _least(one: Comparable | None, other: Comparable | None) -> Comparable | None:
    return min((value for value in (one, other) if value), default=None)


def _greatest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((value for value in (one, other) if value), default=None)


def _more_tests(one: TestCounts | None, other: TestCounts | None) -> TestCounts | None:
    counts = [value for value in (one, other) if value is not None]
    return max(counts, key=lambda each: (each.total, each.failed, each.skipped, each.passed), default=None)


def bounded(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """What is kept of a build's parameters: the first by name, and the beginning of long ones.

    >>> bounded({"A": "x" * 5000})["A"] == "x" * 2000
    True
    """
    kept = set(sorted(name for name in parameters if len(name) <= _LONGEST_NAME)[:_MOST_PARAMETERS])
    return {name: value[:_LONGEST_VALUE] for name, value in parameters.items() if name in kept}


def _joined(one: Mapping[str, str], other: Mapping[str, str]) -> Mapping[str, str]:
    return {name: min(value[name] for value in (one, other) if name in value) for name in sorted({*one, *other})}


def lives_begin(repeated: Iterable[NumberedRun]) -> Sequence[datetime]:
    """The starts of a job's second and further lives, from all runs of those numbers that have several.

    A life begins where a number comes again. A run whose start nobody told was there before those that have one.

    >>> from datetime import datetime
    >>> hour = lambda h: datetime(2026, 11, 30, h)
    >>> nine, eleven = (NumberedRun(number=1, run=run, started_at=hour(h)) for run, h in ((1, 9), (2, 11)))
    >>> [begin.hour for begin in lives_begin([nine, eleven])]
    [11]
    """
    every = list(repeated)
    seen = {one.number for one in every if one.started_at is None and one.run == 1}
    begins: list[datetime] = []
    started = [(one.started_at, one.number) for one in every if one.started_at is not None]
    for at, number in sorted(started):
        if number in seen:
            begins.append(at)
            seen = set()
        seen.add(number)
    return begins


def life_at(start: datetime, begins: Sequence[datetime]) -> int:
    """The life of a job, counted from 1, in which a build started."""
    return 1 + sum(begin <= start for begin in begins)
