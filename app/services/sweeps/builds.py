"""Find builds: what each Jenkins has built since the last sweep, in the jobs that `sweep_jobs` names."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial

from app.core.errors import NotFound
from app.core.facts import BuildFinished, BuildResult
from app.core.ports import BuildSeen, Jenkins
from app.core.receipt import no_later_than
from app.db import builds, storms, sweep_marks
from app.senders.sender import Keys, Origin
from app.services.intake.gather import Gathered, settle_build, with_named_image
from app.services.intake.owed_answers import OwedAnswers
from app.services.intake.write_facts import FactWriter, write_together
from app.services.sweeps.sweep_run import SweepRun
from app.services.systems import Source, Systems

_SWEEP = "builds"
_PATTERNS = "builds.patterns"
_MOST_AT_FIRST = 100
_UNSEEN = -1
"""The mark of a job that could not be looked at when its pattern was: its first look is still to come."""
_MOST_STARTED_MEANWHILE = 100
_AT_ONCE = 20
_MARKS_AT_ONCE = 100
_MOST_UNKNOWN = 100
_UNKNOWN_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class _Jobs:
    """The jobs of one pattern, each with the number of its newest build; `is_new`: nobody looked at it before."""

    controller: str
    jenkins: Jenkins
    pattern: str
    newest: Mapping[str, int]
    marks: Mapping[str, int]
    is_new: bool

    @property
    def key(self) -> str:
        """What a storm of them is called."""
        return f"{self.controller} {self.pattern}"

    def mark_key(self, job: str) -> str:
        """Where the mark of a job is kept."""
        return f"{self.controller} {job}"

    def known_to(self, job: str) -> int:
        """The number up to which a job needs no look; 0 where it was made anew and counts from the start again."""
        mark = self.marks.get(self.mark_key(job), 0)
        return mark if 0 <= mark <= self.newest[job] else 0

    def is_first(self, job: str) -> bool:
        """Whether this is the first look at a job that was there when the pattern was new."""
        return self.is_new or self.marks.get(self.mark_key(job)) == _UNSEEN


@dataclass(frozen=True, slots=True)
class _News:
    """The ended builds of a job that nobody told of; with them all are known up to the mark."""

    job: str
    speakers: Sequence[Source]
    builds: Sequence[BuildFinished]
    mark: int


def sweep_builds(run: SweepRun) -> None:
    """Take in ended builds that nobody told of. A running one is looked at again the next time.

    More than may come at once of one pattern is a storm, but not at the first look at it: that takes the newest
    hundred of each job.
    """
    run.end_other_storms(f"{name} {each}" for name, patterns in run.systems.sweeps.jobs.items() for each in patterns)
    for controller, patterns in sorted(run.systems.sweeps.jobs.items()):
        with run.attempt(f"jenkins.{controller}"):
            jenkins = run.systems.jenkins[controller]
            newest = jenkins.newest_builds(patterns, on_left_out=partial(_leave_out, run, controller))
            for pattern in patterns:
                its = {job: number for job, number in newest.items() if _pattern_of(job, patterns) == pattern}
                jobs = _jobs(run, controller, jenkins, pattern, its)
                with run.at(jobs.key) as one:
                    _sweep_jobs(one, jobs)
            _ask_for_unknown(run, controller, jenkins)
    for controller in sorted(run.systems.jenkins.keys() - run.systems.sweeps.jobs.keys()):
        _ask_for_unknown(run, controller, run.systems.jenkins[controller])


def _leave_out(run: SweepRun, controller: str, name: str, why: str) -> None:
    run.leave_out(f"jenkins.{controller} {name[:200]!a}: {why}")


def _ask_for_unknown(run: SweepRun, controller: str, jenkins: Jenkins) -> None:
    """Ask again for builds that Jenkins could not show, also where the job is not swept or was beyond them."""
    with run.database.transaction() as connection:
        since = run.now() - _UNKNOWN_FOR
        unknown = builds.unknown_since(connection, controller, since, limit=_MOST_UNKNOWN)

    def ask_for(job: str, number: int) -> None:
        speakers = _speakers(run.systems, controller, job)
        try:
            build = jenkins.build(job, number) if speakers else None
        except NotFound:
            return
        if build is None or build.result is BuildResult.UNKNOWN:
            return
        if not run.is_dry:
            _write(run, speakers, [build])
        run.find(_told(job, [build]))

    steps = {f"jenkins.{controller} {job} #{number}": partial(ask_for, job, number) for job, number in unknown}
    run.each(f"jenkins.{controller}", steps)


def _pattern_of(job: str, patterns: Sequence[str]) -> str | None:
    return next((pattern for pattern in patterns if fnmatchcase(job, pattern)), None)


def _jobs(run: SweepRun, controller: str, jenkins: Jenkins, pattern: str, newest: Mapping[str, int]) -> _Jobs:
    with run.database.transaction() as connection:
        marks = sweep_marks.of(connection, _SWEEP, [f"{controller} {job}" for job in newest])
        known = sweep_marks.of(connection, _PATTERNS, [f"{controller} {pattern}"])
    return _Jobs(controller, jenkins, pattern, newest, marks, is_new=not known)


def _sweep_jobs(run: SweepRun, jobs: _Jobs) -> None:
    waiting: list[_News] = []
    seen: set[str] = set()

    def sweep_job(job: str) -> None:
        news = _news(run, jobs, job)
        if news is not None and not (jobs.is_first(job) or run.is_confirmed):
            waiting.append(news)
        elif news is not None:
            _take_in(run, jobs, news)
        seen.add(job)

    moved = [job for job, newest in sorted(jobs.newest.items()) if newest != jobs.marks.get(jobs.mark_key(job), 0)]
    steps = {f"jenkins.{jobs.controller} {job}": partial(sweep_job, job) for job in moved}
    run.each(f"jenkins.{jobs.controller}", steps)
    _take_in_unless_too_many(run, jobs, waiting)
    if jobs.is_new and not run.is_dry:
        _end_first_look(run, jobs, [job for job in moved if job not in seen])


def _end_first_look(run: SweepRun, jobs: _Jobs, unseen: Sequence[str]) -> None:
    """From here on too many builds of the pattern are a storm, but not at the first look at one that is unseen."""
    for start in range(0, len(unseen), _MARKS_AT_ONCE):
        with run.database.transaction() as connection:
            for job in unseen[start : start + _MARKS_AT_ONCE]:
                sweep_marks.put(connection, _SWEEP, jobs.mark_key(job), _UNSEEN, now=run.now())
    with run.database.transaction() as connection:
        sweep_marks.put(connection, _PATTERNS, jobs.key, 0, now=run.now())


def _take_in_unless_too_many(run: SweepRun, jobs: _Jobs, waiting: Sequence[_News]) -> None:
    count = sum(len(news.builds) for news in waiting)
    if run.is_too_much(count):
        names = [f"{news.job} #{build.number}" for news in waiting for build in news.builds]
        run.note_storm(jobs.key, count, f"{count} new builds", names)
        return
    for news in waiting:
        with run.attempt(f"jenkins.{jobs.controller} {news.job}"):
            _take_in(run, jobs, news)
    if not run.is_dry:
        with run.database.transaction() as connection:
            storms.end(connection, _SWEEP, jobs.key)


def _news(run: SweepRun, jobs: _Jobs, job: str) -> _News | None:
    """What a job has that is not known yet; None where Jenkins no longer has the job."""
    after, newest = jobs.known_to(job), jobs.newest[job]
    speakers = _speakers(run.systems, jobs.controller, job)
    if not speakers:
        return _News(job, (), (), newest)
    # Those that were started since the newest was asked for must not take the place of the oldest.
    limit = _MOST_AT_FIRST if jobs.is_first(job) else newest - after + _MOST_STARTED_MEANWHILE
    try:
        seen = jobs.jenkins.builds_after(job, after, limit=limit)
    except NotFound:
        return None
    with run.database.transaction() as connection:
        new = builds.untold(connection, [one.build for one in seen if one.build is not None])
    return _News(job, speakers, new, _mark(seen, newest))


def _mark(seen: Sequence[BuildSeen], newest: int) -> int:
    """The number up to which every build has ended."""
    running = [one.number for one in seen if one.build is None]
    return min(running) - 1 if running else max([newest, *(one.number for one in seen)])


def _take_in(run: SweepRun, jobs: _Jobs, news: _News) -> None:
    new = news.builds
    if news.speakers and not run.is_dry:
        for start in range(0, len(new), _AT_ONCE):
            run.go_on()
            _write(run, news.speakers, new[start : start + _AT_ONCE])
    run.find(_told(news.job, new), len(new))
    if not run.is_dry:
        with run.database.transaction() as connection:
            sweep_marks.put(connection, _SWEEP, jobs.mark_key(news.job), news.mark, now=run.now())


def _write(run: SweepRun, speakers: Sequence[Source], new: Sequence[BuildFinished]) -> None:
    """Write builds of one job down, and ask the registries about their images; not those that came meanwhile."""
    asked_at = run.now()
    told = [(speaker, _settled(run, speaker, new, asked_at)) for speaker in speakers]
    with run.database.transaction() as connection:
        still = {build.number for build in builds.untold(connection, new)}
        parts = [
            (FactWriter(connection, run.systems, speaker, None, run.now(), asked_at), _those(gathered, still))
            for speaker, gathered in told
        ]
        written = write_together(parts, run.ready)
    OwedAnswers(run.database, run.systems, run.clock, run.ready).ask([owed for one in written for owed in one.owed])


def _settled(run: SweepRun, speaker: Source, new: Sequence[BuildFinished], asked_at: datetime) -> Gathered:
    gathered = Gathered()
    for build in new:
        settle_build(with_named_image(no_later_than(asked_at, build)), speaker, run.systems, gathered)
    for ignored in gathered.ignored:
        run.leave_out(f"{new[0].job}: {ignored}")
    return gathered


def _those(gathered: Gathered, numbers: AbstractSet[int]) -> Gathered:
    facts = [fact for fact in gathered.facts if not isinstance(fact, BuildFinished) or fact.number in numbers]
    return replace(gathered, facts=facts)


def _told(job: str, new: Sequence[BuildFinished]) -> str:
    numbers = [f"#{build.number}" for build in new]
    return f"{job}: {', '.join(numbers[:5])}{f' and {len(numbers) - 5} more' if len(numbers) > 5 else ''}"


def _speakers(systems: Systems, controller: str, job: str) -> Sequence[Source]:
    """Who may say so: each deployer that the job is of, else all sources of this Jenkins together; none: nobody may.

    No image counts that none of those may report of the job. Where no source is of this Jenkins every job and image
    does.
    """
    deployers = systems.deployers_of(controller, job)
    if deployers:
        return deployers
    its = [one for one in systems.sources.values() if one.origin.jenkins == controller]
    those = [one for one in its if one.may_report_job(job)]
    if its and not those:
        return ()
    images = () if not all(one.images for one in those) else tuple(image for one in those for image in one.images)
    name = f"sweep:{_SWEEP}"
    return [Source(name=name, kind="sweep", origin=Origin(name, jenkins=controller), keys=Keys, images=images)]
