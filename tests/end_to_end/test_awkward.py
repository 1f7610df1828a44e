"""What goes otherwise than planned: repeats, races, people and other programs."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from app.core.ports import PullRequestState
from tests.end_to_end.bridge import APP, Bridge, deployment, kustomization, policy, registry_event


def _open(bridge: Bridge, stage: str) -> list[int]:
    pulls = bridge.forge.list_pull_requests(state=PullRequestState.OPEN)
    return [pull.number for pull in pulls if pull.head.split("/")[2] == stage]


def test_the_same_delivery_ten_times_at_once_is_one_delivery_and_one_pull_request(bridge: Bridge) -> None:
    digest = bridge.put_image("1.1.0")
    body, headers = registry_event(APP, "1.1.0", digest, host=bridge.registry.host)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: bridge.post("registry", body, headers), range(10)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    bridge.wait_for_pull("staging", "1.1.0")
    bridge.settle()
    assert len(_open(bridge, "staging")) == 1
    assert len(bridge.items("/promotions", stage="staging")) == 1


def test_a_failing_build_keeps_the_tag_out_of_production(bridge: Bridge) -> None:
    digest = bridge.push_image("1.1.0")
    bridge.report_build("1.1.0", digest=digest, result="FAILURE")
    refused = bridge.wait_for_state("production", "1.1.0", "refused")
    assert refused["reason"] == "build team/app/main #1 ended FAILURE"
    assert bridge.wait_for_pull("staging", "1.1.0")
    bridge.settle()
    assert _open(bridge, "production") == []


def test_a_later_successful_build_of_the_same_digest_lets_it_in(bridge: Bridge) -> None:
    digest = bridge.push_image("1.1.0")
    bridge.report_build("1.1.0", digest=digest, result="FAILURE", finished_at="2026-01-01T00:00:00Z")
    bridge.wait_for_state("production", "1.1.0", "refused")
    bridge.report_build("1.1.0", digest=digest, number=2, finished_at="2026-01-01T01:00:00Z")
    assert bridge.wait_for_pull("production", "1.1.0")


def test_a_newer_tag_updates_the_open_pull_request_in_place(bridge: Bridge) -> None:
    bridge.push_image("1.1.0")
    first = bridge.wait_for_pull("staging", "1.1.0")
    bridge.push_image("1.2.0")
    second = bridge.wait_for_pull("staging", "1.2.0")
    assert (second.number, second.head) == (first.number, first.head)
    assert second.title == "Promote app 1.0.0 to 1.2.0 in staging"
    assert bridge.text("apps/staging/app.yaml", second.head) == deployment("1.2.0")
    old = bridge.promotion("staging", "1.1.0")
    assert old is not None
    assert (old["state"], old["reason"]) == ("superseded", "1.2.0 took its place")


def test_an_older_hotfix_pushed_after_a_newer_tag_changes_nothing(bridge: Bridge) -> None:
    bridge.push_image("1.2.0")
    pull = bridge.wait_for_pull("staging", "1.2.0")
    bridge.push_image("1.1.9")
    bridge.settle()
    assert bridge.forge.pull_request(pull.number) == pull
    assert bridge.promotion("staging", "1.1.9") is None


def test_main_moving_elsewhere_leaves_the_branch_alone(bridge: Bridge) -> None:
    bridge.push_image("1.1.0")
    pull = bridge.wait_for_pull("staging", "1.1.0")
    bridge.config.commit("main", {"docs/notes.md": "hello\n"})
    bridge.wait_for("main to be noticed", lambda: _has_seen_main(bridge))
    assert bridge.config.head(pull.head) == pull.head_sha


def test_main_moving_in_the_edited_file_rebuilds_the_branch(bridge: Bridge) -> None:
    bridge.push_image("1.1.0")
    pull = bridge.wait_for_pull("staging", "1.1.0")
    bridge.config.commit("main", {"apps/staging/app.yaml": deployment("1.0.0", replicas=5)})
    bridge.wait_for("the branch to be rebuilt", lambda: bridge.config.head(pull.head) != pull.head_sha)
    bridge.settle()
    assert bridge.text("apps/staging/app.yaml", pull.head) == deployment("1.1.0", replicas=5)
    rebuilt = bridge.forge.pull_request(pull.number)
    assert (rebuilt.state, rebuilt.has_conflict) == (PullRequestState.OPEN, False)


def _has_seen_main(bridge: Bridge) -> bool:
    return bool(bridge.items("/lanes")[0]["last_head"] == bridge.config.head("main"))


def test_a_pull_request_closed_by_hand_holds_until_a_higher_tag(bridge: Bridge) -> None:
    bridge.push_image("1.1.0")
    pull = bridge.wait_for_pull("staging", "1.1.0")
    bridge.forge.close(pull.number, by="mira")
    closed = bridge.wait_for_state("staging", "1.1.0", "closed")
    assert closed["reason"] == f"pull request {pull.number} was closed by mira"
    bridge.push_image("1.0.5")
    bridge.settle()
    assert _open(bridge, "staging") == []
    bridge.push_image("1.2.0")
    assert bridge.wait_for_pull("staging", "1.2.0").number != pull.number


def test_a_reopened_pull_request_is_proposed_again(bridge: Bridge) -> None:
    bridge.push_image("1.1.0")
    pull = bridge.wait_for_pull("staging", "1.1.0")
    bridge.forge.close(pull.number, by="mira")
    bridge.wait_for_state("staging", "1.1.0", "closed")
    bridge.forge.reopen(pull.number, by="mira")
    assert bridge.wait_for_pull("staging", "1.1.0").number == pull.number


def test_a_merge_reverted_in_git_stays_reverted(bridge: Bridge) -> None:
    bridge.push_image("1.1.0")
    pull = bridge.wait_for_pull("staging", "1.1.0")
    bridge.forge.merge(pull.number, by="mira")
    bridge.wait_for_state("staging", "1.1.0", "merged")
    bridge.config.commit("main", {"apps/staging/app.yaml": deployment("1.0.0")}, message="Revert 1.1.0")
    reverted = bridge.wait_for_state("staging", "1.1.0", "reverted")
    assert "Ada" in reverted["reason"]
    bridge.settle()
    assert _open(bridge, "staging") == []
    git = bridge.promotion("staging", "1.0.0", "merged")
    assert git is not None
    assert git["origin"] == "git"
    bridge.push_image("1.2.0")
    assert bridge.wait_for_pull("staging", "1.2.0")


def test_a_tag_changed_directly_in_git_is_part_of_the_history(bridge: Bridge) -> None:
    bridge.config.commit("main", {"apps/production/app.yaml": deployment("1.0.7")}, message="By hand")
    promotion = bridge.wait_for_state("production", "1.0.7", "merged")
    assert (promotion["origin"], promotion["from_tag"]) == ("git", "1.0.0")
    assert promotion["merged_by"].startswith("Ada")


def test_a_branch_that_a_person_pushed_to_is_left_to_them(bridge: Bridge) -> None:
    bridge.push_image("1.1.0")
    pull = bridge.wait_for_pull("staging", "1.1.0")
    theirs = bridge.config.commit(pull.head, {"apps/staging/extra.yaml": "kind: ConfigMap\n"}, message="Mine")
    bridge.push_image("1.2.0")
    left = bridge.wait_for(
        "the branch to be left alone",
        lambda: [
            one
            for one in bridge.items("/promotions", stage="staging")
            if one["tag"] == "1.2.0" and "theirs" in one["reason"]
        ],
    )
    bridge.settle()
    assert len(left) == 1
    assert bridge.config.head(pull.head) == theirs
    assert len(bridge.forge.comments(pull.number)) == 1


def test_a_build_of_our_own_branch_never_makes_a_tag_a_candidate(bridge: Bridge) -> None:
    bridge.push_image("1.1.0")
    pull = bridge.wait_for_pull("staging", "1.1.0")
    digest = bridge.put_image("9.9.9")
    answer = bridge.report_build("9.9.9", digest=digest, number=7, git={"branch": pull.head, "commit": pull.head_sha})
    assert answer.status_code == 202
    bridge.push_image("9.9.9")
    bridge.settle()
    assert bridge.promotion("staging", "9.9.9") is None
    assert bridge.pull("staging", "1.1.0") is not None


def test_a_pull_request_build_reported_after_its_push_closes_what_was_opened(bridge: Bridge) -> None:
    digest = bridge.push_image("1.1.0")
    pull = bridge.wait_for_pull("staging", "1.1.0")
    bridge.report_build("1.1.0", digest=digest, git={"branch": "PR-12", "change_id": "12"})
    bridge.wait_for("the pull request to be closed", lambda: _open(bridge, "staging") == [])
    bridge.settle()
    assert bridge.forge.pull_request(pull.number).closed_by == "fluxbridge"
    assert bridge.config.head(pull.head) is None


def test_the_policys_file_is_broken_and_mended(bridge: Bridge) -> None:
    bridge.push_image("1.1.0")
    pull = bridge.wait_for_pull("staging", "1.1.0")
    bridge.config.commit("main", {".fluxbridge.yaml": "stages: [broken"})
    bridge.wait_for(
        "main to be noticed", lambda: "not readable" in str(bridge.get("/lanes/fleet/plan", branch="main")["problem"])
    )
    assert bridge.forge.pull_request(pull.number).state is PullRequestState.OPEN


def test_a_limit_lets_the_oldest_wish_go_first(bridge: Bridge) -> None:
    rules = "stages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}\nlimits: {open: 1}\n"
    bridge.config.commit("main", {".fluxbridge.yaml": rules})
    bridge.wait_for("main to be noticed", lambda: _has_seen_main(bridge))
    bridge.push_image("1.1.0")
    limited = bridge.wait_for("one to wait", lambda: _limited(bridge))
    bridge.settle()
    first = bridge.forge.list_pull_requests(state=PullRequestState.OPEN)
    assert len(first) == 1
    bridge.forge.merge(first[0].number, by="mira")
    assert bridge.wait_for_pull(limited["stage"], "1.1.0")


def _limited(bridge: Bridge) -> Any | None:
    waiting = bridge.items("/promotions", state="waiting")
    return next((one for one in waiting if one["reason"] == "limit: 1 pull requests are open"), None)


def test_the_same_policy_name_in_two_cluster_folders_is_two_policies(bridge: Bridge) -> None:
    older = policy(choice="semver: {range: '<1.2.0'}")
    bridge.config.commit(
        "main",
        {
            "clusters/staging/apps.yaml": kustomization("apps", "apps/staging"),
            "clusters/production/apps.yaml": kustomization("apps", "apps/production"),
            "clusters/staging/policy.yaml": policy(),
            "clusters/production/policy.yaml": older,
            "images/app.yaml": "# moved into the clusters\n",
        },
    )
    bridge.wait_for("main to be noticed", lambda: _has_seen_main(bridge))
    bridge.settle()
    for tag in ("1.1.0", "1.2.0"):
        bridge.report_build(tag, digest=bridge.put_image(tag))
    assert bridge.wait_for_pull("staging", "1.2.0")
    assert bridge.wait_for_pull("production", "1.1.0")
    roots = {one["root"]: one["selected_tag"] for one in bridge.items("/policies")}
    assert roots == {"clusters/staging": "1.2.0", "clusters/production": "1.1.0"}
