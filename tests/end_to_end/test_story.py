"""The whole way: a push and a build become merged pull requests that Flux applied."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tests.end_to_end.bridge import Bridge, deployment
from tests.end_to_end.databases import both_databases

pytestmark = both_databases


def test_a_push_and_a_build_become_merged_pull_requests_that_flux_applied(bridge: Bridge) -> None:
    digest = bridge.push_image("1.1.0")
    staging = bridge.wait_for_pull("staging", "1.1.0")
    assert staging.title == "Promote app 1.0.0 to 1.1.0 in staging"
    assert bridge.text("apps/staging/app.yaml", staging.head) == deployment("1.1.0")
    waiting = bridge.wait_for_state("production", "1.1.0", "waiting")
    assert "no build has reported digest" in waiting["reason"]

    assert bridge.report_build("1.1.0", digest=digest).status_code == 202
    production = bridge.wait_for_pull("production", "1.1.0")
    for stage, pull in (("staging", staging), ("production", production)):
        merged = bridge.forge.merge(pull.number, by="mira")
        promotion = bridge.wait_for_state(stage, "1.1.0", "merged")
        assert (promotion["merged_by"], promotion["merge_commit"]) == ("mira", merged.merge_commit)
        assert bridge.text(f"apps/{stage}/app.yaml") == deployment("1.1.0")
        assert merged.merge_commit is not None
        bridge.apply(stage, merged.merge_commit)
        applied = bridge.wait_for(f"{stage} to be applied", partial(_applications, bridge, promotion["id"]))
        assert [(one["cluster"], one["kustomization"], one["state"]) for one in applied] == [
            (stage, "flux-system/apps", "applied")
        ]
    bridge.settle()
    now = {one["stage"]: one for one in bridge.items("/stages")}
    assert {stage: (one["tag"], one["digest"], one["merged_by"]) for stage, one in now.items()} == {
        "staging": ("1.1.0", digest, "mira"),
        "production": ("1.1.0", digest, "mira"),
    }
    assert now["production"]["build"]["job"] == "team/app/main"
    assert bridge.config.head(staging.head) is None, "branches are deleted after a merge"


def _applications(bridge: Bridge, promotion_id: str) -> list[Any]:
    found: list[Any] = bridge.get(f"/promotions/{promotion_id}")["applications"]
    return found


def test_the_commit_carries_the_trail(bridge: Bridge) -> None:
    digest = bridge.push_image("1.1.0")
    bridge.report_build("1.1.0", digest=digest)
    pull = bridge.wait_for_pull("production", "1.1.0")
    message = bridge.config.git("show", "-s", "--format=%B", pull.head_sha).decode().splitlines()
    promotion = bridge.promotion("production", "1.1.0")
    assert promotion is not None
    assert message[2:6] == [
        f"Fluxbridge-Promotion: {promotion['id']}",
        f"Image: registry.acme.example/team/app:1.1.0@{digest}",
        "Build: build 1 of team/app/main",
        "Policy: images:flux-system/app",
    ]


def test_the_push_after_the_build_comes_to_the_same_end(bridge: Bridge) -> None:
    digest = bridge.put_image("1.1.0")
    bridge.report_build("1.1.0", digest=digest)
    assert bridge.wait_for_pull("production", "1.1.0")
    bridge.push_image("1.1.0")
    bridge.settle()
    assert sorted(one.head.split("/")[2] for one in bridge.forge.list_pull_requests()) == ["production", "staging"]


def test_a_report_counts_as_a_push_where_no_registry_tells(bridge: Bridge) -> None:
    bridge.put_image("1.1.0")
    bridge.report_build("1.1.0")
    assert bridge.wait_for_pull("staging", "1.1.0")


def test_flux_applying_an_older_revision_again_is_a_line_of_history(bridge: Bridge) -> None:
    merges = []
    for tag in ("1.1.0", "1.2.0"):
        bridge.push_image(tag)
        pull = bridge.wait_for_pull("staging", tag)
        merges.append(bridge.forge.merge(pull.number, by="mira").merge_commit or "")
        bridge.wait_for_state("staging", tag, "merged")
    start = datetime.now(UTC)
    for seconds, commit in enumerate(merges):
        bridge.apply("staging", commit, at=start + timedelta(seconds=seconds))
        bridge.settle()
    bridge.apply("staging", merges[0], at=start - timedelta(seconds=9))
    bridge.settle()
    newest = bridge.promotion("staging", "1.2.0")
    assert newest is not None
    assert [one["revision"] for one in bridge.get(f"/promotions/{newest['id']}")["applications"]] == [
        f"main@sha1:{merges[1]}"
    ]
