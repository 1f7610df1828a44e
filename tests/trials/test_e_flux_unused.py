"""Events of Flux that count for nothing say why, and count once there is a reason for it."""

from pathlib import Path
from typing import Any

import pytest

from app.db.database import Database
from app.db.deliveries import DeliveryState
from tests.end_to_end.bridge import kustomization
from tests.trials.fleets import Fleet, cluster_source


@pytest.fixture
def shop(tmp_path: Path, database: Database) -> Fleet:
    """1.0.0 is in both stages; nothing was promoted yet."""
    return Fleet.create(tmp_path, database)


@pytest.fixture
def merged(shop: Fleet) -> str:
    """The commit that brought 1.1.0 into both stages."""
    return shop.promote("1.1.0")


NEXT = kustomization("apps", "apps/staging")
UNUSED: list[Any] = [
    pytest.param(
        {"name": "by-hand"},
        {},
        "no file of the repository declares Kustomization flux-system/by-hand",
        id="only the cluster has it",
    ),
    pytest.param(
        {"cluster": "lab"},
        {},
        "the source's root 'clusters/lab' reaches no Kustomization; clusters/production/apps.yaml declares "
        "Kustomization flux-system/apps",
        id="a root that reaches nothing",
    ),
    pytest.param(
        {"name": "tools"},
        {"clusters/production/tools.yaml": kustomization("tools", "tools")},
        "the source's root 'clusters/staging' does not reach clusters/production/tools.yaml, which declares "
        "Kustomization flux-system/tools",
        id="another cluster's",
    ),
    pytest.param(
        {},
        {"clusters/staging/twice.yaml": NEXT},
        "clusters/staging/apps.yaml, clusters/staging/twice.yaml declare Kustomization flux-system/apps: "
        "no single one can be followed",
        id="declared twice",
    ),
    pytest.param(
        {"kind": "HelmRelease", "reason": "UpgradeSucceeded", "revision": "1.4.2+cc57fc1903e4"},
        {},
        "a HelmRelease names no commit: let the Kustomization that has it wait for it, and follow that",
        id="a HelmRelease",
    ),
]


@pytest.mark.parametrize(("event", "files", "why"), UNUSED)
def test_an_event_that_counts_for_nothing_says_why(
    shop: Fleet, event: dict[str, Any], files: dict[str, str], why: str
) -> None:
    shop.add_source(cluster_source("lab"))
    commit = shop.lane.config.commit("main", {"tools/a.yaml": "{}", **files})
    told: dict[str, Any] = {"commit": commit, "cluster": "staging", **event}
    ended = shop.tell(**told)
    assert (ended.state, ended.outcome) == (DeliveryState.DONE, f"ignored: {why}")
    shop.later(10)
    again = shop.tell(**told)
    assert again.outcome is not None
    assert f"ignored: {why}" in again.outcome
    assert [(one.cluster, one.why, one.count) for one in shop.status().unused] == [(told["cluster"], why, 1)]


def test_a_revision_of_no_lane_says_so_and_counts_once_it_is_on_the_base_branch(shop: Fleet) -> None:
    side = shop.lane.config.commit("side", {"README.md": "ahead"})
    ended = shop.tell(commit=side, revision=f"side@sha1:{side}")
    assert ended.outcome == f"ignored: no lane of fleet is of side, and commit {side[:12]} is not on main"
    shop.lane.config.git("update-ref", "refs/heads/main", side)
    shop.lane.run()
    assert shop.status().unused == []
    assert "ignored" not in (shop.delivery(ended.id).outcome or "ignored")


def test_a_source_without_a_config_repository_says_so(shop: Fleet) -> None:
    shop.add_source(cluster_source("lab", config_repo=None))
    ended = shop.tell("lab", commit=shop.head)
    assert "ignored: source lab names no config repository of this server" in (ended.outcome or "")


def test_what_counts_again_is_not_told_as_unused_any_more(shop: Fleet, merged: str) -> None:
    shop.tell(commit=merged, name="late")
    declared = shop.lane.config.commit("main", {"clusters/staging/late.yaml": kustomization("late", "apps/staging")})
    shop.later(1)
    ended = shop.tell(commit=declared, name="late")
    assert shop.status().unused == []
    assert ended.outcome == "facts: RevisionApplied. lanes: fleet:main"
    assert [one.kustomization for one in shop.lines()] == ["flux-system/late"]
