"""Our Jenkins itself: what `tree` leaves of an answer, and what is where."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.servers.jenkins import JenkinsServer, build_body


@pytest.fixture
def server() -> Iterator[JenkinsServer]:
    with JenkinsServer() as running:
        for number in range(1, 6):
            running.put_build("acme/app/feature%2Fx", build_body(number))
        running.put_job("acme/web")
        yield running


def read(server: JenkinsServer, path: str, tree: str = "") -> Any:
    params = {"tree": tree} if tree else {}
    answer = httpx.get(f"{server.url}{path}/api/json", params=params, trust_env=False)
    return json.loads(answer.content) if answer.is_success else answer.status_code


def test_a_tree_names_fields_and_the_elements_of_lists(server: JenkinsServer) -> None:
    app = "/job/acme/job/app/job/feature%252Fx"
    assert read(server, app, "name,allBuilds[number]{1,3},lastBuild[number]") == {
        "_class": "org.jenkinsci.plugins.workflow.job.WorkflowJob",
        "name": "feature%2Fx",
        "lastBuild": {"_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun", "number": 5},
        "allBuilds": [{"_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun", "number": each} for each in (4, 3)],
    }
    assert read(server, app, "allBuilds[number]{5,10}")["allBuilds"] == []


def test_only_folders_have_jobs_and_each_shows_the_next_level(server: JenkinsServer) -> None:
    assert read(server, "", "jobs[name,jobs[name]{0,1}]{0,100}")["jobs"][0]["name"] == "acme"
    app, web = read(server, "/job/acme", "jobs[name,lastBuild[number],jobs[name]{0,1}]{0,100}")["jobs"]
    assert (app["name"], [each["name"] for each in app["jobs"]]) == ("app", ["feature%2Fx"])
    assert (web["name"], web["lastBuild"], "jobs" in web) == ("web", None, False)


def test_what_is_hidden_is_listed_nowhere_and_not_found(server: JenkinsServer) -> None:
    server.hide("acme/app")
    assert [each["name"] for each in read(server, "/job/acme", "jobs[name]")["jobs"]] == ["web"]
    for path in ("/job/acme/job/app", "/job/acme/job/app/job/feature%252Fx", "/job/acme/job/app/job/feature%252Fx/3"):
        assert read(server, path) == 404


def test_a_branch_with_a_slash_is_no_folder(server: JenkinsServer) -> None:
    assert read(server, "/job/acme/job/app/job/feature/job/x") == 404
    assert read(server, "/job/acme/job/app/job/feature%252Fx/3")["number"] == 3
