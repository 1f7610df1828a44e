"""From a denial in Git to the pull request that goes and the tag that comes after it; a freeze ends by time."""

from datetime import UTC, datetime, timedelta

from tests.end_to_end.bridge import RULES, Bridge, deployment
from tests.end_to_end.databases import both_databases

pytestmark = both_databases

IMAGE = "registry.acme.example/team/app"


def test_what_the_config_repository_denies_and_holds_acts_from_its_commit_on(bridge: Bridge) -> None:
    bridge.push_image("1.1.0")
    pull = bridge.wait_for_pull("staging", "1.1.0")
    deny = f'deny: [{{image: {IMAGE}, tags: ["1.1.0"], why: loses orders}}]\n'
    bridge.config.commit("main", {".fluxbridge.yaml": f"{RULES}\n{deny}"})
    refused = bridge.wait_for_state("staging", "1.1.0", "refused")
    assert refused["reason"] == "denied: loses orders, by the config repository"
    bridge.settle()
    assert bridge.forge.pull_request(pull.number).state == "closed"
    [held] = bridge.items("/holds")
    assert (held["kind"], held["is_in_git"], held["policies"]) == ("denied", True, 1)
    bridge.push_image("1.2.0")
    assert bridge.wait_for_pull("staging", "1.2.0").number != pull.number


def test_a_freeze_ends_by_itself(bridge: Bridge) -> None:
    until = datetime.now(UTC) + timedelta(seconds=4)
    freeze = f'holds: [{{stage: staging, until: "{until.isoformat()}", why: a moment}}]\n'
    bridge.config.commit("main", {".fluxbridge.yaml": f"{RULES}\n{freeze}"})
    bridge.wait_for("the hold", lambda: bridge.items("/holds"))
    bridge.push_image("1.1.0")
    bridge.wait_for_pull("staging", "1.1.0")
    assert datetime.now(UTC) >= until


def test_what_is_denied_once_it_was_merged_and_applied_stays_and_a_rollback_is_offered(bridge: Bridge) -> None:
    bridge.push_image("1.1.0")
    merged = bridge.forge.merge(bridge.wait_for_pull("staging", "1.1.0").number, by="mira")
    assert merged.merge_commit is not None
    bridge.wait_for_state("staging", "1.1.0", "merged")
    bridge.apply("staging", merged.merge_commit)
    bridge.wait_for("the application", lambda: bridge.applied_stages("1.1.0"))
    wanted = {"tag": f"{IMAGE}:1.1.0", "why": "loses orders"}
    assert bridge.api.post("/api/v1/holds", params=wanted).status_code == 201
    bridge.settle()
    [staging] = bridge.items("/stages", stage="staging")
    assert (staging["tag"], staging["doubtful"]) == ("1.1.0", "denied: loses orders, by local")
    outcomes = bridge.get("/lanes/fleet/plan", branch="main")["outcomes"]
    [said] = [one for one in outcomes if one["stage"] == "staging"]
    assert said["next_step"] == "go back: fluxbridge rollback images:flux-system/app --stage staging"
    assert bridge.text("apps/staging/app.yaml") == deployment("1.1.0")
