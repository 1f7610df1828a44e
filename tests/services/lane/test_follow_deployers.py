"""What a deployer built is applied by content, as what Flux applied: the fields below its root, at the built commit."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.facts import DEPLOYER, RevisionApplied
from app.db import applications, revisions
from app.db.database import Database
from app.db.promotions import PromotionRow
from app.senders.sender import Keys, Origin
from app.services.lane.reconcile import reconcile
from app.services.reading.cluster_states import ClusterStateReader, ClusterStateView
from app.services.systems import Source
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import LANE, NOW, Lane

RULES = """\
stages: {staging: {paths: [deploy/staging]}, production: {paths: [deploy/production]}}
"""
MINUTE = timedelta(minutes=1)
FILES = {
    ".fluxbridge.yaml": RULES,
    "images/app.yaml": policy(),
    "deploy/staging/app.yaml": deployment("1.0.0"),
    "deploy/production/app.yaml": deployment("1.0.0"),
}
PLACE = "deployer deploy"


@dataclass
class Shop:
    """A fleet without Flux, whose production a Jenkins deploys; 1.1.0 was merged into both stages."""

    lane: Lane
    before: str
    merged: str = ""
    branch: str | None = None

    def run(self) -> None:
        """Run the lane as it is composed with a deployer."""
        claimed = self.lane.claim()
        source = Source(
            name="deploy",
            kind="jenkins",
            origin=Origin("deploy", jenkins="config-ci", cluster="prod-eu"),
            keys=Keys,
            jobs=("deploy/prod",),
            config_repo="fleet",
            root="deploy/production",
            branch=self.branch,
        )
        reconcile(replace(claimed, systems=replace(claimed.systems, sources={"deploy": source})))

    def tell(self, number: int, commit: str, *, at: int, result: str = "SUCCESS", branch: str | None = "main") -> None:
        """A build of the deployer ended, `at` minutes after noon; the lane runs."""
        revision = f"sha1:{commit}"
        applied = RevisionApplied(
            cluster="prod-eu",
            kind=DEPLOYER,
            namespace="",
            name="deploy",
            revision=f"{branch}@{revision}" if branch else revision,
            commit=commit,
            branch=branch,
            is_failure=result != "SUCCESS",
            reason=result,
            message=f"build deploy/prod #{number}",
            at=NOW + at * MINUTE,
        )
        with self.lane.database.transaction() as connection:
            receipt = NOW + timedelta(hours=1)
            revisions.note(connection, applied, repo="fleet", root="deploy/production", received_at=receipt)
        self.run()

    def promotion(self, stage: str = "production", tag: str = "1.1.0") -> PromotionRow:
        """The newest promotion of a tag in a stage."""
        return next(one for one in self.lane.promotions() if (one.stage, one.tag) == (stage, tag))

    def lines(self, stage: str = "production", tag: str = "1.1.0") -> list[tuple[str, str, str, str]]:
        """What is known of a promotion, in order: cluster, deployer, state, words."""
        promotion = self.promotion(stage, tag)
        with self.lane.database.transaction() as connection:
            rows = applications.of_promotion(connection, promotion.id)
        return [(row.cluster, row.kustomization, row.state, row.message) for row in rows]

    def state(self, stage: str = "production", *, later: timedelta = MINUTE) -> list[ClusterStateView]:
        """How the clusters of a stage are shown, so long after noon."""
        came = self.promotion(stage)
        with self.lane.database.transaction() as connection:
            reader = ClusterStateReader(connection, NOW + later, timedelta(minutes=15))
            return reader.of_stage(LANE, stage=stage, policy=came.policy, came=came)


@pytest.fixture
def shop(tmp_path: Path, database: Database) -> Shop:
    lane = Lane.create(tmp_path, database, FILES)
    shop = Shop(lane, before=lane.config.head("main") or "")
    lane.push("1.1.0")
    shop.run()
    for pull in lane.open_pulls():
        lane.forge.merge(pull.number, by="mira")  # type: ignore[attr-defined]
    shop.run()
    shop.merged = lane.config.head("main") or ""
    return shop


def test_a_stage_waits_for_the_deployer_whose_root_reaches_its_fields(shop: Shop) -> None:
    assert [(one.cluster, one.kustomization, one.state) for one in shop.state()] == [("prod-eu", PLACE, "waiting")]
    assert shop.state("staging") == []


def test_a_stage_does_not_wait_for_a_deployer_of_another_branch(shop: Shop) -> None:
    shop.branch = "next"
    shop.run()
    assert shop.state() == []


def test_a_deployer_that_never_tells_is_overdue(shop: Shop) -> None:
    [told] = shop.state(later=timedelta(hours=1))
    assert (told.state, told.message) == ("overdue", "no build of deployer deploy ever told of it")


def test_a_deployer_that_is_silent_since_is_overdue_with_what_it_built_last(shop: Shop) -> None:
    shop.tell(11, shop.before, at=-1)
    [told] = shop.state(later=timedelta(hours=1))
    assert told.state == "overdue"
    assert "the last was SUCCESS of main@sha1:" in told.message


def test_a_build_of_the_merge_applies_it_where_the_root_reaches(shop: Shop) -> None:
    shop.tell(12, shop.merged, at=1)
    assert shop.lines() == [("prod-eu", PLACE, "applied", "build deploy/prod #12")]
    assert shop.lines("staging") == []
    [told] = shop.state()
    assert (told.state, told.runs, told.by) == ("applied", "1.1.0", "build deploy/prod #12")


def test_a_later_commit_that_still_has_the_text_applies_it_and_one_that_has_not_does_not(shop: Shop) -> None:
    later = shop.lane.config.commit("main", {"README.md": "more"})
    shop.tell(12, later, at=1)
    assert [state for _, _, state, _ in shop.lines()] == ["applied"]
    other = shop.lane.config.commit("main", {"deploy/production/app.yaml": deployment("1.2.0")})
    shop.tell(13, other, at=2)
    assert len(shop.lines()) == 1
    assert [one.runs for one in shop.state()] == ["1.2.0"]


def test_a_build_of_a_commit_that_is_not_on_the_base_applies_nothing(shop: Shop) -> None:
    side = shop.lane.config.commit("side", {"deploy/production/app.yaml": deployment("1.1.0")})
    shop.tell(12, side, at=1, branch=None)
    assert shop.lines() == []
    with shop.lane.database.transaction() as connection:
        [row] = revisions.of_cluster(connection, "prod-eu")
    assert (row.unused or "").startswith(f"commit {side[:12]} is not on main of fleet")


def test_a_failed_deployment_and_the_one_that_mends_it_are_both_told(shop: Shop) -> None:
    shop.tell(12, shop.merged, at=1, result="FAILURE")
    shop.tell(13, shop.merged, at=2)
    assert shop.lines() == [
        ("prod-eu", PLACE, "failed", "FAILURE: build deploy/prod #12"),
        ("prod-eu", PLACE, "applied", "build deploy/prod #13"),
    ]


def test_an_unstable_deployment_is_there_and_not_healthy(shop: Shop) -> None:
    shop.tell(12, shop.merged, at=1, result="UNSTABLE")
    [told] = shop.state()
    assert (told.state, told.runs, told.message) == ("not healthy", "1.1.0", "UNSTABLE: build deploy/prod #12")


def test_a_redeployment_of_an_older_commit_leaves_what_was_applied(shop: Shop) -> None:
    shop.tell(12, shop.merged, at=1)
    shop.tell(13, shop.before, at=2)
    assert [(state, words) for _, _, state, words in shop.lines()][1:] == [
        ("replaced", "1.0.0 took its place, which no promotion brought")
    ]
    assert [(one.state, one.runs) for one in shop.state()] == [("replaced", None)]


def test_a_neighbour_that_decides_in_the_fields_place_is_overridden_here_too(shop: Shop) -> None:
    pinned = f'image:\n  tag: 1.1.0 # {{"$imagepolicy": "flux-system:app:tag"}}\n  digest: sha256:{"9" * 64}\n'
    both = shop.lane.config.commit("main", {"deploy/production/values.yaml": pinned})
    shop.run()
    shop.tell(12, both, at=1)
    assert [state for _, _, state, _ in shop.lines()] == ["overridden"]
