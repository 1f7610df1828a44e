"""`fluxbridgeWait`: short looks with sleep between them, until it is merged, applied or too late."""

import json
from typing import Any

import pytest

from tests.jenkins.groovy_runs import READ_TOKEN, Answer, Case, Ran, case, run_cases

IMAGE = "registry.acme.example/team/app"


def wait(more: str = "", **given: Any) -> Case:
    given["env"] = {"BRANCH_NAME": "main", **given.get("env", {})}
    return case(f"fluxbridgeWait(image: '{IMAGE}', tag: '1.1.0', stage: 'staging'{more})", **given)


def promotions(*states: str, tag: str = "1.1.0", policy: str = "app") -> Answer:
    """One page of the list, newest first."""
    named = {"repo": "fleet", "branch": "main", "policy": policy, "tag": tag}
    items = [{**named, "id": f"p{i}", "state": state, "reason": "because\nso"} for i, state in enumerate(states)]
    return Answer(200, json.dumps({"items": items, "next": None}).encode())


def applications(**states: str) -> Answer:
    there = [{"cluster": name.replace("_", "-"), "state": state, "message": "boom"} for name, state in states.items()]
    return Answer(200, json.dumps({"id": "p0", "applications": there}).encode())


def told_in_order(*states: str) -> Answer:
    """What one Kustomization told, oldest first."""
    lines = [
        {"cluster": "prod", "kustomization": "flux-system/apps", "state": one, "message": "boom"} for one in states
    ]
    return Answer(200, json.dumps({"id": "p0", "applications": lines}).encode())


def both(one: Answer, other: Answer) -> Answer:
    items = [item for answer in (one, other) for item in json.loads(answer.body)["items"]]
    return Answer(200, json.dumps({"items": items, "next": None}).encode())


