"""A look at Jenkins finds the builds that nobody told of, and leaves those alone that somebody did."""

from dataclasses import replace
from typing import Any

import pytest

from app.core.errors import Refused, Unavailable
from app.core.facts import BuildResult
from app.db import owed_answers
from app.services.reading.builds import build as show_build
from tests.db.facts import reports_of
from tests.servers.jenkins import build_body
from tests.services.broken_database import BrokenDatabase
from tests.services.intake.webhooks import ALIAS, MAIN, Site, build_report, notification
from tests.services.sweeps.built_jobs import JOB, PATTERNS, a_jenkins, build, known, look
from tests.services.sweeps.sweeping import BuiltJenkins, built, everything, sweeps_over, waiting


@pytest.fixture
def jenkins(site: Site) -> BuiltJenkins:
    return a_jenkins(site)


def reports(site: Site) -> set[tuple[int, str, str | None]]:
    with site.database.transaction() as connection:
        return {(one.number, one.tag, one.digest) for one in reports_of(connection, site.image)}


@pytest.mark.usefixtures("jenkins")
def test_a_build_that_nobody_told_of_is_what_a_hint_of_it_would_have_come_to(site: Site) -> None:
    assert look(site).found == 1
    by_sweep = site.facts(), site.wanted()
    assert by_sweep[0]["artifacts"] == {(JOB, 1, str(site.image), "1.0.0", None)}
    tag = site.tag("1.0.0")
    assert tag is not None
    assert tag.digest == site.put_image("1.0.0")
    assert site.wanted()[MAIN] == 1
    site.check_choices()
    site.send("plugin", notification(1))
    assert site.facts() == by_sweep[0]


@pytest.mark.usefixtures("jenkins")
def test_the_history_tells_that_a_sweep_found_it(site: Site) -> None:
    look(site)
    [row] = site.builds()
    with site.database.transaction() as connection:
        shown = show_build(connection, row.id)
    assert (shown.source, shown.delivery) == ("sweep:builds", None)


@pytest.mark.usefixtures("jenkins")
def test_a_second_look_asks_for_nothing_and_changes_nothing(site: Site) -> None:
    look(site)
    jenkins = site.systems.jenkins["main"]
    assert isinstance(jenkins, BuiltJenkins)
    before, asked = everything_but_times(site), list(jenkins.asked)
    assert look(site).found == 0
    assert (everything_but_times(site), jenkins.asked) == (before, asked)


def everything_but_times(site: Site) -> dict[str, Any]:
    return {name: rows for name, rows in everything(site).items() if name not in {"schedules", "measures"}}


def test_only_builds_above_the_mark_are_asked_for(site: Site, jenkins: BuiltJenkins) -> None:
    look(site)
    jenkins.put(JOB, 2, build(2))
    jenkins.put(JOB, 4, build(4, result=BuildResult.FAILURE))
    look(site)
    assert jenkins.asked[-1][:2] == (JOB, 1)
    assert known(site) == [(JOB, 1, "SUCCESS"), (JOB, 2, "SUCCESS"), (JOB, 4, "FAILURE")]


def test_a_build_that_is_started_while_jenkins_is_asked_costs_no_older_one(site: Site, jenkins: BuiltJenkins) -> None:
    class Starting(BuiltJenkins):
        def builds_after(self, job: str, number: int, *, limit: int) -> Any:
            if not self.asked:
                self.put(job, 4, None)
            return super().builds_after(job, number, limit=limit)

    look(site)
    for number in (2, 3):
        jenkins.put(JOB, number, build(number))
    site.systems = replace(site.systems, jenkins={"main": Starting(jenkins.jobs)})
    assert look(site).found == 2
    jenkins.put(JOB, 4, build(4))
    assert look(site).found == 1
    assert [one[1] for one in known(site)] == [1, 2, 3, 4]


def test_a_running_build_is_looked_at_again_and_those_after_it_count_at_once(site: Site, jenkins: BuiltJenkins) -> None:
    jenkins.put(JOB, 2, None)
    jenkins.put(JOB, 3, build(3))
    assert look(site).found == 2
    assert look(site).found == 0
    assert [one[1] for one in known(site)] == [1, 3]
    jenkins.put(JOB, 2, build(2, result=BuildResult.ABORTED))
    assert look(site).found == 1
    look(site)
    assert jenkins.asked[-1][:2] == (JOB, 1)
    assert [one[1] for one in known(site)] == [1, 2, 3]


