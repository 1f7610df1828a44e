"""What a proxy says is never taken for Jenkins' word, and what was missed is looked at again."""

from datetime import timedelta

import pytest

from app.clients.jenkins.controller import Jenkins, JenkinsUnavailable
from app.core.facts import BuildResult
from app.db.deliveries import DeliveryState
from tests.servers.jenkins import JenkinsServer, Odd, build_body
from tests.services.intake.webhooks import NOW, Site, notification
from tests.services.sweeps.sweeping import sweep
from tests.trials.reports import ELEVEN, gate, report

JOB = "team/app/main"
PLACE = "/job/team/job/app/job/main/7/api/json"
NOBODY = Odd(404, "404 page not found", {"Content-Type": "text/plain"}, is_without_version=True)
_ELEVEN_MS = 1_795_258_800_000


def _put_build(site: Site, number: int = 7, **changes: object) -> None:
    named = {"IMAGE": str(site.image), "IMAGE_TAG": "1.1.0", "IMAGE_DIGEST": site.put_image("1.1.0")}
    site.jenkins.put_build(JOB, build_body(number, parameters=named) | dict(changes))  # type: ignore[arg-type]


def test_a_page_of_the_proxy_before_jenkins_is_no_word_on_a_build(site: Site) -> None:
    _put_build(site)
    site.jenkins.odd_at[PLACE] = [NOBODY]
    delivery = site.send("plugin", notification(7))
    assert (delivery.state, site.builds()) == (DeliveryState.WAITING, [])
    del site.jenkins.odd_at[PLACE]
    site.now += timedelta(minutes=5)
    site.interpret()
    assert [build.result for build in site.builds()] == [BuildResult.SUCCESS]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 502, 503])
def test_whatever_a_proxy_answers_is_unavailable(status: int) -> None:
    with JenkinsServer() as server:
        server.put_build("app", build_body(7))
        server.odd = Odd(status, "<html>", is_without_version=True)
        client = Jenkins("main", server.url)
        with pytest.raises(JenkinsUnavailable, match="X-Jenkins"):
            client.build("app", 7)
        with pytest.raises(JenkinsUnavailable, match="X-Jenkins"):
            client.newest_builds(["*"])
        with pytest.raises(JenkinsUnavailable, match="X-Jenkins"):
            client.builds_after("app", 0, limit=9)


def test_a_build_known_only_as_unknown_is_looked_at_again(site: Site) -> None:
    _put_build(site)
    sweep(site, "builds", jobs={"main": ("team/*",)})
    _put_build(site, 8)
    site.jenkins.odd_at[PLACE.replace("/7/", "/8/")] = [Odd(404, "<html>")]
    site.send("plugin", notification(8))
    assert {build.number: build.result for build in site.builds()}[8] is BuildResult.UNKNOWN
    _put_build(site, 9)
    sweep(site, "builds", jobs={"main": ("team/*",)})
    assert {build.number: build.result for build in site.builds()}[8] is BuildResult.SUCCESS


def test_an_unknown_build_is_looked_at_beyond_the_mark_of_its_job(site: Site) -> None:
    site.jenkins.put_build(JOB, build_body(9))
    site.send("plugin", notification(7))
    sweep(site, "builds", jobs={"main": ("team/*",)})
    _put_build(site)
    assert sweep(site, "builds", jobs={"main": ("team/*",)}).told == [f"{JOB}: #7"]
    assert {build.number: build.result for build in site.builds()}[7] is BuildResult.SUCCESS


def test_a_job_that_was_made_anew_is_swept_although_its_numbers_are_known(site: Site) -> None:
    digest = site.put_image("1.1.0")
    site.send("ci", report(site, "1.1.0", digest, started_at="2026-11-21T09:00:00Z", result="FAILURE"))
    _put_build(site, 1, timestamp=_ELEVEN_MS, duration=1000)
    sweep(site, "builds", jobs={"main": ("team/*",)})
    assert sorted((build.run, build.result) for build in site.builds()) == [
        (1, BuildResult.FAILURE),
        (2, BuildResult.SUCCESS),
    ]
    assert gate(site, "1.1.0").reason == f"build {JOB} #1 (run 2) ended SUCCESS"
    assert ELEVEN in {f"{build.started_at:%Y-%m-%dT%H:%M:%SZ}" for build in site.builds() if build.started_at}


@pytest.mark.parametrize("is_swept_first", [True, False])
def test_an_end_by_a_clock_that_is_ahead_does_not_move_with_what_is_read_back_later(
    site: Site, *, is_swept_first: bool
) -> None:
    _put_build(site, timestamp=_ELEVEN_MS, duration=7_200_000)
    if is_swept_first:
        sweep(site, "builds", jobs={"main": ("team/*",)})
    ends = []
    for _ in range(2):
        site.keep("plugin", notification(7))
        site.now += timedelta(minutes=1)
        site.interpret()
        ends += [build.finished_at for build in site.builds()]
    assert ends == [NOW if is_swept_first else NOW + timedelta(minutes=1)] * 2


@pytest.mark.parametrize("crumbs", [Odd(403, "<html>No"), Odd(200, "{}"), Odd(200, "<html>Log in"), Odd(500, "")])
def test_reading_needs_no_crumb(crumbs: Odd) -> None:
    with JenkinsServer() as server:
        server.put_build("app", build_body(7))
        server.odd_at["/crumbIssuer/api/json"] = [crumbs]
        build = Jenkins("main", server.url, user="bridge", token=lambda: "t").build("app", 7)
        assert build is not None
        assert build.result is BuildResult.SUCCESS
        assert [each.target.partition("?")[0] for each in server.requests] == ["/job/app/7/api/json"]