MERGED = promotions("merged")
HISTORY = Answer(
    200, json.dumps({"applications": [{"cluster": "prod", "state": one} for one in ("failed", "applied")]}).encode()
)
APPLIED = ", until: 'applied', timeoutS: 60"
CASES: dict[str, tuple[Case, list[Answer]]] = {
    "merged": (wait(), [promotions(), promotions("waiting"), promotions("proposed"), MERGED]),
    "closed": (wait(), [promotions("proposed"), promotions("closed")]),
    "closed-strict": (wait(", failOnError: true"), [promotions("closed")]),
    "refused": (wait(", timeoutS: 60"), [promotions("refused"), MERGED]),
    "superseded": (wait(), [promotions("superseded")]),
    "newest": (wait(), [promotions("merged", "closed")]),
    "other-tag": (wait(", timeoutS: 30"), [promotions("merged", tag="1.0.0")]),
    "two-policies": (
        wait(", timeoutS: 60"),
        [both(MERGED, promotions("proposed", policy="app-two")), both(MERGED, promotions("merged", policy="app-two"))],
    ),
    "applied": (wait(APPLIED), [MERGED, applications(), MERGED, applications(prod="applied")]),
    "failed-then-applied": (wait(APPLIED), [MERGED, applications(prod="failed"), MERGED, applications(prod="applied")]),
    "failed-before": (wait(APPLIED), [MERGED, told_in_order("failed", "applied")]),
    "not-healthy": (wait(APPLIED), [MERGED, told_in_order("applied", "not healthy")]),
    "overridden": (wait(APPLIED), [MERGED, applications(prod="overridden")] * 4),
    "history": (wait(APPLIED), [MERGED, HISTORY]),
    "clusters": (
        wait(f"{APPLIED}, clusters: ['eu', 'us']"),
        [MERGED, applications(eu="applied", lab="failed"), MERGED, applications(eu="applied", us="applied")],
    ),
    "late": (wait(", timeoutS: 50"), [promotions("proposed")]),
    "late-strict": (wait(", timeoutS: 50, failOnError: true"), [promotions("proposed")]),
    "down-then-up": (wait(), [Answer(503), Answer(0), MERGED]),
    "refused-token": (wait(), [Answer(401, b'{"detail": "the token is none of api.tokens"}')]),
    "no-token": (wait(credentials={}), [MERGED]),
    "aborted": (wait(abort_in_sleep=True), [promotions()]),
    "typo": (wait(", timeout: 5"), [MERGED]),
    "named": (wait(", policy: 'a&b c', everyS: 5"), [MERGED]),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Every case, in one JVM."""
    cases = {name: one for name, (one, _) in CASES.items()}
    return run_cases(tmp_path_factory.mktemp("wait"), cases, {name: answers for name, (_, answers) in CASES.items()})


def told(ran: Ran) -> str:
    [[message]] = ran.logged("echo")
    assert isinstance(message, str)
    return message


def test_it_looks_until_the_tag_is_merged(ran: dict[str, Ran]) -> None:
    merged = ran["merged"]
    assert (merged.returned, merged.thrown, merged.result) == ("merged", None, "SUCCESS")
    assert [seconds for seconds, _ in merged.logged("sleep")] == [20, 20, 20]


def test_each_look_is_one_request_with_the_token(ran: dict[str, Ran]) -> None:
    [request] = ran["named"].requests
    asked = "image=registry.acme.example%2Fteam%2Fapp&stage=staging&policy=a%26b+c&limit=100"
    assert (request.method, request.target) == ("GET", f"/named/api/v1/promotions?{asked}")
    assert request.headers["authorization"] == f"Bearer {READ_TOKEN}"
    assert request.body == b""


def test_it_holds_no_agent(ran: dict[str, Ran]) -> None:
    assert {agents for outcome in ran.values() for _, agents in outcome.logged("sleep")} == {0}
    used = {entry[0] for outcome in ran.values() for entry in outcome.log}
    assert used == {"withCredentials", "withoutCredentials", "echo", "sleep", "error"}


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("closed", "closed"),
        ("superseded", "superseded"),
        ("refused", "merged"),
        ("newest", "merged"),
        ("two-policies", "merged"),
        ("other-tag", "timeout"),
        ("applied", "applied"),
        ("failed-then-applied", "applied"),
        ("failed-before", "applied"),
        ("not-healthy", "timeout"),
        ("overridden", "timeout"),
        ("history", "applied"),
        ("clusters", "applied"),
        ("late", "timeout"),
        ("down-then-up", "merged"),
        ("refused-token", "error"),
        ("no-token", "error"),
        ("typo", "error"),
    ],
)
def test_it_returns_what_became_of_it_and_fails_no_build(ran: dict[str, Ran], name: str, state: str) -> None:
    assert (ran[name].returned, ran[name].thrown) == (state, None)


def test_the_deadline_is_kept_to_the_second(ran: dict[str, Ran]) -> None:
    assert [seconds for seconds, _ in ran["late"].logged("sleep")] == [20, 20, 10]
    assert told(ran["late"]) == "fluxbridgeWait: 1.1.0 in staging: timeout, proposed: because so"


def test_a_cluster_that_runs_something_else_has_not_applied_it(ran: dict[str, Ran]) -> None:
    assert told(ran["overridden"]).endswith("timeout, merged, but prod runs something else: boom")


@pytest.mark.parametrize("name", ["closed-strict", "late-strict"])
def test_only_who_asks_for_it_fails_the_build(ran: dict[str, Ran], name: str) -> None:
    thrown = ran[name].thrown
    assert thrown is not None
    assert thrown.startswith("StepFailed: fluxbridgeWait: 1.1.0 in staging: ")


def test_an_aborted_build_ends_at_once(ran: dict[str, Ran]) -> None:
    thrown = ran["aborted"].thrown
    assert thrown is not None
    assert thrown.startswith("FlowInterruptedException")


def test_what_no_later_look_can_change_ends_it_at_once(ran: dict[str, Ran]) -> None:
    assert len(ran["refused-token"].requests) == 1
    assert told(ran["refused-token"]).endswith("answered 401: the token is none of api.tokens")
    assert "unknown: timeout; known are" in told(ran["typo"])


def test_the_token_is_in_no_log_and_is_given_back_before_it_sleeps(ran: dict[str, Ran]) -> None:
    for outcome in ran.values():
        assert READ_TOKEN not in json.dumps([outcome.log, outcome.env, outcome.thrown])
        steps = [entry[0] for entry in outcome.log]
        for position, step in enumerate(steps):
            assert step != "withCredentials" or steps[position + 1] == "withoutCredentials"