def test_a_job_that_was_made_anew_counts_from_its_start(site: Site, jenkins: BuiltJenkins) -> None:
    jenkins.put(JOB, 9, build(9))
    look(site)
    jenkins.jobs[JOB] = {2: build(2), 3: build(3)}
    assert look(site).found == 2
    assert [one[1] for one in known(site)] == [1, 2, 3, 9]
    jenkins.jobs[JOB] = {}
    assert look(site).found == 0
    jenkins.jobs[JOB] = {4: build(4)}
    assert look(site).found == 1


def test_what_a_signed_report_said_stays_whatever_jenkins_says(site: Site, jenkins: BuiltJenkins) -> None:
    site.send("ci", build_report(site.image, "1.1.0", site.put_image("1.1.0"), number=1, result="FAILURE"))
    before = site.facts()
    assert look(site).found == 0
    assert [one[:2] for one in jenkins.asked] == [(JOB, 0)]
    assert site.facts() == before


@pytest.mark.usefixtures("jenkins")
def test_a_signed_report_that_comes_later_adds_what_it_knows(site: Site) -> None:
    look(site)
    digest = site.put_image("1.1.0")
    site.send("ci", build_report(site.image, "1.1.0", digest, number=1, result="UNSTABLE"))
    assert known(site) == [(JOB, 1, "UNSTABLE")]
    assert reports(site) == {(1, "1.0.0", None), (1, "1.1.0", digest)}
    site.check_choices()


def test_a_build_that_a_webhook_brings_while_the_sweep_looks_is_left_alone(site: Site, jenkins: BuiltJenkins) -> None:
    class Meanwhile(BuiltJenkins):
        def builds_after(self, job: str, number: int, *, limit: int) -> Any:
            found = super().builds_after(job, number, limit=limit)
            site.send("ci", build_report(site.image, "1.1.0", None, number=1, result="FAILURE"))
            return found

    site.systems = replace(site.systems, jenkins={"main": Meanwhile(jenkins.jobs)})
    look(site)
    assert known(site) == [(JOB, 1, "FAILURE")]


def test_only_jobs_and_images_count_that_a_source_of_this_jenkins_may_report(site: Site, jenkins: BuiltJenkins) -> None:
    for source in ("ci", "plugin"):
        site.change_source(source, jobs=("team/app/*",), images=(f"{site.registry.host}/team/app",))
    jenkins.put("team/secret", 1, build(1, "1.0.0", job="team/secret"))
    jenkins.put(JOB, 2, built(2, image=f"{ALIAS}/other/app", tag="1.0.0"))
    look(site)
    assert known(site) == [(JOB, 1, "SUCCESS"), (JOB, 2, "SUCCESS")]
    assert site.facts()["artifacts"] == {(JOB, 1, str(site.image), "1.0.0", None)}
    assert look(site).found == 0


def test_without_a_source_of_this_jenkins_every_job_that_the_patterns_name_counts(
    site: Site, jenkins: BuiltJenkins
) -> None:
    site.systems = replace(site.systems, sources={})
    jenkins.put("other/app", 1, build(1, job="other/app"))
    look(site)
    assert known(site) == [(JOB, 1, "SUCCESS")]
    assert reports(site) == {(1, "1.0.0", None)}


def test_a_controller_without_patterns_is_not_asked(site: Site, jenkins: BuiltJenkins) -> None:
    jenkins.error = AssertionError("asked")
    assert look(site, jobs={}).failures == []


@pytest.mark.parametrize("error", [Unavailable("down"), Refused("no"), KeyError("odd")], ids=repr)
def test_a_job_that_cannot_be_looked_at_is_told_stops_no_other_and_comes_the_next_time(
    site: Site, jenkins: BuiltJenkins, error: Exception
) -> None:
    jenkins.jobs["team/broken"] = error
    found = look(site)
    assert (len(found.failures), "team/broken" in found.failures[0]) == (1, True)
    assert known(site) == [(JOB, 1, "SUCCESS")]
    jenkins.jobs["team/broken"] = {9: build(9, job="team/broken")}
    assert look(site).failures == []
    assert len(known(site)) == 2


