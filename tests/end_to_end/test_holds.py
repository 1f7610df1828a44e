"""From a denial in Git to the pull request that goes and the tag that comes after it; a freeze ends by time."""

from datetime import UTC, datetime, timedelta

from tests.end_to_end.bridge import RULES, Bridge

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
