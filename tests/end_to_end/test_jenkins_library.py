"""What the shared library sends is kept, and becomes a pull request: its requests go to the real server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.bridge import IMAGE, JENKINS_SECRET, Bridge, deployment, fleet, running_bridge
from tests.jenkins.groovy_runs import COMMIT, EXAMPLES, Case, case, run_groovy

READ_ONLY = "fluxbridge-read"


@pytest.fixture
def bridge(tmp_path: Path, sqlite_url: str) -> Iterator[Bridge]:
    """One app in two stages, all at 1.0.0. What is sent does not depend on the database."""
    with running_bridge(tmp_path, sqlite_url, files=fleet()) as running:
        yield running


def built(bridge: Bridge, script: str, tag: str, **given: Any) -> Case:
    """A build of a tag whose push left the digest in a file, as BuildKit does."""
    digest = bridge.put_image(tag)
    one = case(
        script,
        files={"image.json": json.dumps({"containerimage.digest": digest})},
        credentials={"fluxbridge": JENKINS_SECRET, READ_ONLY: bridge.api.headers["Authorization"].split()[1]},
        **given,
    )
    return {**one, "env": {**one["env"], "FLUXBRIDGE_URL": bridge.url}}


def run(bridge: Bridge, one: Case) -> dict[str, Any]:
    [outcome] = run_groovy(bridge.folder, cases={"build": one})["cases"].values()
    assert isinstance(outcome, dict)
    return outcome


def jenkinsfile() -> str:
    return (EXAMPLES / "Jenkinsfile.buildkit-pod").read_text(encoding="utf-8")


TAG_BUILD = {"BRANCH_NAME": "1.1.0", "TAG_NAME": "1.1.0"}


def test_a_tag_build_becomes_pull_requests_for_each_stage_and_can_be_waited_for(bridge: Bridge) -> None:
    outcome = run(bridge, built(bridge, jenkinsfile(), "1.1.0", env=TAG_BUILD))
    assert (outcome["result"], outcome.get("thrown")) == ("SUCCESS", None)
    assert outcome["log"][-1][1].startswith(f"fluxbridgeReport: {bridge.url}/webhooks/ci keeps it as delivery ")
    for stage in ("staging", "production"):
        pull = bridge.wait_for_pull(stage, "1.1.0")
        assert bridge.text(f"apps/{stage}/app.yaml", pull.head) == deployment("1.1.0")
        if stage == "staging":
            bridge.forge.merge(pull.number, by="mira")
            bridge.wait_for_state(stage, "1.1.0", "merged")
    promotion = bridge.promotion("production", "1.1.0")
    assert promotion is not None
    build = bridge.get(f"/builds/{promotion['build']['id']}")
    assert (build["job"], build["number"], build["git_tag"], build["commit"]) == (
        "team/app/main",
        318,
        "1.1.0",
        COMMIT,
    )
    assert build["tests"] == {"total": 212, "passed": 209, "failed": 0, "skipped": 3}
    assert [(one["tag"], one["digest"]) for one in build["artifacts"]] == [("1.1.0", bridge.digest("1.1.0"))]
    ask = f"fluxbridgeWait(image: '{IMAGE}', tag: '1.1.0', stage: %s, timeoutS: 1)"
    waited = "[" + ", ".join(ask % stage for stage in ("'staging'", "'production'")) + "]"
    assert run(bridge, built(bridge, waited, "1.1.0"))["returned"] == ["merged", "timeout"]


def test_a_failed_build_keeps_its_image_out_of_the_stage_that_asks_for_success(bridge: Bridge) -> None:
    digest = bridge.put_image("1.1.0")
    script = f"fluxbridgeReport(result: 'FAILURE', image: '{IMAGE}', tag: '1.1.0', digest: '{digest}')"
    run(bridge, built(bridge, script, "1.1.0"))
    assert bridge.wait_for_pull("staging", "1.1.0")
    refused = bridge.wait_for_state("production", "1.1.0", "refused")
    assert refused["reason"] == "build team/app/main #318 ended FAILURE"


def test_a_build_that_still_runs_is_let_in_by_its_last_report_only(bridge: Bridge) -> None:
    named = f"image: '{IMAGE}', tag: '1.1.0', digest: '{bridge.put_image('1.1.0')}'"
    run(bridge, built(bridge, f"fluxbridgeReport({named})", "1.1.0"))
    assert bridge.wait_for_pull("staging", "1.1.0")
    assert bridge.wait_for_state("production", "1.1.0", "refused")
    run(bridge, built(bridge, f"fluxbridgeReport(result: 'SUCCESS', {named})", "1.1.0"))
    assert bridge.wait_for_pull("production", "1.1.0")


def test_a_repeated_report_is_one_delivery_and_hostile_names_are_kept_as_they_are(bridge: Bridge) -> None:
    branch, title = 'feature/$(id)"x', 'Say "hi"\n{"result": "SUCCESS"} \ud83d\ude80'
    script = "fluxbridgeReport(result: 'ABORTED', parameters: [TITLE: env.TITLE])\n" * 2
    outcome = run(bridge, built(bridge, script, "1.1.0", env={"BRANCH_NAME": branch, "TITLE": title}))
    assert [entry[0] for entry in outcome["log"]].count("echo") == 2
    bridge.settle()
    [delivery] = bridge.items("/deliveries", source="ci")
    assert delivery["state"] == "done"
    [listed] = bridge.items("/builds")
    build = bridge.get(f"/builds/{listed['id']}")
    assert (build["branch"], build["result"]) == (branch, "ABORTED")
    assert build["parameters"] == {"TITLE": title.encode("utf-16", "surrogatepass").decode("utf-16")}


def test_a_wrong_secret_is_told_in_the_log_and_costs_no_build(bridge: Bridge) -> None:
    one = built(bridge, "fluxbridgeReport(result: 'SUCCESS')", "1.1.0")
    outcome = run(bridge, {**one, "credentials": {"fluxbridge": "another"}})
    assert outcome["log"][-1][1].endswith(
        "answered 401: X-Signature matches no key of this source: check the secret on both sides, "
        "and that nothing rewrites the body on its way"
    )
    assert (outcome["result"], outcome.get("thrown")) == ("SUCCESS", None)
