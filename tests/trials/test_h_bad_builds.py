"""What runs an image whose build ended badly is marked wherever a stage is shown, whatever let it in."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.images import ImageName
from app.core.promotion.explained_stage import explain_stage
from app.core.promotion.explained_tag import explain_tag
from app.core.promotion.tags import BuildReport, TagState, bad_build
from app.core.promotion.walk import Entry
from app.db import builds, fields
from app.db.database import Database
from app.services.reading.stages import StageFilters, StageView, list_stages
from app.services.systems import Systems
from tests.core.promotion.lanes import NOW as CORE_NOW
from tests.core.promotion.lanes import app_lane, report, tag_state
from tests.db.facts import record_push
from tests.services.history import DIGEST, LANE, MINUTE, NOW, field_row, write_history

IMAGE = ImageName.parse("registry.acme.example/shop/web")
OTHER = f"sha256:{'b' * 64}"
FAILED = "build acme/shop/main #8 ended FAILURE"


def fail(database: Database, *, digest: str) -> None:
    """Build 8 named 1.1.0 and failed."""
    told = BuildFinished(
        controller="main",
        job="acme/shop/main",
        number=8,
        result=BuildResult.FAILURE,
        artifacts=(Artifact("image", IMAGE, "1.1.0", digest),),
    )
    with database.transaction() as connection:
        builds.record(connection, told, is_ours=False, source="ci", delivery_id=None, now=NOW + 4 * MINUTE)


def staging(database: Database) -> StageView:
    """What staging has."""
    with database.transaction() as connection:
        [one] = list_stages(connection, Systems(), StageFilters(stage="staging"), now=NOW + 9 * MINUTE).items
    return one


@pytest.fixture
def written(database: Database) -> Database:
    """A stage with 1.1.0, of which nobody saw how it came there."""
    with database.transaction() as connection:
        write_history(connection)
    return database


def test_a_build_that_failed_is_named_and_marked(written: Database) -> None:
    fail(written, digest=DIGEST)
    one = staging(written)
    assert (one.doubtful, one.build and one.build.result) == (FAILED, "FAILURE")


def test_a_pinned_digest_is_marked_by_its_own_build_although_its_tag_is_another_by_now(written: Database) -> None:
    fail(written, digest=OTHER)
    pinned = field_row("staging", "1.1.0")
    with written.transaction() as connection:
        fields.replace_all(connection, LANE, [replace(pinned, text=f"{pinned.text}@{OTHER}")])
    one = staging(written)
    assert (one.digest, one.doubtful) == (OTHER, FAILED)


def test_a_digest_that_the_tag_had_before_marks_nothing(written: Database) -> None:
    fail(written, digest=OTHER)
    assert staging(written).doubtful is None


def test_of_an_image_that_only_change_requests_built_the_build_is_named_and_marked(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        record_push(connection, IMAGE, "pr-1", OTHER, at=NOW, now=NOW, source="registry", delivery_id=None)
        told = BuildFinished(
            controller="main",
            job="acme/shop/PR-1",
            number=8,
            result=BuildResult.UNSTABLE,
            change_id="1",
            artifacts=(Artifact("image", IMAGE, "pr-1", OTHER),),
        )
        builds.record(connection, told, is_ours=False, source="ci", delivery_id=None, now=NOW)
        fields.replace_all(connection, LANE, [field_row("staging", "pr-1")])
    assert staging(database).doubtful == "build acme/shop/PR-1 #8 ended UNSTABLE"


def _silent(result: BuildResult, tag: str = "1.1.0") -> BuildReport:
    return replace(report(tag, result), digest=None)


@pytest.mark.parametrize(
    ("tag", "doubt"),
    [
        pytest.param(tag_state("1.1.0"), None, id="no build"),
        pytest.param(tag_state("1.1.0", report("1.1.0")), None, id="success"),
        pytest.param(
            tag_state("1.1.0", report("1.1.0", BuildResult.ABORTED)),
            "build team/app/main #1 ended ABORTED",
            id="aborted",
        ),
        pytest.param(
            tag_state("1.1.0", _silent(BuildResult.FAILURE)),
            "build team/app/main #1 ended FAILURE",
            id="no digest told",
        ),
        pytest.param(
            tag_state("1.1.0", _silent(BuildResult.FAILURE), report("1.1.0", number=2)), None, id="built again"
        ),
        pytest.param(tag_state("1.1.0", report("1.1.0", BuildResult.FAILURE, is_barred=True)), None, id="ours"),
    ],
)
def test_what_speaks_against_a_tag_in_git_is_how_its_build_ended(tag: TagState, doubt: str | None) -> None:
    assert bad_build(tag) == doubt


def test_explain_and_plan_say_so_of_what_a_stage_has() -> None:
    lane = app_lane(tag_state("1.1.0", report("1.1.0", BuildResult.FAILURE)), staging="1.1.0")
    state = lane.state()
    [policy] = state.policies
    entry = Entry(stage=state.rules.stages[0], holds=(), now=CORE_NOW, build_within=timedelta(hours=1))
    there = [one for one in policy.fields if one.stage == "staging"]
    failed = "build team/app/main #1 ended FAILURE"
    assert explain_stage(policy, there, entry).doubtful == failed
    answer = explain_tag(policy, there, entry, "1.1.0")
    assert (answer.place, answer.reason, answer.doubtful) == ("there", "the base branch has it", failed)
    said = {one.stage: one.reason for one in lane.plan().outcomes if one.standing == "current"}
    assert said["staging"] == f"the stage has it; {failed}"


def test_what_is_known_of_the_tags_of_an_image_is_read_once_for_all_its_places(written: Database) -> None:
    asked: list[int] = []
    for count in (1, 20):
        with written.transaction() as connection:
            rows = [field_row("staging", "1.1.0", f"flux-system/app-{number}") for number in range(count)]
            fields.replace_all(connection, LANE, rows)
            seen: list[str] = []
            event.listen(connection, "before_cursor_execute", lambda *told, seen=seen: seen.append(told[2]))
            list_stages(connection, Systems(), StageFilters(), now=NOW)
        asked.append(sum("FROM tags" in one or "artifacts" in one for one in seen))
    assert asked[0] == asked[1]
    assert asked[0] > 0
