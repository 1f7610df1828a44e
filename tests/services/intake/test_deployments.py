"""A deployer's builds tell what its cluster has, by the same facts as Flux's events; they make no image."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.core.facts import Checkout
from app.db import revisions
from app.db.revisions import RevisionRow
from app.senders.sender import Keys, Origin
from app.services.systems import Source
from tests.servers.jenkins import build_body
from tests.services.intake.webhooks import ALIAS, MAIN, NOW, Site, build_report, notification
from tests.services.sweeps.sweeping import BuiltJenkins, built, sweep

JOB = "deploy/prod"
OLD, NEW = "b" * 40, "c" * 40
CONFIG = "https://git.acme.example/acme/fleet.git"


@pytest.fixture
def deploying(site: Site) -> Site:
    """The site with deployers of prod-eu beside its builders: one that signs, and one whose plugin hints."""
    for name, kind in (("deploy", "jenkins"), ("deploy-hint", "jenkins-notification")):
        source = Source(
            name=name,
            kind=kind,
            origin=Origin(name, jenkins="main", jenkins_url=site.jenkins.url, cluster="prod-eu"),
            keys=Keys,
            jobs=(JOB,),
            config_repo="fleet",
            root="umbrella/prod",
        )
        repos = {**site.systems.config_repos, "fleet": replace(site.systems.config_repos["fleet"], url=CONFIG)}
        sources = {**site.systems.sources, name: source}
        urls = {"main": site.jenkins.url}
        site.systems = replace(site.systems, sources=sources, config_repos=repos, jenkins_urls=urls)
    return site


def deployed(site: Site, name: str = "deploy") -> Sequence[RevisionRow]:
    """What is known of a deployer."""
    with site.database.transaction() as connection:
        return [one for one in revisions.of_cluster(connection, "prod-eu") if one.name == name]


def report(number: int, commit: str | None = NEW, **changes: Any) -> bytes:
    """The deployer's signed report."""
    git = {"url": CONFIG, "commit": commit, "branch": "origin/main"}
    return build_report("x", "", None, number=number, **{"job": JOB, "images": [], "git": git, **changes})


def test_a_successful_build_is_a_revision_of_its_cluster_and_makes_the_lanes_due(deploying: Site) -> None:
    outcome = deploying.send("deploy", report(12)).outcome or ""
    [row] = deployed(deploying)
    assert (row.kustomization, row.revision, row.branch) == ("deployer deploy", f"main@sha1:{NEW}", "main")
    assert (row.repo, row.root, row.is_failure, row.message) == (
        "fleet",
        "umbrella/prod",
        False,
        "build deploy/prod #12",
    )
    assert row.at == NOW - timedelta(minutes=1), "when the build ended"
    assert deploying.wanted()[MAIN] == 1
    assert outcome == "facts: BuildFinished, RevisionApplied. lanes: fleet:main, fleet:next"


@pytest.mark.parametrize(("result", "state"), [("FAILURE", "failed"), ("UNSTABLE", "not healthy")])
def test_a_build_that_did_not_end_well_tells_so_with_its_page(deploying: Site, result: str, state: str) -> None:
    page = f"{deploying.jenkins.url}/job/deploy/job/prod/12/"
    deploying.send("deploy", report(12, result=result, build_url=page))
    [row] = deployed(deploying)
    assert (revisions.state_told_of(row), row.reason, row.message) == (state, result, f"build deploy/prod #12, {page}")


def test_a_page_that_is_not_its_controllers_is_not_shown(deploying: Site) -> None:
    deploying.send("deploy", report(12, result="FAILURE", build_url="https://elsewhere.example/job/deploy/12/"))
    assert [one.message for one in deployed(deploying)] == ["build deploy/prod #12"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"result": "ABORTED"}, "ended ABORTED, so nobody knows what it applied", id="aborted"),
        pytest.param({"result": "NOT_BUILT"}, "ended NOT_BUILT", id="not-built"),
        pytest.param({"result": "UNKNOWN"}, "ended UNKNOWN", id="still-running"),
        pytest.param({"git": {"url": CONFIG}}, "names no commit: report the one of fleet", id="no-commit"),
        pytest.param({"git": {"change_id": "7"}}, "is of change request 7", id="change-request"),
    ],
)
def test_what_tells_nothing_of_the_cluster_is_said(deploying: Site, changes: dict[str, Any], told: str) -> None:
    commit = None if told.startswith("names no commit") else NEW
    git = {"url": CONFIG, "commit": commit, "branch": "main", **changes.get("git", {})}
    outcome = deploying.send("deploy", report(12, **{**changes, "git": git})).outcome or ""
    assert told in outcome
    assert deployed(deploying) == []


def test_of_two_builds_the_one_that_ended_later_counts_in_whichever_order_they_are_told(deploying: Site) -> None:
    deploying.send("deploy", report(12, NEW, finished_at="2026-11-21T11:50:00Z"))
    deploying.send("deploy", report(11, OLD, finished_at="2026-11-21T11:40:00Z"))
    assert [one.commit for one in deployed(deploying)] == [NEW]
    deploying.send("deploy", report(13, OLD, finished_at="2026-11-21T11:55:00Z"))
    assert [one.commit for one in deployed(deploying)] == [OLD], "a redeploy of an older commit"


