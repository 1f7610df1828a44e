"""What is known of a tag on its way into stages: what it names, since when, and the builds that named it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.core.builds.runs import build_name
from app.core.facts import BuildResult


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """That a finished build named an image: one row for each tag and digest it named.

    `is_barred` marks builds of change requests and of our own branches, which make no tag a candidate; `is_of_change`
    those among them that were of a change request only. `has_twins`: its number has several runs.
    """

    build_id: str
    job: str
    number: int
    result: BuildResult
    tag: str
    digest: str | None
    is_barred: bool
    started_at: datetime | None
    finished_at: datetime | None
    recorded_at: datetime
    controller: str = ""
    run: int = 1
    life: int = 1
    has_twins: bool = False
    is_of_change: bool = False

    @property
    def name(self) -> str:
        """What people call the build; its run where another one has its number."""
        return build_name(self.job, self.number, run=self.run if self.has_twins else None)

    @property
    def line(self) -> str:
        """The build in words for commit messages and pull requests, where no forge takes its number for an issue."""
        run = f" (run {self.run})" if self.has_twins else ""
        return f"build {self.number}{run} of {self.job}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagState:
    """What is known of one tag: its present digest, when we first saw its push, and the builds that named it.

    `asked_at` is when the registry was last asked what it names. `unshown` says why nothing that was told of it counts
    yet: the registry has not shown it since. `doubt` says why one that seems to be gone counts as there where it is in
    Git; `is_unlisted` that lists lack it.
    """

    tag: str
    digest: str | None
    first_seen_at: datetime
    is_gone: bool = False
    reports: tuple[BuildReport, ...] = ()
    asked_at: datetime | None = None
    is_unlisted: bool = False
    unshown: str | None = None
    doubt: str | None = None


def is_admissible(tag: TagState) -> bool:
    """Tell whether a tag may be a candidate: not when only change requests or our own branches built it."""
    named = _reports_for(tag)
    return not named or any(not report.is_barred for report in named)


def with_consent(tag: TagState) -> TagState:
    """A tag where builds of change requests count as any other; those of our own branches never do."""
    return replace(
        tag, reports=tuple(replace(one, is_barred=not one.is_of_change and one.is_barred) for one in tag.reports)
    )


def deciding_build(tag: TagState) -> BuildReport | None:
    """The newest build that counts for a tag: by digest and tag, else by digest, else by tag within its run."""
    return _newest(report for report in _reports_for(tag) if not report.is_barred)


def counting_builds(tag: TagState) -> Sequence[BuildReport]:
    """Each build that counts for a tag, once: first the one that decides, then those of which we heard last."""
    counting = sorted(
        (report for report in _reports_for(tag) if not report.is_barred),
        key=lambda report: (report.recorded_at, report.build_id),
        reverse=True,
    )
    deciding = deciding_build(tag)
    first = (deciding,) if deciding is not None else ()
    return tuple({report.build_id: report for report in (*first, *counting)}.values())


def present_build(tag: TagState) -> BuildReport | None:
    """The build that a tag in Git is of, as far as is known, whoever let it in; builds of our own branches are none.

    Where no build counts by its digest or its run, it is the newest that named the tag and no digest.
    """
    consented = with_consent(tag)
    named = (one for one in consented.reports if one.tag == tag.tag and not _are_comparable(one.digest, tag.digest))
    return deciding_build(tag) or deciding_build(consented) or _newest(one for one in named if not one.is_barred)


def bad_build(tag: TagState) -> str | None:
    """How the build of a tag in Git ended where that speaks against it; None where nothing does, or none is known."""
    build = present_build(tag)
    if build is None or build.result is BuildResult.SUCCESS:
        return None
    return f"build {build.name} ended {build.result}"


def _reports_for(tag: TagState) -> Sequence[BuildReport]:
    same_digest = [report for report in tag.reports if report.digest is not None and report.digest == tag.digest]
    same_both = [report for report in same_digest if report.tag == tag.tag]
    if any(not report.is_barred for report in same_both):
        return same_both
    return same_digest or [report for report in tag.reports if _names_tag_in_its_run(report, tag)]


def _names_tag_in_its_run(report: BuildReport, tag: TagState) -> bool:
    if report.tag != tag.tag or _are_comparable(report.digest, tag.digest):
        return False
    if report.is_barred:
        return True
    if report.started_at is None or report.finished_at is None:
        return False
    return report.started_at <= tag.first_seen_at <= report.finished_at


def _are_comparable(one: str | None, other: str | None) -> bool:
    """Whether two digests tell if they are of the same bytes: those of two algorithms do not."""
    return one is not None and other is not None and one.partition(":")[0] == other.partition(":")[0]


def _newest(reports: Iterable[BuildReport]) -> BuildReport | None:
    """Within a job the last by life and number; of these, one a job, the one of which we heard last.

    No sender's clock decides: of each job the newest is taken first, for a mixed comparison of two would be no order.
    """
    by_job: dict[tuple[str, str], BuildReport] = {}
    for report in reports:
        job = (report.controller, report.job)
        by_job[job] = max(by_job.get(job, report), report, key=_place_in_job)
    return max(by_job.values(), key=lambda r: (r.recorded_at, r.build_id), default=None)


def _place_in_job(report: BuildReport) -> tuple[int, int, int, datetime, str]:
    return report.life, report.number, report.run, report.recorded_at, report.build_id
