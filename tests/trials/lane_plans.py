"""One lane with one app, and what its runs and explanations say."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from app.core.images import ImageName
from app.db import catalogue, lanes
from app.db.database import Database
from app.services.catalogue.keep_selections import keep_selections
from app.services.reading.plans import PlanDescription, PlannedOutcome
from app.services.reading.policy_explained import PolicyExplanation, Question, explain_policy
from tests.db.facts import record_listing
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import LANE, NOW, Lane

APP = "images/app.yaml"
STAGING = "apps/staging/app.yaml"


def one_app(folder: Path, database: Database) -> Lane:
    """One app at 1.0.0, whose repository was listed with it."""
    return Lane.create(folder, database, {APP: policy(), STAGING: deployment("1.0.0")})


def listed(lane: Lane, image: ImageName, *tags: str) -> None:
    """A repository was listed in full."""
    with lane.database.transaction() as connection:
        catalogue.lock(connection, [image], NOW)
        record_listing(connection, image, tags, NOW - timedelta(days=1))
        keep_selections(connection, lane.ready, image, tags)


def planned(lane: Lane, files: Mapping[str, str] | None = None) -> PlanDescription:
    """What the lane's run says of these files."""
    if files:
        lane.config.commit("main", files)
    lane.run()
    return PlanDescription.model_validate_json(plan_text(lane))


def plan_text(lane: Lane) -> str:
    """What the lane's last run wrote down."""
    with lane.database.transaction() as connection:
        row = lanes.find(connection, LANE)
    assert row is not None
    assert row.plan is not None
    assert row.last_error is None
    return row.plan


def outcome(found: PlanDescription, stage: str = "all") -> PlannedOutcome:
    """The last word on a stage."""
    return [one for one in found.outcomes if one.stage == stage][-1]


def explained(lane: Lane) -> PolicyExplanation:
    """Why the app has its tag."""
    question = Question(namespace="flux-system", name="app")
    return explain_policy(lane.database, lane.systems, question, scans=lane.scans, now=lane.now)