@pytest.mark.usefixtures("jenkins")
def test_a_registry_that_does_not_answer_keeps_no_build_back_and_is_asked_again_by_itself(site: Site) -> None:
    site.systems = replace(site.systems, registries={site.registry.host: DownRegistry()})
    found = look(site)
    assert (found.failures, found.found) == ([], 1)
    assert known(site) == [(JOB, 1, "SUCCESS")]
    with site.database.transaction() as connection:
        [owed] = owed_answers.of_image(connection, site.image)
    assert owed.error is not None
    assert look(site).found == 0


class DownRegistry:
    """Answers nothing."""

    def tags(self, path: str) -> list[str]:
        raise Unavailable(path)

    def digest(self, path: str, reference: str) -> str | None:
        raise Unavailable(f"{path}:{reference}")


def test_a_jenkins_that_is_down_is_told_and_another_is_looked_at(site: Site, jenkins: BuiltJenkins) -> None:
    down = BuiltJenkins(error=Unavailable("no route"))
    site.systems = replace(site.systems, jenkins={"main": jenkins, "down": down})
    found = look(site, jobs={"down": ("*",), **PATTERNS})
    assert found.failures == ["jenkins.down: no route"]
    assert known(site) == [(JOB, 1, "SUCCESS")]


def test_a_dry_look_writes_nothing_and_tells_what_would_be_taken_in(site: Site, jenkins: BuiltJenkins) -> None:
    for number in range(2, 9):
        jenkins.put(JOB, number, build(number))
    before = everything(site)
    found = look(site, is_dry=True)
    assert (found.found, found.told) == (8, [f"{JOB}: #1, #2, #3, #4, #5 and 3 more"])
    assert everything(site) == before


def test_three_jobs_that_never_answer_keep_no_other_from_being_looked_at(site: Site, jenkins: BuiltJenkins) -> None:
    jenkins.jobs |= {f"team/a-{number}": Unavailable("answers 500") for number in range(3)}
    assert [look(site).found for _ in range(3)] == [0, 1, 0]


def test_builds_that_could_not_be_written_are_found_again(site: Site, jenkins: BuiltJenkins) -> None:
    broken = BrokenDatabase(site.database)

    class Losing(BuiltJenkins):
        def builds_after(self, job: str, number: int, *, limit: int) -> Any:
            broken.lost_commits = 2
            return super().builds_after(job, number, limit=limit)

    site.systems = replace(site.systems, jenkins={"main": Losing(jenkins.jobs)})
    [found] = sweeps_over(site, broken, jobs=PATTERNS).run_now(["builds"])
    assert found.failures != []
    assert known(site) == []
    site.systems = replace(site.systems, jenkins={"main": jenkins})
    assert look(site).found == 1


def test_builds_of_our_own_branches_are_marked_as_ours(site: Site, jenkins: BuiltJenkins) -> None:
    jenkins.put("team/fleet", 1, build(1, job="team/fleet", branch="fluxbridge/main/all/app"))
    look(site)
    assert {row.job: row.is_ours for row in site.builds()} == {JOB: False, "team/fleet": True}


def test_a_pattern_that_is_swept_no_more_has_no_storm(site: Site, jenkins: BuiltJenkins) -> None:
    look(site)
    for number in range(2, 12):
        jenkins.put(JOB, number, build(number))
    look(site, max_new=5)
    assert len(waiting(site)) == 1
    look(site, jobs={}, max_new=5)
    assert waiting(site) == []


def test_a_real_jenkins_is_walked_and_its_builds_are_those_of_a_hint(site: Site) -> None:
    site.put_image("1.0.0")
    named = {"IMAGE": f"{ALIAS}/team/app", "IMAGE_TAG": "1.0.0"}
    site.jenkins.put_build(JOB, build_body(1, parameters=named))
    site.jenkins.put_build("team/app/feature%2Fx", build_body(7, result="FAILURE", branch="feature/x"))
    site.jenkins.put_build("team/app/feature%2Fx", build_body(8, result=None))
    site.jenkins.put_build("elsewhere/app", build_body(3))
    assert look(site).failures == []
    assert known(site) == [("team/app/feature%2Fx", 7, "FAILURE"), (JOB, 1, "SUCCESS")]
    assert reports(site) == {(1, "1.0.0", None)}
    site.jenkins.finish("team/app/feature%2Fx", 8)
    assert look(site).found == 1
    before = site.facts()
    for job, number in ((JOB, 1), ("team/app/feature%2Fx", 7), ("team/app/feature%2Fx", 8)):
        site.send("plugin", notification(number, job=job))
    assert site.facts() == before
