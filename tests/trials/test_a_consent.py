"""Tags of change requests enter only where the config repository consents in writing."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.promotion.rules_document import InvalidRules
from app.core.promotion.rules_reading import read_rules
from app.db import builds, deliveries, delivery_claims, policies
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.services.reading.policy_explained import Question, explain_policy
from tests.db.facts import claim_next, delivery
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import IMAGE, LEASE, Lane, digest

STAGES = """
stages:
  preview: {{paths: [apps/preview], requires: {{build: {preview}}}}}
  production: {{paths: [apps/production], requires: {{build: {production}}}}}
{more}
"""
PATTERN = 'change_requests: {allow: ["flux-system/*"]}'


def _lane(
    folder: Path, database: Database, *, preview: str = "success", production: str = "success", more: str = ""
) -> Lane:
    return Lane.create(
        folder,
        database,
        {
            "images/app.yaml": policy(),
            "apps/preview/app.yaml": deployment("1.0.0"),
            "apps/production/app.yaml": deployment("1.0.0"),
            ".fluxbridge.yaml": STAGES.format(preview=preview, production=production, more=more),
        },
    )


def _build(lane: Lane, tag: str, *, number: int = 1, change: str | None = "42", is_ours: bool = False) -> None:
    fact = BuildFinished(
        controller="main",
        job=f"team/app/{f'PR-{change}' if change else 'main'}",
        number=number,
        result=BuildResult.SUCCESS,
        change_id=change,
        artifacts=(Artifact("image", IMAGE, tag, digest(tag)),),
    )
    with lane.telling_of(tag) as connection:
        builds.record(connection, fact, is_ours=is_ours, source="ci", delivery_id=None, now=lane.now)


def _proposed(lane: Lane) -> set[str]:
    lane.run()
    return {pull.title for pull in lane.open_pulls()}


PREVIEW, PRODUCTION = "Promote app 1.0.0 to 1.1.0 in preview", "Promote app 1.0.0 to 1.1.0 in production"


@pytest.mark.parametrize(
    ("rules", "proposed"),
    [
        pytest.param({}, set(), id="nobody"),
        pytest.param({"preview": "{change_requests: allow}"}, {PREVIEW}, id="a stage"),
        pytest.param({"more": PATTERN}, {PREVIEW, PRODUCTION}, id="a policy"),
        pytest.param({"more": PATTERN, "production": "{change_requests: bar}"}, {PREVIEW}, id="but for a stage"),
        pytest.param({"more": PATTERN.replace("*", "other-*")}, set(), id="another policy"),
    ],
)
def test_a_tag_of_a_change_request_enters_where_it_may(
    tmp_path: Path, database: Database, rules: dict[str, str], proposed: set[str]
) -> None:
    lane = _lane(tmp_path, database, **rules)
    lane.push("1.1.0")
    _build(lane, "1.1.0")
    assert _proposed(lane) == proposed
    assert _proposed(lane) == proposed


def test_builds_of_our_own_branches_stay_out_whatever_is_allowed(tmp_path: Path, database: Database) -> None:
    lane = _lane(tmp_path, database, more=PATTERN)
    lane.push("1.1.0")
    _build(lane, "1.1.0", is_ours=True)
    assert _proposed(lane) == set()


def test_a_change_request_that_is_told_after_the_push_closes_what_was_opened(
    tmp_path: Path, database: Database
) -> None:
    lane = _lane(tmp_path, database, preview="{result: [SUCCESS]}")
    lane.push("1.1.0")
    _build(lane, "1.1.0", change=None)
    assert PREVIEW in _proposed(lane)
    lane.push("1.2.0")
    _build(lane, "1.2.0", number=2, change=None)
    assert {title.replace("1.2.0", "1.1.0") for title in _proposed(lane)} == {PREVIEW, PRODUCTION}
    fact = BuildFinished(controller="main", job="team/app/main", number=2, result=BuildResult.SUCCESS, change_id="9")
    with lane.telling_of("1.2.0") as connection:
        builds.record(connection, fact, is_ours=False, source="ci", delivery_id=None, now=lane.now)
    assert _proposed(lane) == {PREVIEW, PRODUCTION}


def test_a_policy_that_matches_barred_tags_only_is_named_with_both_ways_to_consent(
    tmp_path: Path, database: Database
) -> None:
    lane = _lane(tmp_path, database)
    with lane.database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM tags")
    lane.config.commit("main", {"images/app.yaml": policy(choice="semver: {range: '>=1.1.0'}")})
    lane.push("1.1.0")
    _build(lane, "1.1.0")
    lane.run()
    with lane.database.transaction() as connection:
        [row] = policies.page(connection, limit=9).items
    question = Question(namespace="flux-system", name="app")
    notes = explain_policy(database, lane.systems, question, scans=lane.scans, now=lane.now).notes
    for said in (row.status, row.reason, *notes):
        assert "only builds of change requests made the tags that it matches (1.1.0)" in said
        assert "requires: {build: {change_requests: allow}}" in said
        assert 'change_requests: {allow: ["flux-system/app"]}' in said
    pushed = replace(question, push=f"{IMAGE}:1.3.0")
    explained = explain_policy(database, lane.systems, pushed, scans=lane.scans, now=lane.now)
    assert not any("only builds of change requests" in said for said in explained.notes)


def test_a_push_is_explained_by_the_reports_of_it_that_were_left_out(tmp_path: Path, database: Database) -> None:
    lane = _lane(tmp_path, database)
    lane.run()
    outcome = f"ignored: source ci may not speak for job payroll/app, so not for {IMAGE}:1.1.0. no facts"
    for number, said in enumerate([outcome, outcome.replace("1.1.0", "1.1.0-rc.1"), "facts: BuildFinished"]):
        with database.transaction() as connection:
            deliveries.keep(connection, delivery(str(number)))
            claim = claim_next(connection, owner="tests", now=lane.now, lease=LEASE)
            assert claim is not None
            delivery_claims.finish(connection, claim, state=DeliveryState.DONE, outcome=said, now=lane.now)
    question = Question(namespace="flux-system", name="app", push=f"{IMAGE}:1.1.0")
    notes = explain_policy(database, lane.systems, question, scans=lane.scans, now=lane.now).notes
    assert [note.partition("UTC: ")[2] for note in notes] == [outcome]


@pytest.mark.parametrize("key", ["jobs", "branches", "tests", "parameters"])
def test_what_the_long_form_does_not_know_yet_is_refused(key: str) -> None:
    with pytest.raises(InvalidRules, match=f"{key} cannot be asked for yet"):
        read_rules(f"stages: {{all: {{paths: [apps], requires: {{build: {{{key}: [x]}}}}}}}}".encode())


@pytest.mark.parametrize("build", ["failure", "{result: [FAILURE]}", "{change_requests: maybe}", "[]", "{result: []}"])
def test_other_forms_of_a_build_gate_are_mistakes(build: str) -> None:
    with pytest.raises(InvalidRules, match="build"):
        read_rules(f"stages: {{all: {{paths: [apps], requires: {{build: {build}}}}}}}".encode())
