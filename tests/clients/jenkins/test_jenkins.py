"""Reading builds back from Jenkins, with the real python-jenkins over HTTP."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.clients.jenkins.controller import Jenkins, JenkinsRefused, JenkinsUnavailable, NoSuchBuild
from app.clients.jenkins.paths import InvalidJobName
from app.core.facts import BuildFinished, BuildResult, Checkout, TestCounts
from tests.servers.jenkins import JenkinsServer, Json, Odd, build_body

PAYLOAD = Path(__file__).parents[2] / "payloads" / "jenkins-rest-build.json"
COMMIT = "7dfc862b8579841240b9941ff32518535a9d7917"
OTHER_COMMIT = "1405df66cbe219b0bf6355bc3d60361a8376b6b4"
JOB = "acme/app/main"


@pytest.fixture
def server() -> Iterator[JenkinsServer]:
    with JenkinsServer() as running:
        yield running


@pytest.fixture
def client(server: JenkinsServer) -> Jenkins:
    return Jenkins("main", server.url)


def read(server: JenkinsServer, job: str, body: Mapping[str, Json]) -> BuildFinished:
    server.put_build(job, body)
    build = Jenkins("main", server.url).build(job, 7)
    assert build is not None
    return build


def git(
    ref: str, *, commit: str = COMMIT, number: int = 7, url: str = "https://git.acme.example/acme/app.git"
) -> dict[str, Json]:
    revision: Json = {"SHA1": commit, "branch": [{"SHA1": commit, "name": ref}]}
    return {
        "_class": "hudson.plugins.git.util.BuildData",
        "buildsByBranchName": {ref: {"buildNumber": number, "marked": revision, "revision": revision}},
        "lastBuiltRevision": revision,
        "remoteUrls": [url],
    }


def test_a_finished_build_is_read_as_jenkins_tells_it(server: JenkinsServer, client: Jenkins) -> None:
    server.put_build("lumen/parcel-api/main", json.loads(PAYLOAD.read_text()))
    assert client.build("lumen/parcel-api/main", 318) == BuildFinished(
        controller="main",
        job="lumen/parcel-api/main",
        number=318,
        result=BuildResult.SUCCESS,
        url="https://ci.lumen.example/job/lumen/job/parcel-api/job/main/318/",
        started_at=datetime(2025, 10, 9, 8, 54, 0, 245000, UTC),
        finished_at=datetime(2025, 10, 9, 8, 55, 23, 456000, UTC),
        commit=COMMIT,
        branch="main",
        git_url="https://git.lumen.example/lumen/parcel-api.git",
        parameters={"IMAGE_TAG": "1.4.2"},
        checkouts=(
            Checkout("https://git.lumen.example/lumen/parcel-api.git", COMMIT, "main"),
            Checkout(
                "https://git.lumen.example/lumen/jenkins-library.git", "1405df66cbe219b0bf6355bc3d60361a8376b6b4", None
            ),
        ),
    )


def test_a_running_build_is_none_until_it_ends(server: JenkinsServer, client: Jenkins) -> None:
    server.put_build(JOB, build_body(7, result=None))
    assert client.build(JOB, 7) is None
    server.finish(JOB, 7, "FAILURE")
    ended = client.build(JOB, 7)
    assert ended is not None
    assert ended.result is BuildResult.FAILURE


def test_a_build_without_a_result_is_not_finished(server: JenkinsServer, client: Jenkins) -> None:
    server.put_build(JOB, build_body(7, result=None) | {"building": False})
    assert client.build(JOB, 7) is None


@pytest.mark.parametrize(
    ("job", "path"),
    [
        pytest.param("app", "/job/app/7/api/json", id="top level"),
        pytest.param("team/sub/app", "/job/team/job/sub/job/app/7/api/json", id="nested folders"),
        pytest.param("acme/app/feature%2Flogin", "/job/acme/job/app/job/feature%252Flogin/7/api/json", id="branch"),
        pytest.param("team/my app", "/job/team/job/my%20app/7/api/json", id="space"),
        pytest.param("team/a?b#c", "/job/team/job/a%3Fb%23c/7/api/json", id="marks of URLs"),
        pytest.param("équipe/app", "/job/%C3%A9quipe/job/app/7/api/json", id="beyond ASCII"),
    ],
)
def test_a_job_is_found_at_its_path(server: JenkinsServer, client: Jenkins, job: str, path: str) -> None:
    server.put_build(job, build_body(7))
    build = client.build(job, 7)
    assert build is not None
    assert build.job == job
    asked, _, query = server.requests[-1].target.partition("?")
    assert asked == path
    assert query.startswith("tree=building")


@pytest.mark.parametrize("job", ["", "/app", "team//app", "team/../app", "team/.", "a\nb", "a\u0000b", "a" * 1001])
def test_a_text_that_is_no_job_name_is_never_asked_for(server: JenkinsServer, client: Jenkins, job: str) -> None:
    with pytest.raises(InvalidJobName, match="is no Jenkins job name"):
        client.build(job, 7)
    assert server.requests == []


@pytest.mark.parametrize("result", list(BuildResult))
def test_every_result_of_jenkins_is_known(server: JenkinsServer, result: BuildResult) -> None:
    assert read(server, JOB, build_body(7, result=result.value)).result is result


def test_a_result_that_we_do_not_know_is_unknown(server: JenkinsServer) -> None:
    assert read(server, JOB, build_body(7, result="EXPLODED")).result is BuildResult.UNKNOWN


@pytest.mark.parametrize(
    ("ref", "branch", "tag"),
    [
        pytest.param("main", "main", None, id="short"),
        pytest.param("origin/main", "main", None, id="remote"),
        pytest.param("refs/remotes/origin/main", "main", None, id="full remote"),
        pytest.param("refs/remotes/origin/feature/x", "feature/x", None, id="slash"),
        pytest.param("remotes/upstream/main", "main", None, id="other remote"),
        pytest.param("refs/heads/main", "main", None, id="head"),
        pytest.param("PR-12", "PR-12", None, id="change request"),
        pytest.param("detached", None, None, id="detached"),
        pytest.param("refs/tags/v1.4.2", None, "v1.4.2", id="tag"),
    ],
)
def test_a_branch_has_one_form(server: JenkinsServer, ref: str, branch: str | None, tag: str | None) -> None:
    build = read(server, "app", build_body(7) | {"actions": [git(ref)]})
    assert (build.branch, build.git_tag, build.commit) == (branch, tag, COMMIT)


def test_only_the_entry_of_this_build_tells_its_branch(server: JenkinsServer) -> None:
    checkout = git("release")
    checkout["buildsByBranchName"] = {
        "main": {"buildNumber": 6, "revision": {"SHA1": OTHER_COMMIT}},
        "release": {"buildNumber": 7, "revision": {"SHA1": COMMIT}},
    }
    build = read(server, "app", build_body(7) | {"actions": [checkout]})
    assert (build.branch, build.commit) == ("release", COMMIT)


def test_without_an_entry_of_this_build_the_last_built_revision_counts(server: JenkinsServer) -> None:
    checkout = git("origin/main", commit=COMMIT)
    checkout["buildsByBranchName"] = {"old": {"buildNumber": 3, "revision": {"SHA1": OTHER_COMMIT}}}
    build = read(server, "app", build_body(7) | {"actions": [checkout]})
    assert (build.branch, build.commit) == ("main", COMMIT)


@pytest.mark.parametrize(
    ("job", "commit"),
    [
        pytest.param("acme/app/feature%2Fx", COMMIT, id="the branch that the job is named after"),
        pytest.param("acme/nightly", OTHER_COMMIT, id="else the first"),
    ],
)
def test_of_several_checkouts_the_jobs_own_counts(server: JenkinsServer, job: str, commit: str) -> None:
    library = git("main", commit=OTHER_COMMIT, url="https://git.acme.example/acme/library.git")
    build = read(server, job, build_body(7) | {"actions": [library, git("feature/x")]})
    assert build.commit == commit


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param("https://bot:hunter2@git.acme.example/a.git", "https://git.acme.example/a.git", id="https"),
        pytest.param("git@git.acme.example:a/b.git", "git@git.acme.example:a/b.git", id="ssh"),
    ],
)
def test_a_password_in_a_repository_url_is_left_out(server: JenkinsServer, url: str, shown: str) -> None:
    assert read(server, "app", build_body(7, repository=url)).git_url == shown


@pytest.mark.parametrize(
    ("job", "parameters", "change_id"),
    [
        pytest.param("acme/app/PR-12", {}, "12", id="GitHub"),
        pytest.param("acme/app/PR-12-merge", {}, "12", id="GitHub, merged before the build"),
        pytest.param("acme/app/MR-3", {}, "3", id="GitLab"),
        pytest.param("acme/app", {"CHANGE_ID": "44"}, "44", id="parameter"),
        pytest.param("acme/app/PR-next", {}, None, id="a branch of a like name"),
        pytest.param("acme/app/main", {}, None, id="none"),
    ],
)
def test_a_build_of_a_change_request_says_so(
    server: JenkinsServer, job: str, parameters: Mapping[str, str], change_id: str | None
) -> None:
    assert read(server, job, build_body(7, parameters=parameters)).change_id == change_id


def test_only_parameters_with_a_text_are_kept(server: JenkinsServer) -> None:
    given: list[Json] = [
        {"name": "TAG", "value": "1.2"},
        {"name": "DRY", "value": True},
        {"name": "PASSWORD"},
        {"name": None, "value": "x"},
    ]
    body = build_body(7) | {"actions": [{"_class": "hudson.model.ParametersAction", "parameters": given}, None, {}]}
    assert read(server, JOB, body).parameters == {"TAG": "1.2"}


def test_test_results_are_counted(server: JenkinsServer) -> None:
    tests: Json = {
        "_class": "hudson.tasks.junit.TestResultAction",
        "failCount": 1,
        "skipCount": 3,
        "totalCount": 212,
    }
    build = read(server, JOB, build_body(7) | {"actions": [tests]})
    assert build.tests == TestCounts(total=212, passed=208, failed=1, skipped=3)


def test_an_old_server_that_tells_little_is_enough(server: JenkinsServer) -> None:
    build = read(server, JOB, {"number": 7, "building": False, "result": "SUCCESS", "timestamp": 0, "actions": None})
    assert (build.started_at, build.commit, build.branch, build.git_url) == (None, None, None, None)


def test_a_build_that_jenkins_does_not_have_is_not_found(server: JenkinsServer, client: Jenkins) -> None:
    server.put_build(JOB, build_body(7))
    with pytest.raises(NoSuchBuild, match="no build acme/app/main #8"):
        client.build(JOB, 8)


def test_a_number_that_no_build_has_is_not_asked_for(server: JenkinsServer, client: Jenkins) -> None:
    with pytest.raises(NoSuchBuild):
        client.build(JOB, 0)
    assert server.requests == []


def test_a_build_is_read_from_a_jenkins_that_wants_crumbs_and_an_account() -> None:
    with JenkinsServer(account=("bridge", "t0ken"), has_crumbs=True) as server:
        server.put_build(JOB, build_body(7))
        assert Jenkins("main", server.url, user="bridge", token=lambda: "t0ken").build(JOB, 7) is not None


def test_a_wrong_token_is_refused_without_being_told() -> None:
    with JenkinsServer(account=("bridge", "t0ken")) as server, pytest.raises(JenkinsRefused) as refused:
        Jenkins("main", server.url, user="bridge", token=lambda: "hunter2").build(JOB, 7)
    assert "check user and token" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_token_that_changed_is_read_anew() -> None:
    tokens = iter(["old", "t0ken"])
    with JenkinsServer(account=("bridge", "t0ken")) as server:
        server.put_build(JOB, build_body(7))
        client = Jenkins("main", server.url, user="bridge", token=lambda: next(tokens))
        with pytest.raises(JenkinsRefused):
            client.build(JOB, 7)
        assert client.build(JOB, 7) is not None


def test_an_account_that_may_not_read_is_refused(server: JenkinsServer, client: Jenkins) -> None:
    server.odd = Odd(403, "bridge is missing the Job/Read permission")
    with pytest.raises(JenkinsRefused, match="answered 403"):
        client.build(JOB, 7)


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        pytest.param(Odd(500, "<html>Oops</html>"), "answered 500", id="500"),
        pytest.param(Odd(503, "<html>Starting</html>"), "answered 503", id="503"),
        pytest.param(Odd(200, "<html>Log in</html>"), "no build", id="a page"),
        pytest.param(Odd(200, "{}"), "no build", id="something else"),
        pytest.param(Odd(200, ""), "no build", id="nothing"),
        pytest.param(Odd(200, "[" * 100_000), "no build", id="deep"),
        pytest.param(Odd(200, " " * (17 * 1024 * 1024)), "sent more than", id="huge"),
    ],
)
def test_an_answer_that_is_no_build_is_for_later(server: JenkinsServer, odd: Odd, problem: str) -> None:
    server.odd = odd
    with pytest.raises(JenkinsUnavailable, match=problem):
        Jenkins("main", server.url).build(JOB, 7)


def test_a_jenkins_that_hangs_is_given_up(server: JenkinsServer) -> None:
    server.odd = "hang"
    with pytest.raises(JenkinsUnavailable, match="did not answer within 1 s"):
        Jenkins("main", server.url, timeout_s=1).build(JOB, 7)


def test_a_jenkins_that_is_down_is_for_later() -> None:
    with JenkinsServer() as server:
        url = server.url
    with pytest.raises(JenkinsUnavailable, match="cannot be reached"):
        Jenkins("main", url).build(JOB, 7)


def test_a_redirect_is_not_followed(server: JenkinsServer, client: Jenkins) -> None:
    with JenkinsServer() as elsewhere:
        server.odd = Odd(302, "", {"Location": f"{elsewhere.url}/login"})
        with pytest.raises(JenkinsRefused, match="redirects elsewhere"):
            client.build(JOB, 7)
        assert elsewhere.requests == []


def test_a_proxy_of_the_environment_is_not_used(
    server: JenkinsServer, client: Jenkins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    server.put_build(JOB, build_body(7))
    assert client.build(JOB, 7) is not None


def test_a_configured_proxy_is_used(server: JenkinsServer) -> None:
    with JenkinsServer() as proxy:
        with pytest.raises(NoSuchBuild):
            Jenkins("main", server.url, proxy=proxy.url).build(JOB, 7)
        assert proxy.requests[-1].target.startswith(server.url)
    assert server.requests == []
