"""A small history in the database: a push, a build, a merged promotion that Flux applied, and one that waits."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.images import ImageName
from app.core.ports import PullRequestState
from app.db import applications, builds, catalogue, fields, lanes, policies, promotions, pull_requests
from app.db.applications import NewApplication
from app.db.cluster_states import Place
from app.db.fields import FieldRow
from app.db.policies import PolicyRow
from app.db.promotions import NewPromotion, PromotionState
from app.db.pull_requests import PullRequestRow
from app.services.reading.plans import PlanDescription, PlannedOutcome
from tests.db.facts import record_push

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LANE, POLICY = "fleet:release/2026", "clusters/prod:flux-system/web"
IMAGE = ImageName.parse("registry.acme.example/shop/web")
DIGEST = f"sha256:{'a' * 64}"
COMMIT = "c" * 40


@dataclass(frozen=True, slots=True)
class History:
    """The ids of what was written."""

    build: str
    merged: str
    waiting: str


def write_history(connection: Connection) -> History:
    """Write it: 1.1.0 is in production, built by #7, merged by mia, applied; 1.2.0 waits."""
    lanes.ensure(connection, "fleet", "release/2026", NOW)
    build = _build(connection)
    catalogue.lock(connection, [IMAGE], NOW)
    record_push(connection, IMAGE, "1.1.0", DIGEST, at=NOW, now=NOW, source="registry", delivery_id="d1")
    fields.replace_all(connection, LANE, [field_row("production", "1.1.0"), field_row("staging", "1.1.0")])
    policies.replace_all(connection, LANE, [policy_row("clusters/prod"), policy_row("clusters/dev")])
    merged = _merged(connection, build)
    waiting = promotions.begin(
        connection,
        NewPromotion(
            lane=LANE,
            stage="production",
            policy=POLICY,
            image=str(IMAGE),
            tag="1.2.0",
            digest=None,
            from_tag="1.1.0",
            reason="no build has reported this tag yet",
            origin="fluxbridge",
        ),
        who="fluxbridge",
        at=NOW + 9 * MINUTE,
    )
    return History(build, merged, waiting.id)


def settle_with_plan(connection: Connection) -> PlanDescription:
    """Run the lane once, leaving a plan."""
    claim = lanes.claim_due(connection, owner="w", now=NOW, lease=MINUTE)
    assert claim is not None
    waits = PlannedOutcome(
        stage="production", policy=POLICY, standing="waiting", tag="1.2.0", from_tag="1.1.0", reason="no build"
    )
    plan = PlanDescription(commit=COMMIT, outcomes=[waits])
    lanes.settle(connection, claim, now=NOW, next_look_at=None, last_head=COMMIT, plan=plan.model_dump_json())
    return plan


def field_row(stage: str, tag: str | None, policy: str = POLICY) -> FieldRow:
    """One field of the shop."""
    return FieldRow(
        lane=LANE,
        stage=stage,
        policy=policy,
        image=str(IMAGE),
        file=f"apps/{stage}/web.yaml",
        line=12,
        text=f"{IMAGE}:{tag}",
        tag=tag,
        spec_hash="h",
        commit=COMMIT,
        seen_at=NOW,
    )


def policy_row(root: str, status: str = "selected") -> PolicyRow:
    """The shop's policy below one root."""
    return PolicyRow(
        lane=LANE,
        root=root,
        namespace="flux-system",
        name="web",
        file=f"{root}/policies.yaml",
        image=str(IMAGE),
        repository=str(IMAGE),
        spec='{"policy": {"semver": {"range": "1.x"}}}',
        stages=["production"],
        selected_tag="1.2.0",
        status=status,
        reason="production: waiting, no build has reported this tag yet",
    )


def _build(connection: Connection) -> str:
    told = BuildFinished(
        controller="main",
        job="acme/shop/main",
        number=7,
        result=BuildResult.SUCCESS,
        url="https://ci.acme.example/job/acme/job/shop/job/main/7/",
        started_at=NOW - 5 * MINUTE,
        finished_at=NOW,
        commit=COMMIT,
        branch="main",
        parameters={"ENV": "ci"},
        artifacts=(Artifact("image", IMAGE, "1.1.0", DIGEST),),
    )
    builds.record(connection, told, is_ours=False, source="ci", delivery_id="d2", now=NOW)
    return builds.page(connection, limit=1).items[0].id


def _merged(connection: Connection, build: str) -> str:
    begun = promotions.begin(
        connection,
        NewPromotion(
            lane=LANE,
            stage="production",
            policy=POLICY,
            image=str(IMAGE),
            tag="1.1.0",
            digest=DIGEST,
            from_tag="1.0.0",
            reason="build acme/shop/main #7 ended SUCCESS",
            origin="fluxbridge",
            build_id=build,
        ),
        who="fluxbridge",
        at=NOW,
    )
    pull_requests.upsert(connection, _pull_request())
    promotions.move(
        connection,
        begun.id,
        PromotionState.MERGED,
        reason="pull request 4 was merged by mia",
        who="mia",
        at=NOW + MINUTE,
        learned={"merged_by": "mia", "merged_at": NOW + MINUTE, "merge_commit": COMMIT, "pull_request": 4},
    )
    for state, minutes in (("failed", 2), ("applied", 3)):
        applications.record(
            connection,
            NewApplication(
                place=Place(LANE, "production", POLICY, "prod-eu", "flux-system/apps"),
                promotion_id=begun.id,
                state=state,
                revision=f"main@sha1:{COMMIT}",
                commit=COMMIT,
                message="",
                at=NOW + minutes * MINUTE,
            ),
            recorded_at=NOW + minutes * MINUTE,
        )
    return begun.id


def _pull_request() -> PullRequestRow:
    return PullRequestRow(
        lane=LANE,
        number=4,
        branch="fluxbridge/release-2026/production/web",
        stage="production",
        group=POLICY,
        url="https://github.com/acme/fleet/pull/4",
        title="production: web 1.1.0",
        state=PullRequestState.MERGED,
        head_sha="d" * 40,
        tags={POLICY: "1.1.0"},
        opened_at=NOW,
    )
