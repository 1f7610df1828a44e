"""Builds in a disorderly world: jobs that are made anew, reports that repeat and contradict each other, odd clocks."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from alembic import command
from hypothesis import given
from hypothesis import strategies as st

from app.core.builds.runs import KnownRun, NumberedRun, find_run, life_at, lives_begin, merge, moved_runs
from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.images import ImageName
from app.core.promotion.gates.answers import Verdict
from app.db import builds
from app.db.database import Database
from app.db.migrations import configuration
from tests.db.facts import reports_of
from tests.services.intake.webhooks import NOW, Site
from tests.trials.reports import ELEVEN, FIRST, NINE, SECOND, gate, known, report, told

IMAGE = ImageName("registry.acme.example", "team/app")
RESULTS = [BuildResult.SUCCESS, BuildResult.UNSTABLE, BuildResult.FAILURE, BuildResult.NOT_BUILT, BuildResult.ABORTED]
WITH_START: list[dict[str, str]] = [{"started_at": NINE}, {"started_at": ELEVEN}]
WITHOUT: list[dict[str, str]] = [{}, {}]
_URL = "https://git.acme.example/app"


@pytest.mark.parametrize("starts", [WITH_START, WITHOUT], ids=["starts", "commits only"])
@pytest.mark.parametrize("are_swapped", [False, True])
def test_a_job_that_was_made_anew_has_two_builds_of_one_number(
    site: Site, starts: Sequence[dict[str, str]], *, are_swapped: bool
) -> None:
    old, new = site.put_image("1.1.0"), site.put_image("1.0.5")
    reports = [
        report(site, "1.1.0", old, result="FAILURE", git={"commit": FIRST}, **starts[0]),
        report(site, "1.0.5", new, result="SUCCESS", git={"commit": SECOND}, **starts[1]),
    ]
    for body in [*(reversed(reports) if are_swapped else reports), *reports]:
        site.send("ci", body)
    assert {(result, commit) for *_, result, commit in known(site)} == {
        (BuildResult.FAILURE, FIRST),
        (BuildResult.SUCCESS, SECOND),
    }
    assert (gate(site, "1.1.0").verdict, gate(site, "1.0.5").verdict) == (Verdict.FAIL, Verdict.PASS)
    if starts is WITH_START:
        assert [(run, life, commit) for _, run, life, _, commit in known(site)] == [(1, 1, FIRST), (2, 2, SECOND)]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_worst_report_of_a_build_counts_whatever_comes_last(site: Site, order: Sequence[int]) -> None:
    digest = site.put_image("1.1.0")
    stage = report(site, "1.1.0", digest, number=5, result="SUCCESS", finished_at="2026-11-21T11:50:00Z")
    end = report(site, "1.1.0", digest, number=5, result="FAILURE", finished_at="2026-11-21T11:55:00Z")
    for which in order:
        site.send("ci", [stage, end, stage][which])
    [build] = site.builds()
    assert (build.result, build.finished_at) == (BuildResult.FAILURE, datetime(2026, 11, 21, 11, 55, tzinfo=UTC))
    assert gate(site, "1.1.0").verdict is Verdict.FAIL


def test_any_order_and_repetition_of_reports_gives_the_same_builds(database: Database) -> None:
    ends = [
        (NINE, BuildResult.FAILURE, FIRST),
        (ELEVEN, BuildResult.SUCCESS, SECOND),
        (ELEVEN, BuildResult.FAILURE, None),
    ]
    reports = [replace(_told(datetime.fromisoformat(at), commit), result=result) for at, result, commit in ends]
    found = set()
    for position, order in enumerate(permutations([*reports, reports[0]])):
        job = f"team/app/{position}"
        with database.transaction() as connection:
            for one in order:
                builds.record(connection, replace(one, job=job), is_ours=False, source="ci", delivery_id=None, now=NOW)
            rows = builds.page(connection, limit=100, job=job).items
        found.add(tuple(sorted((*told(row)[:4], row.commit or "", row.started_at) for row in rows)))
    assert len(found) == 1


def test_a_build_that_reported_from_a_stage_passes_once_its_end_is_reported(site: Site) -> None:
    digest = site.put_image("1.1.0")
    site.send("ci", report(site, "1.1.0", digest, result="NOT_BUILT", finished_at=None))
    site.send("ci", report(site, "1.1.0", digest, result="UNKNOWN"))
    assert gate(site, "1.1.0").verdict is Verdict.FAIL
    site.send("ci", report(site, "1.1.0", digest, result="SUCCESS"))
    assert gate(site, "1.1.0").verdict is Verdict.PASS


def test_a_later_build_counts_although_an_earlier_one_ends_in_the_year_9999(site: Site) -> None:
    digest = site.put_image("1.1.0")
    site.send("ci", report(site, "1.1.0", digest, number=50, finished_at="9999-12-31T00:00:00Z"))
    site.send("ci", report(site, "1.1.0", digest, number=51, result="FAILURE"))
    assert gate(site, "1.1.0").verdict is Verdict.FAIL
    assert {build.finished_at for build in site.builds()} <= {NOW, NOW - timedelta(minutes=1)}


def test_a_start_after_its_report_makes_no_further_run(site: Site) -> None:
    digest = site.put_image("1.1.0")
    for _ in range(3):
        site.send("ci", report(site, "1.1.0", digest, started_at="9999-12-31T00:00:00Z"))
        site.now += timedelta(minutes=10)
    [build] = site.builds()
    assert build.started_at is None


def test_a_report_of_an_earlier_life_decides_nothing_of_the_later_one(site: Site) -> None:
    digest = site.put_image("1.1.0")
    life = {"git": {"commit": SECOND}, "result": "FAILURE"}
    site.send("ci", report(site, "1.1.0", digest, number=2, started_at="2026-11-21T11:10:00Z", **life))
    site.send("ci", report(site, "1.0.0", digest, number=1, started_at=ELEVEN, git={"commit": SECOND}))
    site.send("ci", report(site, "1.1.0", digest, number=9, started_at="2026-11-21T10:00:00Z"))
    site.send("ci", report(site, "1.0.0", digest, number=1, started_at=NINE))
    assert [(number, run, life) for number, run, life, *_ in known(site)] == [
        (1, 1, 1),
        (1, 2, 2),
        (2, 1, 2),
        (9, 1, 1),
    ]
    assert gate(site, "1.1.0").reason.startswith("build team/app/main #2 ended FAILURE")


def test_between_jobs_the_report_that_came_last_counts(site: Site) -> None:
    digest = site.put_image("1.1.0")
    site.send("ci", report(site, "1.1.0", digest, number=900, job="team/app/main", result="SUCCESS"))
    site.now += timedelta(minutes=1)
    site.send("ci", report(site, "1.1.0", digest, number=3, job="team/app/nightly", result="FAILURE"))
    assert gate(site, "1.1.0").verdict is Verdict.FAIL


def test_only_a_number_that_comes_twice_is_told_with_its_run(site: Site) -> None:
    digest = site.put_image("1.1.0")
    site.send("ci", report(site, "1.1.0", digest, started_at=NINE))
    assert gate(site, "1.1.0").reason == "build team/app/main #1 ended SUCCESS"
    site.send("ci", report(site, "1.1.0", digest, started_at=ELEVEN))
    assert gate(site, "1.1.0").reason == "build team/app/main #1 (run 2) ended SUCCESS"


def test_what_a_database_of_before_holds_is_kept(database: Database) -> None:
    insert = (
        "INSERT INTO builds (id, controller, job, number, result, is_ours, parameters, source, recorded_at)"
        " VALUES ('b1', 'main', 'team/app', 7, 'SUCCESS', {false}, '{{}}', 'ci', 5)"
    )
    artifact = (
        "INSERT INTO build_artifacts (build_id, kind, image, tag, digest, recorded_at)"
        " VALUES ('b1', 'image', 'registry.acme.example/team/app', '1.0.0', '', 5)"
    )
    with database.remaking_tables() as connection:
        command.downgrade(configuration(connection), "sweeps")
        connection.exec_driver_sql(insert.format(false="0" if database.is_sqlite else "false"))
        connection.exec_driver_sql(artifact)
    database.migrate()
    with database.transaction() as connection:
        [one] = reports_of(connection, IMAGE)
    assert (one.build_id, one.number, one.run, one.life, one.tag) == ("b1", 7, 1, 1, "1.0.0")
    with database.remaking_tables() as connection:
        command.downgrade(configuration(connection), "sweeps")
        assert connection.exec_driver_sql("SELECT count(*) FROM build_artifacts").scalar() == 1
    database.migrate()


starts = st.sampled_from([None, *(NOW + timedelta(hours=hour) for hour in range(3))])
commits = st.sampled_from([None, FIRST, SECOND])
texts = st.sampled_from([None, "a", "b"])


@st.composite
def finished(draw: st.DrawFn) -> BuildFinished:
    """Some report of build #1."""
    return BuildFinished(
        controller="main",
        job="team/app",
        number=1,
        result=draw(st.sampled_from(list(BuildResult))),
        started_at=draw(starts),
        finished_at=draw(starts),
        commit=draw(commits),
        git_url="https://git.acme.example/app.git",
        branch=draw(texts),
        change_id=draw(texts),
        parameters=draw(st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), max_size=2)),
        artifacts=tuple(draw(st.lists(st.sampled_from([_named("1"), _named("2")]), max_size=2))),
    )


