"""The first look at a Jenkins takes in the newest builds; of later ones too many at once wait for a person."""

import pytest

from app.core.errors import Unavailable
from tests.services.intake.webhooks import Site, notification
from tests.services.sweeps.built_jobs import JOB, a_jenkins, build, known, look
from tests.services.sweeps.sweeping import BuiltJenkins, waiting


@pytest.fixture
def jenkins(site: Site) -> BuiltJenkins:
    return a_jenkins(site)


def test_the_first_look_takes_the_newest_hundred_of_each_job_and_later_ones_all(
    site: Site, jenkins: BuiltJenkins
) -> None:
    for number in range(1, 151):
        jenkins.put("team/lib", number, build(number, job="team/lib"))
    look(site, max_new=5)
    assert [number for job, number, _ in known(site) if job == "team/lib"] == list(range(51, 151))
    for number in range(1, 121):
        jenkins.put("team/new", number, build(number, job="team/new"))
    assert look(site, max_new=1000).found == 120


def test_too_many_new_builds_of_a_pattern_wait_for_a_person(site: Site, jenkins: BuiltJenkins) -> None:
    look(site)
    for number in range(2, 6):
        jenkins.put(JOB, number, build(number))
        jenkins.put("team/lib", number, build(number, job="team/lib"))
    jenkins.put("other/app", 1, build(1, job="other/app"))
    site.change_source("ci", jobs=())
    wide = {"main": ("team/*", "other/*")}
    found = look(site, jobs=wide, max_new=7)
    [one] = waiting(site)
    assert (one.sweep, one.key, one.found) == ("builds", "main team/*", 8)
    assert one.sample.startswith("8 new builds: team/app/main #2, ")
    assert (found.found, known(site)) == (1, [("other/app", 1, "SUCCESS"), (JOB, 1, "SUCCESS")])
    assert look(site, jobs=wide, max_new=7).storms != []
    assert look(site, jobs=wide, max_new=7, is_confirmed=True).found == 8
    assert (len(known(site)), waiting(site)) == (10, [])
    assert look(site, jobs=wide, max_new=7).found == 0


def test_a_person_takes_in_the_builds_of_one_pattern(site: Site, jenkins: BuiltJenkins) -> None:
    site.change_source("ci", jobs=())
    wide = {"main": ("team/*", "other/*")}
    look(site, jobs=wide)
    for number in range(2, 6):
        jenkins.put(JOB, number, build(number))
        jenkins.put("other/app", number, build(number, job="other/app"))
    assert look(site, jobs=wide, max_new=2).found == 0
    taken = look(site, jobs=wide, max_new=2, accepted=["main other/*"])
    assert (taken.found, [one.key for one in waiting(site)]) == (4, ["main team/*"])


def test_builds_that_are_known_do_not_count_as_too_many(site: Site, jenkins: BuiltJenkins) -> None:
    look(site)
    for number in range(2, 12):
        jenkins.put(JOB, number, build(number))
        site.send("plugin", notification(number))
    assert look(site, max_new=5).storms == []
    assert jenkins.asked[-1][:2] == (JOB, 1)


def test_what_is_no_longer_too_much_is_taken_in_by_itself(site: Site, jenkins: BuiltJenkins) -> None:
    look(site)
    for number in range(2, 12):
        jenkins.put(JOB, number, build(number))
    assert len(look(site, max_new=5).storms) == 1
    assert look(site, max_new=50).found == 10
    assert waiting(site) == []


def test_the_first_look_at_a_jenkins_that_failed_in_its_middle_is_still_the_first(
    site: Site, jenkins: BuiltJenkins
) -> None:
    jenkins.jobs["team/late"] = Unavailable("gone")
    look(site, max_new=5)
    jenkins.jobs["team/late"] = {number: build(number, job="team/late") for number in range(1, 20)}
    assert look(site, max_new=5).found == 19


def test_a_job_that_never_answers_does_not_keep_the_others_from_being_a_storm(
    site: Site, jenkins: BuiltJenkins
) -> None:
    jenkins.jobs["team/broken"] = Unavailable("answers 500")
    assert look(site, max_new=5).found == 1
    for number in range(2, 12):
        jenkins.put(JOB, number, build(number))
    assert (look(site, max_new=5).found, len(waiting(site))) == (0, 1)
    jenkins.jobs["team/broken"] = {number: build(number, job="team/broken") for number in range(1, 20)}
    assert (look(site, max_new=5).found, len(waiting(site))) == (19, 1)
    for number in range(20, 40):
        jenkins.put("team/broken", number, build(number, job="team/broken"))
    assert (look(site, max_new=5).found, len(waiting(site))) == (0, 1)


def test_jobs_that_were_not_asked_for_at_first_are_owed_their_first_look(site: Site, jenkins: BuiltJenkins) -> None:
    names = [f"team/down-{number}" for number in range(9)]
    jenkins.jobs |= {name: Unavailable("answers 500") for name in names}
    look(site, max_new=5)
    # One has more than is taken at first, each of the others more than would be a storm.
    built = {name: range(1, 151 if name == names[-1] else 11) for name in names}
    jenkins.jobs |= {name: {one: build(one, job=name) for one in numbers} for name, numbers in built.items()}
    assert (look(site, max_new=5).found, waiting(site)) == (180, [])
    assert look(site, max_new=5).found == 0


def test_an_empty_job_that_was_owed_its_first_look_is_owed_no_other(site: Site, jenkins: BuiltJenkins) -> None:
    jenkins.jobs["team/broken"] = Unavailable("answers 500")
    look(site)
    jenkins.jobs["team/broken"] = {}
    look(site)
    before = list(jenkins.asked)
    look(site)
    assert jenkins.asked == before
