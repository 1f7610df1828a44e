"""`fluxbridgeReport`: the exact requests, held against what the server itself verifies and reads."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.core.facts import Artifact, BuildFinished, BuildResult, TestCounts
from app.core.images import ImageName
from app.senders.jenkins.report import JENKINS
from app.senders.sender import Keys, Origin, Parsed, WebhookRequest
from tests.jenkins.groovy_runs import COMMIT, DIGEST, KEPT, SECRET, Answer, Case, Ran, Request, case, run_cases

IMAGE = "registry.acme.example/team/app"
NAMED = f"result: currentBuild.currentResult, image: '{IMAGE}', tag: env.IMAGE_TAG ?: '1.4.2', digest: '{DIGEST}'"
REPORT = f"fluxbridgeReport({NAMED})"
STRICT = f"fluxbridgeReport({NAMED}, failOnError: true)"
# What people can call branches, and what they can write into the title of a change.
HOSTILE = {
    "quotes": 'feature/"x", "result": "SUCCESS',
    "shell": "feature/$(touch /tmp/pwned)`id`;'x'",
    "groovy": "feature/${env.FLUXBRIDGE_SECRET}",
    "unicode": "feature/прод-发布-🚀-\u202e",
    "backslash": 'a\\b\\"c\\u0022',
    "markup": "</script><b>&amp;",
}
TITLE = 'Fix "it"\n{"schema": 2}\r\n$(curl evil) \u2028 \x1b[31m'
OTHER = f"[repository: 'registry.acme.example/team/worker', tag: '2.0.0', digest: '{DIGEST}']"
CHART = f"[repository: 'registry.acme.example/charts/app', version: '1.4.2', digest: '{DIGEST}']"
PROBLEM = json.dumps({"title": "Unauthorized", "detail": "X-Signature matches no key\nof this source"}).encode()
HALF = "a\ud800b\u0000c"

BRANCH = {"GIT_COMMIT": COMMIT, "BUILD_URL": "https://ci.acme.example/job/team/318/"}
TOKEN = "eyJraWQiOiJmIn0.eyJzdWIiOiJ4In0.c2ln-bmF0_dXJl"

CASES: dict[str, Case] = {
    "branch": case(REPORT, env=BRANCH),
    "tag": case(REPORT, env={"BRANCH_NAME": "v1.4.2", "TAG_NAME": "v1.4.2", "IMAGE_TAG": "v1.4.2"}),
    "change": case(
        "fluxbridgeReport(result: currentBuild.currentResult)",
        env={"BRANCH_NAME": "PR-12", "CHANGE_ID": "12", "CHANGE_BRANCH": "feature/login", "CHANGE_TITLE": TITLE},
        build={"job": "team/app/PR-12"},
    ),
    "plain": case(REPORT, env={"BRANCH_NAME": None, "GIT_BRANCH": "origin/main"}),
    "failed": case("fluxbridgeReport(result: 'FAILURE', tests: [passed: 200, failed: 9])"),
    "running": case(f"fluxbridgeReport(image: '{IMAGE}', tag: '1.4.2', digest: '{DIGEST}')"),
    "many": case(f"fluxbridgeReport(result: 'SUCCESS', images: [{OTHER}], charts: [{CHART}])"),
    "title": case(
        "fluxbridgeReport(result: 'SUCCESS', parameters: [TITLE: env.CHANGE_TITLE, NUMBER: 7, NONE: null])",
        env={"CHANGE_TITLE": TITLE},
    ),
    "unstorable": case(
        "fluxbridgeReport(result: 'SUCCESS', parameters: [X: env.X])",
        env={"X": HALF, "BRANCH_NAME": "a\nb", "GIT_URL": "https://" + "x" * 1000},
    ),
    "credentials in the URL": case(
        "fluxbridgeReport(result: 'SUCCESS', scm: [GIT_URL: 'https://bot:hunter2@git.acme.example/a.git'])"
    ),
    "named otherwise": case(
        "fluxbridgeReport(result: 'SUCCESS', source: 'ci-two', credentialsId: 'two')", credentials={"two": SECRET}
    ),
    "set otherwise": case(
        "fluxbridgeReport(result: 'SUCCESS')",
        env={"FLUXBRIDGE_SOURCE": "ci-two", "FLUXBRIDGE_CREDENTIALS": "two"},
        credentials={"two": SECRET},
    ),
    "token": case(f"fluxbridgeReport({NAMED}, idToken: 'id')", env=BRANCH, credentials={"id": TOKEN}),
    "token set otherwise": case(REPORT, env={**BRANCH, "FLUXBRIDGE_ID_TOKEN": "id"}, credentials={"id": TOKEN}),
    "token again": case(f"fluxbridgeReport({NAMED}, idToken: 'id')", credentials={"id": TOKEN}),
    "no token": case(f"fluxbridgeReport({NAMED}, idToken: 'fluxbridge')"),
    "both proofs": case(f"fluxbridgeReport({NAMED}, idToken: 'fluxbridge', credentialsId: 'fluxbridge')"),
    "twice": case(f"{REPORT}\nsleep(time: 60, unit: 'SECONDS')\n{REPORT}"),
    "ours": case(REPORT, env={"BRANCH_NAME": "fluxbridge/main/staging/all"}),
    "our change": case(REPORT, env={"BRANCH_NAME": "PR-9", "CHANGE_ID": "9", "CHANGE_BRANCH": "fluxbridge/x"}),
    "our other prefix": case(REPORT, env={"BRANCH_NAME": "bridge-two/x", "FLUXBRIDGE_PREFIX": "bridge-two"}),
    "like ours": case(REPORT, env={"BRANCH_NAME": "fluxbridge-docs"}),
    "busy": case(REPORT),
    "asked to wait": case(REPORT),
    "cut off": case(REPORT),
    "down": case(REPORT),
    "down strict": case(STRICT),
    "aborted": case(REPORT, abort_in_sleep=True),
    "refused": case(REPORT),
    "refused strict": case(STRICT),
    "moved": case(REPORT),
    "nowhere": case(REPORT, env={"FLUXBRIDGE_URL": None}),
    "password": case(REPORT, env={"FLUXBRIDGE_URL": "https://bot:hunter2@bridge.acme.example"}),
    "no file": case(REPORT, env={"FLUXBRIDGE_URL": "file:///etc/passwd"}),
    "no secret": case(REPORT, credentials={}),
    "no secret strict": case(STRICT, credentials={}),
    "blank secret": case(REPORT, credentials={"fluxbridge": " "}),
    "typo": case("fluxbridgeReport(result: 'SUCCESS', digets: 'x')"),
    "no result": case("fluxbridgeReport(result: 'GREAT')"),
    "short digest": case(f"fluxbridgeReport(result: 'SUCCESS', image: '{IMAGE}', tag: '1', digest: 'sha256:abc')"),
    "no tag": case(f"fluxbridgeReport(result: 'SUCCESS', image: '{IMAGE}')"),
    **{f"hostile {name}": case(REPORT, env={"BRANCH_NAME": branch}) for name, branch in HOSTILE.items()},
}
ANSWERS = {
    "busy": [Answer(503), Answer(429), KEPT],
    "token again": [Answer(503, headers={"Retry-After": "5"}), KEPT],
    "asked to wait": [Answer(503, headers={"Retry-After": "9"}), Answer(503, headers={"Retry-After": "999"}), KEPT],
    "cut off": [Answer(0), KEPT],
    "down": [Answer(503, b'{"detail": "the disk is full"}')],
    "down strict": [Answer(503)],
    "aborted": [Answer(503)],
    "refused": [Answer(401, PROBLEM, {"WWW-Authenticate": 'Webhook realm="fluxbridge"'})],
    "refused strict": [Answer(401, PROBLEM)],
    "moved": [Answer(302, b"", {"Location": "/elsewhere"})],
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Every case, in one JVM. Names have no spaces on the wire."""
    names = {name.replace(" ", "-"): name for name in CASES}
    found = run_cases(
        tmp_path_factory.mktemp("report"),
        {short: CASES[name] for short, name in names.items()},
        {name.replace(" ", "-"): answers for name, answers in ANSWERS.items()},
    )
    return {names[short]: outcome for short, outcome in found.items()}