def test_a_deployer_of_one_branch_speaks_for_that(deploying: Site) -> None:
    deploying.change_source("deploy", branch="next")
    deploying.send("deploy", report(12))
    assert [(one.branch, one.revision) for one in deployed(deploying)] == [("next", f"next@sha1:{NEW}")]


def test_where_no_end_is_told_the_start_stands_for_it(deploying: Site) -> None:
    deploying.send("deploy", report(12, NEW, started_at="2026-11-21T11:50:00Z", finished_at=None))
    deploying.send("deploy", report(11, OLD, started_at="2026-11-21T11:40:00Z", finished_at=None))
    assert [(one.commit, one.at) for one in deployed(deploying)] == [(NEW, NOW - timedelta(minutes=10))]


def test_a_success_that_comes_again_after_the_failure_of_the_same_build_takes_nothing_back(deploying: Site) -> None:
    for result in ("SUCCESS", "FAILURE", "SUCCESS"):
        deploying.send("deploy", report(12, result=result))
    assert [one.reason for one in deployed(deploying)] == ["FAILURE"], "the worse result of a build counts"


def test_a_hint_is_read_back_with_the_commit_of_the_config_repository(deploying: Site) -> None:
    library = build_body(12, repository="https://git.acme.example/libs/steps.git")
    own = build_body(12, commit=NEW, repository="git@git.acme.example:acme/fleet.git")
    deploying.jenkins.put_build(JOB, {**own, "actions": [*library["actions"], *own["actions"]]})  # type: ignore[misc]
    deploying.send("deploy-hint", notification(12, job=JOB))
    assert [one.commit for one in deployed(deploying, "deploy-hint")] == [NEW]
    assert [one.commit for one in deploying.builds()] == [NEW]


def test_a_job_that_deploys_makes_no_image_whoever_tells_of_it(deploying: Site) -> None:
    deploying.change_source("ci", jobs=())
    deploying.put_image("1.1.0")
    named = [{"repository": f"{ALIAS}/team/app", "tag": "1.1.0", "digest": None}]
    for source in ("deploy", "ci"):
        outcome = deploying.send(source, report(12, images=named, result="FAILURE")).outcome or ""
        assert "job deploy/prod deploys (sources.deploy), so its builds make no image:" in outcome
    assert deploying.facts()["artifacts"] == set()
    assert deploying.tag("1.1.0") is None


def test_a_builder_does_not_speak_for_a_cluster(deploying: Site) -> None:
    deploying.change_source("ci", jobs=())
    deploying.send("ci", report(12))
    assert deployed(deploying) == []


def test_another_job_is_none_of_the_deployers(deploying: Site) -> None:
    outcome = deploying.send("deploy", report(12, job="deploy/staging")).outcome or ""
    assert "source deploy may not speak for job deploy/staging" in outcome
    assert deployed(deploying) == []


def test_a_build_that_nobody_told_of_is_found_by_the_sweep(deploying: Site) -> None:
    jenkins = BuiltJenkins()
    deploying.systems = replace(deploying.systems, jenkins={"main": jenkins})
    checkouts = (Checkout("https://git.acme.example/libs/steps", OLD, "main"), Checkout(CONFIG, NEW, "main"))
    told = built(12, job=JOB, commit=OLD, checkouts=checkouts, image=f"{ALIAS}/team/app", tag="1.1.0")
    jenkins.put(JOB, 12, told)
    assert sweep(deploying, "builds", jobs={"main": ("deploy/*",)}).found == 1
    for name in ("deploy", "deploy-hint"):
        assert [one.commit for one in deployed(deploying, name)] == [NEW]
    assert deploying.facts()["artifacts"] == set()
    assert deploying.wanted()[MAIN] == 1


def test_a_job_that_deploys_from_two_config_repositories_tells_of_the_commit_of_each(deploying: Site) -> None:
    jenkins = BuiltJenkins()
    other = "https://git.acme.example/acme/other.git"
    repos = {**deploying.systems.config_repos, "other": replace(deploying.systems.config_repos["other"], url=other)}
    deploying.systems = replace(deploying.systems, jenkins={"main": jenkins}, config_repos=repos)
    deploying.change_source("deploy-hint", config_repo="other")
    checkouts = (Checkout(other, OLD, "main"), Checkout(CONFIG, NEW, "main"))
    jenkins.put(JOB, 12, built(12, job=JOB, commit=OLD, checkouts=checkouts))
    sweep(deploying, "builds", jobs={"main": ("deploy/*",)})
    assert [(one.repo, one.commit) for one in deployed(deploying)] == [("fleet", NEW)]
    assert [(one.repo, one.commit) for one in deployed(deploying, "deploy-hint")] == [("other", OLD)]