def _named(tag: str) -> Artifact:
    return Artifact("image", IMAGE, tag, None)


def _same(build: BuildFinished) -> tuple[object, ...]:
    facts = (build.result, build.started_at, build.finished_at, build.commit, build.branch, build.change_id)
    return (*facts, dict(build.parameters), frozenset(build.artifacts))


@given(finished(), finished(), finished())
def test_what_reports_come_to_does_not_depend_on_their_order_or_number(
    one: BuildFinished, two: BuildFinished, three: BuildFinished
) -> None:
    wanted = _same(merge(merge(one, two), three))
    assert {_hashed(_same(merge(merge(*pair), last))) for *pair, last in permutations([one, two, three])} == {
        _hashed(wanted)
    }
    assert _same(merge(merge(merge(one, two), three), one)) == wanted


def _hashed(same: tuple[object, ...]) -> str:
    return repr([sorted(map(str, each)) if isinstance(each, frozenset | dict) else each for each in same])


@given(st.permutations([BuildResult.UNKNOWN, *RESULTS]))
def test_a_result_only_gets_worse(order: list[BuildResult]) -> None:
    build = BuildFinished(controller="main", job="team/app", number=1, result=order[0])
    for result in order[1:]:
        build = merge(build, BuildFinished(controller="main", job="team/app", number=1, result=result))
    assert build.result is BuildResult.ABORTED