def parsed(request: Request) -> Parsed:
    """What the server makes of a request: it must be proven, now."""
    arrived = WebhookRequest(headers=request.headers, body=request.body)
    JENKINS.verify(arrived, Keys(secrets=(SECRET,)), datetime.now(UTC))
    return JENKINS.parse(arrived, Origin(source="ci", jenkins="main"))


def build_of(ran: Ran) -> BuildFinished:
    """The only fact of the only request."""
    [request] = ran.requests
    read = parsed(request)
    assert read.problems == ()
    [build] = read.facts
    assert isinstance(build, BuildFinished)
    return build


def told(ran: Ran) -> str:
    [[message]] = ran.logged("echo")
    assert isinstance(message, str)
    return message


def test_a_build_of_a_branch_is_reported_as_the_contract_has_it(ran: dict[str, Ran]) -> None:
    [request] = ran["branch"].requests
    assert (request.method, request.target) == ("POST", "/branch/webhooks/ci")
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {
        "schema": 1,
        "source": "jenkins",
        "job": "team/app/main",
        "build_number": 318,
        "build_url": "https://ci.acme.example/job/team/318/",
        "result": "SUCCESS",
        "started_at": "2025-10-09T08:55:23Z",
        "finished_at": "2025-10-09T08:56:53Z",
        "git": {"url": None, "commit": COMMIT, "branch": "main", "tag": None, "change_id": None},
        "images": [{"repository": IMAGE, "tag": "1.4.2", "digest": DIGEST}],
        "charts": [],
        "tests": None,
        "parameters": {},
    }
    assert build_of(ran["branch"]).artifacts == (Artifact("image", ImageName.parse(IMAGE), "1.4.2", DIGEST),)
    assert ran["branch"].returned == "d1"


