"""Jobs and builds that no webhook told of, listed by Jenkins with the real python-jenkins over HTTP."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

import pytest

from app.clients.jenkins.controller import Jenkins, JenkinsRefused, JenkinsUnavailable, NoSuchJob
from app.clients.jenkins.paths import InvalidJobName
from app.core.errors import FluxbridgeError
from app.core.facts import BuildResult
from app.core.ports import BuildSeen
from tests.servers.jenkins import JenkinsServer, Json, Odd, build_body

JOB = "acme/app/main"
MULTIBRANCH = "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject"
ORGANIZATION = "jenkins.branch.OrganizationFolder"


@pytest.fixture
def server() -> Iterator[JenkinsServer]:
    with JenkinsServer() as running:
        yield running


@pytest.fixture
def client(server: JenkinsServer) -> Jenkins:
    return Jenkins("main", server.url)


@pytest.fixture
def filled(server: JenkinsServer) -> JenkinsServer:
    """An organization with two repositories, a nested folder, a job beside them, and another team."""
    server.put_folder("acme", kind=ORGANIZATION)
    server.put_folder("acme/app", kind=MULTIBRANCH)
    for job, newest in (
        ("acme/app/main", 12),
        ("acme/app/feature%2Flogin", 3),
        ("acme/web/main", 7),
        ("acme/tools/deep/nightly", 101),
        ("other/secret", 5),
        ("top", 2),
    ):
        server.put_build(job, build_body(newest - 1))
        server.put_build(job, build_body(newest))
    server.put_job("acme/app/new")
    server.put_folder("acme/empty")
    return server


def folders_asked_for(server: JenkinsServer) -> list[str]:
    paths = [urlsplit(each.target).path for each in server.requests]
    return [path.removesuffix("/api/json") for path in paths if "crumb" not in path]


ACME = {
    "acme/app/feature%2Flogin": 3,
    "acme/app/main": 12,
    "acme/app/new": 0,
    "acme/tools/deep/nightly": 101,
    "acme/web/main": 7,
}


@pytest.mark.parametrize(
    ("patterns", "jobs"),
    [
        pytest.param(["*"], ACME | {"other/secret": 5, "top": 2}, id="all"),
        pytest.param(["acme/*"], ACME, id="below a folder"),
        pytest.param(["acme/app/*"], {job: ACME[job] for job in ACME if "/app/" in job}, id="one repository"),
        pytest.param(["acme/*/main"], {"acme/app/main": 12, "acme/web/main": 7}, id="a branch of each"),
        pytest.param(["*/main", "top"], {"acme/app/main": 12, "acme/web/main": 7, "top": 2}, id="two patterns"),
        pytest.param(["acme/app/feature%2F*"], {"acme/app/feature%2Flogin": 3}, id="branches with a slash"),
        pytest.param(["acme/app/feature/*"], None, id="such a branch is no folder"),
        pytest.param(["acme/we?/main"], {"acme/web/main": 7}, id="one character"),
        pytest.param(["[a-c]cme/web/*"], {"acme/web/main": 7}, id="a range"),
        pytest.param(["top"], {"top": 2}, id="one job"),
        pytest.param(["acme"], {}, id="a folder is no job"),
        pytest.param(["ACME*"], {}, id="names are as they are written"),
        pytest.param(["acme/empty/*"], {}, id="nothing in it"),
        pytest.param(["acme/*", "acme/app/*", "acme/app/main"], ACME, id="patterns within each other"),
        pytest.param([], {}, id="no pattern"),
    ],
)
@pytest.mark.usefixtures("filled")
def test_jobs_are_found_by_their_full_names(
    client: Jenkins, patterns: Sequence[str], jobs: Mapping[str, int] | None
) -> None:
    if jobs is None:
        with pytest.raises(JenkinsRefused, match="shows none of the folders of acme/app/feature"):
            client.newest_builds(patterns)
    else:
        assert client.newest_builds(patterns) == jobs


@pytest.mark.parametrize(
    ("patterns", "folders"),
    [
        pytest.param(["acme/app/*"], ["/job/acme/job/app"], id="named outright"),
        pytest.param(["acme/w*"], ["/job/acme", "/job/acme/job/web"], id="those that begin so"),
        pytest.param(
            ["ac*/app/main"],
            [
                "",
                "/job/acme",
                *(f"/job/acme/job/{name}" for name in ("app", "empty", "tools", "web", "tools/job/deep")),
            ],
            id="a star leads through folders",
        ),
        pytest.param(["top"], [""], id="one job"),
        pytest.param(["acme/a*", "acme/app/*"], ["/job/acme", "/job/acme/job/app"], id="none twice"),
        pytest.param(["acme/?pp/main"], ["/job/acme", "/job/acme/job/app"], id="one character"),
    ],
)
def test_only_folders_that_can_hold_a_match_are_entered(
    filled: JenkinsServer, client: Jenkins, patterns: Sequence[str], folders: Sequence[str]
) -> None:
    client.newest_builds(patterns)
    assert folders_asked_for(filled) == folders


def test_every_job_that_is_found_can_be_read_and_its_builds_listed(filled: JenkinsServer, client: Jenkins) -> None:
    for odd in ("team/my app", "team/a?b#c", "équipe/app", "team/100%25", "team/x%252Fy", "team/7"):
        filled.put_build(odd, build_body(4))
    for job, newest in client.newest_builds(["*"]).items():
        seen = client.builds_after(job, 0, limit=10)
        assert (seen[-1].number if seen else 0) == newest
        if newest:
            build = client.build(job, newest)
            assert build is not None
            assert build == seen[-1].build
            assert build.job == job


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250])
def test_a_long_folder_is_read_page_by_page(server: JenkinsServer, client: Jenkins, count: int) -> None:
    for number in range(count):
        server.put_job(f"acme/app-{number}")
    assert len(client.newest_builds(["acme/*"])) == count
    trees = [parse_qs(urlsplit(each.target).query)["tree"][0] for each in server.requests if "tree" in each.target]
    starts = range(0, count + 1, 100)
    assert [tree.rpartition("{")[2] for tree in trees] == [f"{start},{start + 100}}}" for start in starts]


def test_a_jenkins_that_knows_no_pages_is_believed_at_once(server: JenkinsServer, client: Jenkins) -> None:
    jobs: list[Json] = [{"name": f"app-{number}", "lastBuild": None} for number in range(150)]
    builds: list[Json] = [build_body(number) for number in range(150, 0, -1)]
    server.odd_at["/api/json"] = [Odd(200, json.dumps({"jobs": jobs}))]
    server.odd_at["/job/app-1/api/json"] = [Odd(200, json.dumps({"allBuilds": builds}))]
    assert len(client.newest_builds(["*"])) == 150
    assert numbers(client.builds_after("app-1", 0, limit=5)) == list(range(146, 151))
    assert len([each for each in server.requests if "tree" in each.target]) == 2


def test_what_is_hidden_or_gone_leaves_the_rest(filled: JenkinsServer, client: Jenkins) -> None:
    filled.hide("acme/web")
    filled.hide("acme/app/new")
    filled.odd_at["/job/acme/job/tools/api/json"] = [Odd(404, "<html>deleted in the meantime</html>")]
    assert client.newest_builds(["acme/*"]) == {"acme/app/feature%2Flogin": 3, "acme/app/main": 12}


@pytest.mark.usefixtures("filled")
def test_one_of_several_folders_may_be_missing_but_not_all(client: Jenkins) -> None:
    assert client.newest_builds(["gone/*", "acme/web/*"]) == {"acme/web/main": 7}
    with pytest.raises(JenkinsRefused, match=r"main .*shows none of the folders of gone/\*, also/gone/x; correct"):
        client.newest_builds(["gone/*", "also/gone/x"])


def test_a_url_where_no_jenkins_is_says_so(server: JenkinsServer) -> None:
    with pytest.raises(JenkinsRefused, match="correct its url"):
        Jenkins("main", f"{server.url}/jenkins").newest_builds(["*"])


def test_a_folder_that_became_a_job_is_passed_over(filled: JenkinsServer, client: Jenkins) -> None:
    filled.odd_at["/job/acme/job/web/api/json"] = [Odd(200, '{"_class": "hudson.model.FreeStyleProject"}')]
    assert "acme/web/main" not in client.newest_builds(["acme/*"])


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(None, id="null"),
        pytest.param({"name": "../../secret", "lastBuild": {"number": 9}}, id="climbing"),
        pytest.param({"name": "..", "jobs": []}, id="dots"),
        pytest.param({"name": "", "lastBuild": None}, id="no name"),
        pytest.param({"name": "a/b", "lastBuild": {"number": 9}}, id="a path"),
        pytest.param({"name": "a\nb", "lastBuild": {"number": 9}}, id="control characters"),
        pytest.param({"name": "a" * 1001, "jobs": []}, id="endless name"),
    ],
)
def test_a_name_that_no_job_has_is_left_out(server: JenkinsServer, client: Jenkins, item: Json) -> None:
    jobs: list[Json] = [item, {"name": "app", "lastBuild": {"number": 4, "url": "x"}, "color": "disabled"}]
    server.odd_at["/api/json"] = [Odd(200, json.dumps({"jobs": jobs}))]
    assert client.newest_builds(["*"]) == {"app": 4}


def numbers(seen: Sequence[BuildSeen]) -> list[int]:
    return [each.number for each in seen]


def test_builds_above_a_number_come_oldest_first(server: JenkinsServer, client: Jenkins) -> None:
    for number in (3, 5, 6, 9, 10):
        server.put_build(JOB, build_body(number, result="FAILURE" if number == 9 else "SUCCESS"))
    seen = client.builds_after(JOB, 5, limit=100)
    assert numbers(seen) == [6, 9, 10]
    assert [each.build.result for each in seen if each.build] == [
        BuildResult.SUCCESS,
        BuildResult.FAILURE,
        BuildResult.SUCCESS,
    ]
    assert [each.build for each in seen] == [client.build(JOB, number) for number in (6, 9, 10)]
    assert client.builds_after(JOB, 10, limit=100) == []


def test_a_running_build_is_seen_without_its_end(server: JenkinsServer, client: Jenkins) -> None:
    server.put_build(JOB, build_body(7))
    server.put_build(JOB, build_body(8, result=None))
    seen = client.builds_after(JOB, 6, limit=10)
    assert numbers(seen) == [7, 8]
    assert (seen[0].build is None, seen[1].build) == (False, None)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param(1, [250], id="the newest"),
        pytest.param(100, list(range(151, 251)), id="a page"),
        pytest.param(150, list(range(101, 251)), id="a page and a half"),
        pytest.param(1000, list(range(1, 251)), id="all"),
    ],
)
def test_of_many_builds_the_newest_are_read_page_by_page(
    server: JenkinsServer, client: Jenkins, limit: int, expected: Sequence[int]
) -> None:
    for number in range(1, 251):
        server.put_build(JOB, build_body(number))
    assert numbers(client.builds_after(JOB, 0, limit=limit)) == expected
    pages = [each for each in server.requests if "allBuilds" in each.target]
    assert len(pages) == min(-(-limit // 100), 3)


def test_reading_ends_where_the_number_is_reached(server: JenkinsServer, client: Jenkins) -> None:
    for number in range(1, 251):
        server.put_build(JOB, build_body(number))
    assert numbers(client.builds_after(JOB, 240, limit=1000)) == list(range(241, 251))
    assert len([each for each in server.requests if "allBuilds" in each.target]) == 1


def test_builds_that_say_very_much_are_asked_for_in_smaller_pages(server: JenkinsServer, client: Jenkins) -> None:
    for number in range(1, 41):
        server.put_build(JOB, build_body(number, parameters={"TEXT": "x" * 1_000_000}))
    assert numbers(client.builds_after(JOB, 0, limit=40)) == list(range(1, 41))


def test_a_build_that_starts_between_two_pages_is_not_told_twice(server: JenkinsServer, client: Jenkins) -> None:
    pages = [list(range(200, 100, -1)), list(range(101, 50, -1))]
    bodies = [json.dumps({"allBuilds": [build_body(number) for number in page]}) for page in pages]
    server.odd_at["/job/acme/job/app/job/main/api/json"] = [Odd(200, body) for body in bodies]
    assert numbers(client.builds_after(JOB, 50, limit=1000)) == list(range(51, 201))


def test_a_job_that_is_not_shown_is_not_found(filled: JenkinsServer, client: Jenkins) -> None:
    filled.hide("acme/web/main")
    for job in ("acme/web/main", "nobody/knows", "acme/app"):
        with pytest.raises(NoSuchJob, match=f"jenkins main shows no job {job}"):
            client.builds_after(job, 0, limit=10)


def test_a_job_without_builds_has_none(server: JenkinsServer, client: Jenkins) -> None:
    server.put_job(JOB)
    assert client.builds_after(JOB, 0, limit=10) == []


@pytest.mark.parametrize("name", ["", "/app", "team//app", "team/../app", "a\nb", "a" * 1001])
def test_a_text_that_is_no_job_name_is_never_asked_for(server: JenkinsServer, client: Jenkins, name: str) -> None:
    with pytest.raises(InvalidJobName):
        client.builds_after(name, 0, limit=10)
    assert server.requests == []


def list_jobs(client: Jenkins) -> object:
    return client.newest_builds(["*"])


def list_builds(client: Jenkins) -> object:
    return client.builds_after(JOB, 0, limit=10)


both = pytest.mark.parametrize("ask", [pytest.param(list_jobs, id="jobs"), pytest.param(list_builds, id="builds")])


@both
@pytest.mark.parametrize(
    ("odd", "kind", "problem"),
    [
        pytest.param(Odd(401, "<html>"), JenkinsRefused, "answered 401", id="401"),
        pytest.param(Odd(403, "no Overall/Read"), JenkinsRefused, "answered 403", id="403"),
        pytest.param(Odd(429, ""), JenkinsUnavailable, "answered 429", id="429"),
        pytest.param(Odd(500, "<html>Oops"), JenkinsUnavailable, "answered 500", id="500"),
        pytest.param(Odd(503, "<html>Starting"), JenkinsUnavailable, "answered 503", id="503"),
        pytest.param(Odd(302, "", {"Location": "https://login.example/"}), JenkinsRefused, "redirects", id="redirect"),
        pytest.param(Odd(200, "<html>Log in"), JenkinsUnavailable, "is no (list|folder)", id="a page"),
        pytest.param(Odd(200, ""), JenkinsUnavailable, "is no (list|folder)", id="nothing"),
        pytest.param(Odd(200, "[" * 100_000), JenkinsUnavailable, "is no (list|folder)", id="deep"),
        pytest.param(Odd(200, "[]"), JenkinsUnavailable, "is no (list|folder)", id="a list"),
        pytest.param(
            Odd(200, '{"jobs": {}, "allBuilds": {}}'), JenkinsUnavailable, "is no (list|folder)", id="an object"
        ),
        pytest.param(
            Odd(200, '{"jobs": ["x"], "allBuilds": ["x"]}'), JenkinsUnavailable, "is no (list|folder)", id="texts"
        ),
        pytest.param(
            Odd(200, '{"jobs": [{"name": 3}], "allBuilds": [{"number": "x"}]}'),
            JenkinsUnavailable,
            "is no (list|folder)",
            id="wrong types",
        ),
        pytest.param(
            Odd(200, '{"jobs": [{"name": "x", "lastBuild": {"number": -1}}], "allBuilds": [{"number": -1}]}'),
            JenkinsUnavailable,
            "is no (list|folder)",
            id="a number below nothing",
        ),
        pytest.param(Odd(200, " " * (17 * 1024 * 1024)), JenkinsUnavailable, "sent more than", id="huge"),
    ],
)
def test_an_answer_that_is_no_list_says_who_must_act(
    server: JenkinsServer, ask: Callable[[Jenkins], object], odd: Odd, kind: type[FluxbridgeError], problem: str
) -> None:
    server.odd = odd
    with pytest.raises(kind, match=problem):
        ask(Jenkins("main", server.url))


@both
def test_a_jenkins_that_hangs_is_given_up(server: JenkinsServer, ask: Callable[[Jenkins], object]) -> None:
    server.odd = "hang"
    with pytest.raises(JenkinsUnavailable, match="did not answer within 1 s"):
        ask(Jenkins("main", server.url, timeout_s=1))


def test_what_breaks_in_the_middle_gives_no_part_of_the_list(filled: JenkinsServer, client: Jenkins) -> None:
    filled.odd_at["/job/acme/job/web/api/json"] = [Odd(503, "<html>Restarting</html>")]
    with pytest.raises(JenkinsUnavailable, match="answered 503"):
        client.newest_builds(["acme/*"])


def test_lists_are_read_with_an_account_and_without_crumbs() -> None:
    with JenkinsServer(account=("bridge", "t0ken"), has_crumbs=True) as server:
        server.put_build("acme/app/main", build_body(7))
        client = Jenkins("main", server.url, user="bridge", token=lambda: "t0ken")
        assert client.newest_builds(["*"]) == {"acme/app/main": 7}
        assert not [each for each in server.requests if "crumb" in each.target]
        assert numbers(client.builds_after("acme/app/main", 0, limit=9)) == [7]