@given(st.lists(st.sampled_from([0, 0, 1, 2, 2]), min_size=1, max_size=8))
def test_runs_with_starts_are_the_same_in_any_order(hours: list[int]) -> None:
    runs: dict[int, datetime] = {}
    for hour in hours:
        one = _told(NOW + timedelta(hours=hour))
        found = find_run([_known(run, start) for run, start in runs.items()], one)
        if found is None:
            runs[len(runs) + 1] = NOW + timedelta(hours=hour)
            moved = moved_runs([_known(run, start) for run, start in runs.items()])
            runs = {moved.get(run, run): start for run, start in runs.items()}
    assert [runs[run] for run in sorted(runs)] == [NOW + timedelta(hours=hour) for hour in sorted(set(hours))]


def _known(run: int, start: datetime | None, commit: str | None = None) -> KnownRun:
    return KnownRun(run=run, started_at=start, commit=commit, git_url="https://git.acme.example/app.git")


def _told(
    start: datetime | None, commit: str | None = None, url: str = "https://git.acme.example/app"
) -> BuildFinished:
    return BuildFinished(
        controller="main",
        job="team/app",
        number=1,
        result=BuildResult.SUCCESS,
        started_at=start,
        commit=commit,
        git_url=url,
    )


@pytest.mark.parametrize(
    ("one", "run"),
    [
        pytest.param(_told(NOW + timedelta(seconds=60)), 1, id="a start that differs by a minute"),
        pytest.param(_told(NOW + timedelta(seconds=61)), None, id="a start that differs by more"),
        pytest.param(_told(NOW, SECOND), 1, id="the same start and another commit"),
        pytest.param(_told(None, SECOND), None, id="another commit and no start"),
        pytest.param(_told(None, SECOND, "https://git.acme.example/other"), 1, id="a commit of another repository"),
        pytest.param(_told(None), 1, id="nothing that tells"),
    ],
)
def test_in_doubt_it_is_one_run(one: BuildFinished, run: int | None) -> None:
    assert find_run([_known(1, NOW, FIRST)], one) == run


@pytest.mark.parametrize(
    ("one", "run"),
    [
        (_told(NOW), 1),
        (_told(NOW + timedelta(hours=2)), 2),
        (_told(None, FIRST), 1),
        (_told(None, SECOND), 2),
        (_told(None), 2),
    ],
    ids=["first start", "second start", "first commit", "second commit", "nothing that tells: the newest"],
)
def test_of_several_runs_the_one_that_is_meant_is_found(one: BuildFinished, run: int) -> None:
    runs = [_known(1, NOW, FIRST), _known(2, NOW + timedelta(hours=2), SECOND)]
    assert {find_run(each, one) for each in permutations(runs)} == {run}


def test_a_life_begins_where_the_first_number_comes_again() -> None:
    hours = [(1, 0), (2, 1), (3, 2), (1, 10), (2, 11), (3, 12), (1, 20)]
    runs = [NumberedRun(number=n, run=1, started_at=NOW + timedelta(hours=at)) for n, at in hours]
    begins = lives_begin(reversed(runs))
    assert begins == [NOW + timedelta(hours=10), NOW + timedelta(hours=20)]
    assert [life_at(NOW + timedelta(hours=at), begins) for _, at in hours] == [1, 1, 1, 2, 2, 2, 3]
    before = NumberedRun(number=1, run=1)
    assert lives_begin([before, NumberedRun(number=1, run=2, started_at=NOW)]) == [NOW]