def test_the_body_is_ascii_and_the_signature_is_of_its_bytes(ran: dict[str, Ran]) -> None:
    for name in CASES:
        for request in ran[name].requests:
            assert request.body.isascii()
            assert "authorization" in request.headers or parsed(request).facts


def test_a_tag_build_reports_its_tag_and_no_branch(ran: dict[str, Ran]) -> None:
    build = build_of(ran["tag"])
    assert (build.branch, build.git_tag, build.artifacts[0].tag) == (None, "v1.4.2", "v1.4.2")


def test_a_pull_request_reports_its_own_branch_and_number(ran: dict[str, Ran]) -> None:
    build = build_of(ran["change"])
    assert (build.job, build.branch, build.change_id, build.artifacts) == ("team/app/PR-12", "feature/login", "12", ())


def test_a_job_without_branches_reports_the_branch_of_the_remote(ran: dict[str, Ran]) -> None:
    assert build_of(ran["plain"]).branch == "main"


def test_a_failed_build_is_reported_with_its_tests(ran: dict[str, Ran]) -> None:
    build = build_of(ran["failed"])
    assert build.result is BuildResult.FAILURE
    assert build.tests == TestCounts(total=209, passed=200, failed=9, skipped=0)


def test_a_build_that_still_runs_passes_for_nothing_else(ran: dict[str, Ran]) -> None:
    build = build_of(ran["running"])
    assert (build.result, build.finished_at, len(build.artifacts)) == (BuildResult.UNKNOWN, None, 1)


