"""A tag is explained across all policies and stages: who told of it, what was left out, what became of it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.errors import Invalid
from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.images import ImageName
from app.db import builds, deliveries, delivery_claims, owed_answers
from app.db.database import Database
from app.db.deliveries import DeliveryState, NewDelivery
from app.services.reading.tag_explained import TagStory, explain_tag_everywhere
from tests.db.facts import claim_next, owe
from tests.end_to_end.bridge import deployment, fleet, policy
from tests.services.lanes import IMAGE, NOW, Lane, digest


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One image in two stages, and a second policy that takes prereleases too."""
    second = policy("edge", "semver: {range: '>=1.0.0-0'}").replace("team/edge", "team/app")
    files = fleet() | {"images/edge.yaml": second, "apps/staging/edge.yaml": deployment("1.0.0", name="edge")}
    return Lane.create(tmp_path, database, files)


def _asked(lane: Lane, tag: str) -> TagStory:
    return explain_tag_everywhere(lane.database, lane.systems, f"{IMAGE}:{tag}", scans=lane.scans, now=lane.now)


def _places(found: TagStory) -> dict[tuple[str, str], str]:
    return {(one.policy.rpartition("/")[2], stage.stage): stage.place for one in found.policies for stage in one.stages}


def _told_build(lane: Lane, tag: str, *, change_id: str | None = None, delivery: str | None = None) -> None:
    told = BuildFinished(
        controller="main",
        job="team/app/main",
        number=7,
        result=BuildResult.SUCCESS,
        change_id=change_id,
        artifacts=(Artifact("image", IMAGE, tag, digest(tag)),),
    )
    with lane.telling_of(tag) as connection:
        builds.record(connection, told, is_ours=False, source="ci", delivery_id=delivery, now=NOW)


def test_every_policy_and_stage_of_the_image_says_where_the_tag_stands(lane: Lane) -> None:
    lane.push("1.1.0")
    lane.run()
    found = _asked(lane, "1.1.0")
    assert _places(found) == {
        ("app", "staging"): "enters",
        ("app", "production"): "waits",
        ("edge", "staging"): "enters",
    }
    assert [one.source for one in found.told] == ["registry"]
    assert found.digest == digest("1.1.0")
    assert {(one.stage, one.state) for one in found.promotions} == {("staging", "proposed"), ("production", "waiting")}


def test_a_tag_that_one_policy_leaves_out_says_which_and_why(lane: Lane) -> None:
    lane.push("1.1.0-rc.1")
    lane.run()
    by_name = {one.policy.rpartition("/")[2]: one for one in _asked(lane, "1.1.0-rc.1").policies}
    assert "prerelease" in (by_name["app"].kept_out or "")
    assert by_name["edge"].kept_out is None


def test_a_tag_that_only_a_change_request_built_is_named_with_its_build(lane: Lane) -> None:
    lane.push("1.1.0")
    _told_build(lane, "1.1.0", change_id="12", delivery="d7")
    lane.run()
    found = _asked(lane, "1.1.0")
    assert set(_places(found).values()) == {"no candidate"}
    assert all("team/app/main #7" in stage.reason for one in found.policies for stage in one.stages)
    assert ("ci", "d7") in {(one.source, one.delivery) for one in found.told}


def test_a_tag_that_one_stage_takes_by_consent_is_kept_out_of_the_others_alone(lane: Lane) -> None:
    staging = "staging: {paths: [apps/staging], requires: {build: {change_requests: allow}}}"
    rules = f"stages: {{{staging}, production: {{paths: [apps/production]}}}}"
    lane.config.commit("main", {".fluxbridge.yaml": rules})
    lane.push("1.1.0")
    _told_build(lane, "1.1.0", change_id="12")
    lane.run()
    found = _asked(lane, "1.1.0")
    assert _places(found) == {
        ("app", "staging"): "enters",
        ("app", "production"): "no candidate",
        ("edge", "staging"): "enters",
    }
    assert {(one.kept_out, one.selected_tag, one.verdict is not None) for one in found.policies} == {
        (None, "1.1.0", True)
    }


def test_a_tag_that_nobody_told_of_says_so(lane: Lane) -> None:
    lane.run()
    found = _asked(lane, "9.9.9")
    assert found.first_seen_at is None
    assert any(note.startswith("nobody has told of this tag") for note in found.notes)


def test_an_image_that_no_policy_chooses_from_names_the_nearest(lane: Lane) -> None:
    lane.run()
    found = explain_tag_everywhere(
        lane.database, lane.systems, "registry.acme.example/team/ap:1.0.0", scans=lane.scans, now=lane.now
    )
    assert f"no policy chooses from registry.acme.example/team/ap; some do from {IMAGE}" in found.notes


def test_an_image_of_a_registry_that_is_not_configured_says_so(lane: Lane) -> None:
    found = explain_tag_everywhere(lane.database, lane.systems, "quay.io/team/app:1", scans=lane.scans, now=lane.now)
    assert any("no registry is configured for quay.io" in note for note in found.notes)


@pytest.mark.parametrize(
    ("image", "is_named"), [(str(IMAGE), True), (f"{IMAGE}:1.1.0. no facts", True), (f"{IMAGE}-tools:1.1.0", False)]
)
def test_a_delivery_that_was_not_taken_at_its_word_is_named(
    lane: Lane,
    image: str,
    is_named: bool,  # noqa: FBT001 (a column of a table)
) -> None:
    lane.run()
    new = NewDelivery(source="ci", kind="jenkins", external_id="x", headers={}, body=b"{}", received_at=NOW)
    with lane.database.transaction() as connection:
        kept = deliveries.keep(connection, new)
        claim = claim_next(connection, owner="w", now=NOW, lease=timedelta(minutes=1))
        assert claim is not None
        outcome = f"ignored: source ci may not speak for image {image}"
        delivery_claims.finish(connection, claim, state=DeliveryState.DONE, outcome=outcome, now=NOW)
    found = _asked(lane, "1.1.0")
    assert [(one.delivery, one.what) for one in found.left_out] == ([(kept, f"done: {outcome}")] if is_named else [])


def test_an_alias_of_the_registry_is_the_same_image(lane: Lane) -> None:
    lane.push("1.1.0")
    lane.run()
    systems = replace(lane.systems, aliases={"registry.internal": IMAGE.registry})
    asked = f"{ImageName('registry.internal', IMAGE.path)}:1.1.0"
    assert explain_tag_everywhere(lane.database, systems, asked, scans=lane.scans, now=lane.now).image == str(IMAGE)


@pytest.mark.parametrize("text", ["registry.acme.example/team/app", "not an image:1", f"{IMAGE}@{digest('1')}"])
def test_what_names_no_tag_is_refused(lane: Lane, text: str) -> None:
    with pytest.raises(Invalid):
        explain_tag_everywhere(lane.database, lane.systems, text, scans=lane.scans, now=lane.now)


def test_what_the_registry_has_still_to_say_is_told_with_its_error(lane: Lane) -> None:
    lane.push("1.1.0")
    with lane.database.transaction() as connection:
        owed = owe(connection, IMAGE, "1.1.0", is_deletion=False, source="registry", delivery_id=None, now=NOW)
        owed_answers.put_off(connection, owed, due_at=NOW + timedelta(minutes=1), error="it answered 403")
    lane.run()
    found = _asked(lane, "1.1.0")
    assert any("the registry has not shown it yet: it answered 403; asked again at" in note for note in found.notes)
    assert {stage.place for one in found.policies for stage in one.stages} == {"waits"}
