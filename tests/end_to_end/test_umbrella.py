"""An umbrella chart goes the whole way between two Jenkins controllers, the second of which deploys in Flux's place."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.ports import PullRequestState
from tests.end_to_end.databases import both_databases
from tests.end_to_end.umbrella import HELM_2, HELM_3, UmbrellaWorld, umbrella_world

pytestmark = both_databases


@pytest.fixture(
    params=[
        pytest.param((HELM_3, True), id="Chart.yaml-signed"),
        pytest.param((HELM_2, False), id="requirements.yaml-hinted"),
    ]
)
def world(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Iterator[UmbrellaWorld]:
    """Both ways to write an umbrella's dependencies, and both ways in which Jenkins may tell of its builds."""
    umbrella, is_signed = request.param
    with umbrella_world(tmp_path, database_url, umbrella, is_signed=is_signed) as running:
        yield running


def test_image_and_chart_go_together_from_a_build_to_the_cluster_and_back(world: UmbrellaWorld) -> None:
    bridge, umbrella = world.bridge, world.umbrella
    before = bridge.config.head("main")
    assert before is not None

    world.build("1.5.0", number=1)
    pull = world.wait_for_pull()
    after = umbrella.files("after")
    assert {path: bridge.text(path, pull.head) for path in after} == after
    merged = world.merge(pull)
    assert len(bridge.forge.list_pull_requests()) == 1
    assert {path: bridge.text(path) for path in after} == after
    world.wait_for_stages("1.5.0", "waiting", None)

    world.deploy(11, merged, "FAILURE")
    world.wait_for_stages("1.5.0", "failed", None)
    world.deploy(12, merged)
    world.wait_for_stages("1.5.0", "applied", "1.5.0")
    page = f"{world.deployer.url}/job/deploy/job/prod/11/"
    assert world.told_in_clusters() == [
        f"failed in prod-eu: main@sha1:{merged}: FAILURE: build deploy/prod #11, {page}",
        f"applied in prod-eu: main@sha1:{merged}: build deploy/prod #12",
    ]

    world.deploy(13, before)
    # No promotion brought 1.4.2, which is what the cluster has again.
    world.wait_for_stages("1.5.0", "replaced", None)
    reverted = bridge.config.commit("main", umbrella.files("before"), message="Back to 1.4.2")
    for policy in ("flux-system/web", "flux-system/web-chart"):
        world.wait_for_state(policy, "1.5.0", "reverted")
    world.deploy(14, reverted)
    world.wait_for_stages("1.4.2", "applied", "1.4.2")
    [place] = [one["applied"] for one in bridge.items("/stages") if one["policy"] == "flux-system/web"]
    assert place[0]["by"] == "build deploy/prod #14"
    assert not bridge.forge.list_pull_requests(state=PullRequestState.OPEN), "what a person took back stays out"


def test_builds_of_the_deployer_make_no_image_and_keep_none_out(world: UmbrellaWorld) -> None:
    head = world.bridge.config.head("main") or ""
    world.deploy(10, head, "FAILURE")
    world.build("1.5.0", number=1)
    world.merge(world.wait_for_pull())
    builds = {one["job"]: one["id"] for one in world.bridge.items("/builds")}
    assert world.bridge.get(f"/builds/{builds['deploy/prod']}")["artifacts"] == []