def test_several_images_and_charts_can_be_named(ran: dict[str, Ran]) -> None:
    assert [(one.kind, str(one.image), one.tag) for one in build_of(ran["many"]).artifacts] == [
        ("image", "registry.acme.example/team/worker", "2.0.0"),
        ("chart", "registry.acme.example/charts/app", "1.4.2"),
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_branch_name_arrives_as_it_is_and_changes_nothing_else(ran: dict[str, Ran], name: str) -> None:
    body, plain = ran[f"hostile {name}"].report, ran["branch"].report
    assert body["git"].pop("branch") == HOSTILE[name]
    plain["git"].pop("branch")
    assert body == {**plain, "build_url": None, "git": {**plain["git"], "commit": None}}


def test_a_hostile_title_arrives_as_it_is_and_what_is_null_is_left_out(ran: dict[str, Ran]) -> None:
    assert build_of(ran["title"]).parameters == {"TITLE": TITLE, "NUMBER": "7"}


def test_text_that_the_server_would_refuse_does_not_cost_the_report(ran: dict[str, Ran]) -> None:
    build = build_of(ran["unstorable"])
    assert (build.parameters, build.branch, build.git_url) == ({"X": "a?bc"}, None, None)


def test_a_password_in_the_address_of_the_repository_is_not_sent(ran: dict[str, Ran]) -> None:
    [request] = ran["credentials in the URL"].requests
    assert b"hunter2" not in request.body
    assert build_of(ran["credentials in the URL"]).git_url == "https://git.acme.example/a.git"


@pytest.mark.parametrize("name", ["named otherwise", "set otherwise"])
def test_source_and_credential_can_be_named(ran: dict[str, Ran], name: str) -> None:
    [request] = ran[name].requests
    assert request.target.endswith("/webhooks/ci-two")
    assert parsed(request).facts


def test_the_same_report_again_has_the_same_bytes(ran: dict[str, Ran]) -> None:
    first, again = ran["twice"].requests
    assert first.body == again.body


@pytest.mark.parametrize("name", ["token", "token set otherwise"])
def test_a_token_is_all_the_proof_there_is_and_stands_nowhere_else(ran: dict[str, Ran], name: str) -> None:
    [request] = ran[name].requests
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert not {"x-signature", "x-signature-timestamp"} & set(request.headers)
    assert TOKEN not in f"{request.target} {request.body!r} {ran[name].log}"
    [signed] = ran["branch"].requests
    assert request.body == signed.body
    assert ran[name].returned == "d1"


def test_a_token_is_asked_for_anew_when_the_keys_were_not_there(ran: dict[str, Ran]) -> None:
    assert [seconds for seconds, _ in ran["token again"].logged("sleep")] == [5]
    assert ran["token again"].logged("withCredentials") == [[["id"]], [["id"]]]
    assert ran["token again"].returned == "d1"


def test_a_secret_of_another_kind_is_not_sent_as_a_token(ran: dict[str, Ran]) -> None:
    assert ran["no token"].requests == []
    assert "gives no id token: use the OpenID Connect Provider plugin" in told(ran["no token"])
    assert SECRET not in told(ran["no token"])


def test_two_proofs_are_a_mistake(ran: dict[str, Ran]) -> None:
    assert ran["both proofs"].requests == []
    assert "give `idToken` or `credentialsId`" in told(ran["both proofs"])


@pytest.mark.parametrize("name", ["ours", "our change", "our other prefix"])
def test_branches_of_fluxbridge_are_not_reported(ran: dict[str, Ran], name: str) -> None:
    assert ran[name].requests == []
    assert "a branch of Fluxbridge's own" in told(ran[name])


def test_a_branch_that_only_looks_like_ours_is_reported(ran: dict[str, Ran]) -> None:
    assert build_of(ran["like ours"]).branch == "fluxbridge-docs"


def test_what_could_not_be_kept_just_now_is_sent_again_with_the_same_bytes(ran: dict[str, Ran]) -> None:
    requests = ran["busy"].requests
    assert len({request.body for request in requests}) == 1
    assert [bool(parsed(request).facts) for request in requests] == [True, True, True]
    assert [seconds for seconds, _ in ran["busy"].logged("sleep")] == [2, 4]
    assert ran["busy"].returned == "d1"


def test_the_server_says_how_long_to_wait_within_reason(ran: dict[str, Ran]) -> None:
    assert [seconds for seconds, _ in ran["asked to wait"].logged("sleep")] == [9, 30]


def test_a_broken_connection_is_tried_again(ran: dict[str, Ran]) -> None:
    assert ran["cut off"].returned == "d1"
    assert len({request.body for request in ran["cut off"].requests}) == 1


def test_a_server_that_stays_down_is_given_up_and_the_build_goes_on(ran: dict[str, Ran]) -> None:
    down = ran["down"]
    assert len(down.requests) == 5
    assert (down.thrown, down.returned) == (None, None)
    assert down.log[-1][1].startswith("fluxbridgeReport: NOT REPORTED: http://127.0.0.1")
    assert down.log[-1][1].endswith("answered 503: the disk is full")


@pytest.mark.parametrize("name", ["down strict", "refused strict", "no secret strict"])
def test_only_who_asks_for_it_fails_the_build(ran: dict[str, Ran], name: str) -> None:
    thrown = ran[name].thrown
    assert thrown is not None
    assert thrown.startswith("StepFailed: fluxbridgeReport: ")


def test_an_aborted_build_ends_at_once(ran: dict[str, Ran]) -> None:
    thrown = ran["aborted"].thrown
    assert thrown is not None
    assert thrown.startswith("FlowInterruptedException")
    assert len(ran["aborted"].requests) == 1


def test_a_refused_report_is_not_sent_again_and_the_log_says_why_on_one_line(ran: dict[str, Ran]) -> None:
    assert len(ran["refused"].requests) == 1
    assert told(ran["refused"]).endswith("answered 401: X-Signature matches no key of this source")


def test_a_redirect_is_not_followed(ran: dict[str, Ran]) -> None:
    assert len(ran["moved"].requests) == 1
    assert "answered 302, a redirect: give the address that it leads to" in told(ran["moved"])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere", "nobody says where Fluxbridge is"),
        ("password", "the URL of Fluxbridge must be"),
        ("no file", "the URL of Fluxbridge must be"),
        ("no secret", "Could not find credentials entry with ID 'fluxbridge'"),
        ("blank secret", "the credential with the secret is blank"),
        ("typo", "unknown: digets"),
        ("no result", "`result` is GREAT"),
        ("short digest", "sha256:abc is no digest"),
        ("no tag", "each of `images` is a map with `repository` and `tag`"),
    ],
)
def test_a_wrong_call_sends_nothing_says_why_and_fails_no_build(ran: dict[str, Ran], name: str, why: str) -> None:
    assert (ran[name].requests, ran[name].thrown) == ([], None)
    assert told(ran[name]).startswith("fluxbridgeReport: NOT REPORTED: ")
    assert why in told(ran[name])


def test_the_secret_is_in_no_log_and_is_given_back_before_anything_else_happens(ran: dict[str, Ran]) -> None:
    for name in CASES:
        outcome = ran[name]
        assert SECRET not in json.dumps([outcome.log, outcome.env, outcome.returned, outcome.thrown])
        assert "hunter2" not in json.dumps(outcome.log)
        steps = [entry[0] for entry in outcome.log]
        for position, step in enumerate(steps):
            assert step != "withCredentials" or steps[position + 1] == "withoutCredentials"


def test_nothing_is_needed_but_steps_of_pipeline_and_credentials_binding_and_no_agent(ran: dict[str, Ran]) -> None:
    used: set[Any] = {entry[0] for outcome in ran.values() for entry in outcome.log}
    assert used == {"withCredentials", "withoutCredentials", "echo", "sleep", "error"}
    assert {agents for outcome in ran.values() for _, agents in outcome.logged("sleep")} == {0}
