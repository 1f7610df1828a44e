"""What Flux applied is decided by content: the files that its Kustomization reaches, at the revision that it names."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.facts import RevisionApplied
from app.db import applications, lanes, revisions
from app.db.database import Database
from app.db.promotions import PromotionRow, PromotionState
from app.services.lane.follow_flux import follow_flux
from app.services.lane.reconcile import reconcile
from app.services.lane.run import LostLane
from tests.end_to_end.bridge import deployment, fleet, kustomization
from tests.services.histories import Histories
from tests.services.lanes import LEASE, NOW, Lane

RULES = "stages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}\n"
MINUTE = timedelta(minutes=1)
_RECEIPT = timedelta(hours=1)
Told = tuple[str, str, str, str]


@dataclass
class Shop:
    """A fleet of two clusters, into both of which 1.1.0 was merged."""

    lane: Lane
    before: str
    merged: str

    def moved(self, folder: Path, database: Database) -> "Shop":
        """The same on copies; see histories.py."""
        return replace(self, lane=self.lane.moved(folder, database))

    def promotion(self, stage: str, tag: str = "1.1.0") -> PromotionRow:
        """The newest promotion of a tag in a stage."""
        return next(one for one in self.lane.promotions() if (one.stage, one.tag) == (stage, tag))

    def tell(self, commit: str | None, *, at: int = 0, cluster: str = "staging", **changes: Any) -> None:
        """Flux tells of a revision, `at` minutes after noon; the lane runs."""
        self.note(commit, at=at, cluster=cluster, **changes)
        self.lane.run()

    def note(
        self,
        commit: str | None,
        *,
        at: int = 0,
        cluster: str = "staging",
        root: str = "",
        repo: str = "fleet",
        **changes: Any,
    ) -> None:
        """Flux tells of a revision; the source's root is the cluster's own unless another is given."""
        told: dict[str, Any] = {
            "kind": "Kustomization",
            "namespace": "flux-system",
            "name": "apps",
            "revision": f"main@sha1:{commit}",
            "is_failure": False,
            "reason": "ReconciliationSucceeded",
            "message": "",
            **changes,
        }
        applied = RevisionApplied(cluster=cluster, commit=commit, at=NOW + at * MINUTE, **told)
        with self.lane.database.transaction() as connection:
            root = root or f"clusters/{cluster}"
            revisions.note(connection, applied, repo=repo, root=root, received_at=NOW + _RECEIPT)

    def applied(self, stage: str = "staging", tag: str = "1.1.0") -> list[Told]:
        """What is known of a promotion, in order: cluster, Kustomization, state, commit."""
        promotion = self.promotion(stage, tag)
        with self.lane.database.transaction() as connection:
            rows = applications.of_promotion(connection, promotion.id)
        return [(row.cluster, row.kustomization, row.state, row.commit) for row in rows]

    def promote(self, tag: str) -> str:
        """Push a tag and merge what is proposed of it; returns the base head."""
        self.lane.push(tag)
        self.lane.run()
        return self.lane.merge_open()

    def waiting(self) -> list[str]:
        """The revisions whose content was not compared yet."""
        with self.lane.database.transaction() as connection:
            return [row.revision for row in revisions.unexamined(connection, "fleet")]


def _shop(folder: Path, database: Database) -> Shop:
    lane = Lane.create(folder, database, {**fleet(), ".fluxbridge.yaml": RULES})
    shop = Shop(lane, before=lane.config.head("main") or "", merged="")
    shop.merged = shop.promote("1.1.0")
    assert {shop.promotion(stage).state for stage in ("staging", "production")} == {PromotionState.MERGED}
    return shop


@pytest.fixture
def shop(histories: Histories, tmp_path: Path, database: Database) -> Shop:
    return histories.begin(_shop, tmp_path, database)


def test_a_revision_that_holds_the_promotion_applies_it_in_its_cluster_only(shop: Shop) -> None:
    shop.tell(shop.merged)
    assert shop.applied("staging") == [("staging", "flux-system/apps", "applied", shop.merged)]
    assert shop.applied("production") == []


def test_a_revision_from_before_the_merge_applies_nothing(shop: Shop) -> None:
    shop.tell(shop.before)
    assert shop.applied() == []
    assert shop.waiting() == []


def test_a_later_revision_that_still_holds_the_text_applies_it(shop: Shop) -> None:
    later = shop.lane.config.commit("main", {"README.md": "more"})
    shop.tell(later)
    assert shop.applied() == [("staging", "flux-system/apps", "applied", later)]


def test_a_revision_with_another_text_does_not_apply_it(shop: Shop) -> None:
    by_hand = shop.lane.config.commit("main", {"apps/staging/app.yaml": deployment("1.0.0")})
    shop.tell(by_hand)
    assert shop.applied() == []


def test_a_promotion_counts_only_where_all_of_its_fields_have_its_text(shop: Shop) -> None:
    half = shop.lane.config.commit("main", {"apps/staging/second.yaml": deployment("1.0.0")})
    whole = shop.lane.config.commit("main", {"apps/staging/second.yaml": deployment("1.1.0")})
    shop.tell(half)
    assert shop.applied() == []
    shop.tell(whole, at=1)
    assert shop.applied() == [("staging", "flux-system/apps", "applied", whole)]


def test_a_failure_and_what_came_after_it_are_both_told(shop: Shop) -> None:
    shop.tell(shop.merged, is_failure=True, reason="ReconciliationFailed", message="dry-run failed")
    shop.tell(shop.merged, at=1)
    assert [state for _, _, state, _ in shop.applied()] == ["failed", "applied"]


def test_a_repeat_adds_nothing(shop: Shop) -> None:
    for minutes in range(3):
        shop.tell(shop.merged, at=minutes)
    assert len(shop.applied()) == 1


def test_an_older_event_that_arrives_late_never_wins(shop: Shop) -> None:
    later = shop.lane.config.commit("main", {"README.md": "more"})
    shop.tell(later, at=10)
    shop.tell(shop.merged, at=5, is_failure=True)
    assert shop.applied() == [("staging", "flux-system/apps", "applied", later)]


def test_an_older_event_that_arrives_before_the_lane_runs_never_wins_either(shop: Shop) -> None:
    shop.note(shop.merged, at=10)
    shop.note(shop.before, at=5)
    shop.lane.run()
    assert shop.applied() == [("staging", "flux-system/apps", "applied", shop.merged)]


def test_a_return_to_an_earlier_tag_is_a_line_of_its_own(shop: Shop) -> None:
    newer = shop.promote("1.2.0")
    for minutes, commit in enumerate((shop.merged, newer, shop.merged)):
        shop.tell(commit, at=minutes)
    assert [commit for _, _, _, commit in shop.applied()] == [shop.merged, shop.merged]
    assert [commit for _, _, _, commit in shop.applied(tag="1.2.0")] == [newer]


@pytest.mark.parametrize("branch", ["side", "fluxbridge/main/all/side"], ids=["unknown here", "fetched as ours"])
def test_a_commit_that_is_not_on_the_base_branch_is_looked_at_again_once_it_is(shop: Shop, branch: str) -> None:
    side = shop.lane.config.commit(branch, {"README.md": "ahead"})
    shop.tell(side)
    assert (shop.applied(), shop.waiting()) == ([], [f"main@sha1:{side}"])
    shop.lane.config.git("update-ref", "refs/heads/main", side)
    shop.lane.run()
    assert shop.applied() == [("staging", "flux-system/apps", "applied", side)]
    assert shop.waiting() == []


ASIDE: list[Any] = [
    pytest.param({"name": "images"}, id="a Kustomization that does not reach the file"),
    pytest.param({"name": "unknown"}, id="a Kustomization that Git does not have"),
    pytest.param({"namespace": "team"}, id="a Kustomization of another namespace"),
    pytest.param({"cluster": "nowhere"}, id="a cluster whose root Git does not have"),
    pytest.param({"kind": "HelmRelease"}, id="a HelmRelease of the same name"),
]


@pytest.mark.parametrize("changes", ASIDE)
def test_what_does_not_reach_the_files_applies_nothing(shop: Shop, changes: dict[str, Any]) -> None:
    shop.tell(shop.merged, **changes)
    assert (shop.applied("staging"), shop.applied("production")) == ([], [])
    assert shop.waiting() == []


def test_a_revision_that_names_no_commit_applies_nothing_and_is_not_looked_at_again(shop: Shop) -> None:
    shop.tell(None, revision="6.1.0+abcdef")
    assert (shop.applied(), shop.waiting()) == ([], [])


def test_two_clusters_of_one_root_are_told_apart(shop: Shop) -> None:
    shop.tell(shop.merged)
    shop.tell(shop.merged, cluster="staging-2", root="clusters/staging")
    assert [cluster for cluster, *_ in shop.applied()] == ["staging", "staging-2"]


def test_the_newer_promotion_is_what_a_newer_revision_applies(shop: Shop) -> None:
    shop.tell(shop.merged)
    newest = shop.promote("1.2.0")
    shop.tell(newest, at=5)
    assert [commit for *_, commit in shop.applied(tag="1.1.0")] == [shop.merged]
    assert [commit for *_, commit in shop.applied(tag="1.2.0")] == [newest]


def test_the_kustomization_is_read_at_the_revision_that_was_applied(shop: Shop) -> None:
    renamed = kustomization("renamed", "apps/staging") + "---\n" + kustomization("images", "images")
    moved = shop.lane.config.commit("main", {"clusters/staging/apps.yaml": renamed})
    shop.tell(shop.merged)
    shop.tell(moved, at=1, name="renamed")
    assert [(name, commit) for _, name, _, commit in shop.applied()] == [
        ("flux-system/apps", shop.merged),
        ("flux-system/renamed", moved),
    ]


def test_another_repository_of_the_same_server_is_left_alone(shop: Shop) -> None:
    shop.tell(shop.merged, repo="other")
    assert shop.applied() == []


def test_a_commit_without_a_branch_is_on_none_of_the_base_branches(shop: Shop) -> None:
    side = shop.lane.config.commit("side", {"README.md": "ahead"})
    shop.note(side, revision=f"HEAD/{side}")
    run = shop.lane.claim()
    reconcile(replace(run, repo=replace(run.repo, branches=("main", "release"))))
    with shop.lane.database.transaction() as connection:
        [told] = [row.unused for row in revisions.unused(connection)]
    assert told == f"commit {side[:12]} is not on main or release of fleet; it is looked at again once it is"


def test_a_run_that_lost_its_lane_writes_nothing(shop: Shop) -> None:
    shop.note(shop.merged)
    late = shop.lane.claim("late")
    with shop.lane.database.transaction() as connection:
        lanes.release_all(connection)
        assert lanes.claim_due(connection, owner="quick", now=NOW + 120 * MINUTE, lease=LEASE)
    late.repo.repository.fetch()
    with pytest.raises(LostLane):
        follow_flux(late, shop.merged)
    assert (shop.applied(), shop.waiting()) == ([], [f"main@sha1:{shop.merged}"])
