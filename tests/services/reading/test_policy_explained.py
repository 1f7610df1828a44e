"""A policy is explained by what the database and its lane's last run know, with no other system asked."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.core.errors import Conflict, Invalid, NotFound
from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.promotion.holds import Hold, HoldKind
from app.db import builds, catalogue, holds, policies
from app.db.database import Database
from app.services.heads.scans import Scans
from app.services.reading.policies import policy as find_policy
from app.services.reading.policy_explained import (
    PolicyExplanation,
    Question,
    StageExplanation,
    explain_policy,
    explain_tags,
)
from app.services.systems import Systems
from tests.db.facts import record_listing
from tests.end_to_end.bridge import fleet, policy
from tests.services.history import NOW as THEN
from tests.services.history import settle_with_plan, write_history
from tests.services.lanes import IMAGE, LANE, NOW, Lane, digest

AUTOMATION = """\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: all, namespace: flux-system}
spec: {update: {path: ./apps/staging}}
"""
APP = Question(namespace="flux-system", name="app")
WEB = Question(namespace="flux-system", name="web", root="clusters/prod")


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app in two stages, 1.0.0 in both; production asks for a build."""
    return Lane.create(tmp_path, database, fleet())


def _explained(lane: Lane, question: Question = APP) -> PolicyExplanation:
    return explain_policy(lane.database, lane.systems, question, scans=lane.scans, now=lane.now)


def _stage(found: PolicyExplanation, name: str) -> StageExplanation:
    [stage] = [one for one in found.stages if one.stage == name]
    return stage


def _build(lane: Lane, tag: str, result: BuildResult, *, number: int = 1, change_id: str | None = None) -> None:
    told = BuildFinished(
        controller="main",
        job="team/app",
        number=number,
        result=result,
        url=None,
        started_at=NOW,
        finished_at=NOW,
        change_id=change_id,
        artifacts=(Artifact("image", IMAGE, tag, digest(tag)),),
    )
    with lane.database.transaction() as connection:
        builds.record(connection, told, is_ours=False, source="ci", delivery_id=None, now=NOW)


def test_what_is_chosen_and_what_each_stage_says_of_it_is_told(lane: Lane) -> None:
    lane.push("1.1.0")
    lane.push("1.2.0-rc.1")
    lane.push("latest")
    lane.run()
    found = _explained(lane)
    assert (found.repo, found.branch, found.root, found.file) == ("fleet", "main", "images", "images/app.yaml")
    assert (found.problem, found.waits_for, found.notes) == (None, None, [])
    assert found.tags is not None
    assert (found.tags.tag, found.tags.total) == ("1.1.0", 4)
    assert found.tags.counts == {"chosen": 1, "lost": 1, "prerelease": 1, "not_a_version": 1}
    assert [(one.tag, one.verdict) for one in found.tags.above] == [("1.2.0-rc.1", "prerelease")]
    assert [(one.tag, one.reason) for one in found.tags.below] == [("1.0.0", "lost to '1.1.0'")]
    assert [one.tag for one in found.tags.unplaced] == ["latest"]
    assert _stage(found, "staging").summary == "1.1.0 may enter"
    production = _stage(found, "production")
    assert (production.present, production.summary) == (["1.0.0"], "1.1.0 waits")
    assert production.fields == ["apps/production/app.yaml:6"]


def test_a_failed_build_and_a_hold_are_told_in_their_stage(lane: Lane) -> None:
    lane.push("1.1.0")
    lane.push("1.2.0")
    lane.run()
    _build(lane, "1.2.0", BuildResult.FAILURE)
    held = Hold(
        id="h1",
        stage="production",
        policy="images:flux-system/app",
        tags=("1.1.0",),
        kind=HoldKind.MANUAL,
        who="mira",
        why="an incident",
        since=NOW,
    )
    with lane.database.transaction() as connection:
        holds.add(connection, LANE, held, pull_request=None)
    production = _stage(_explained(lane), "production")
    assert [(one.tag, one.outcome) for one in production.steps] == [("1.2.0", "fail"), ("1.1.0", "held")]
    assert "by mira: an incident" in production.steps[1].reason


@pytest.mark.parametrize(
    ("tag", "verdict", "chosen", "staging"),
    [
        pytest.param("1.2.0", "chosen", "1.2.0", "1.2.0 may enter", id="a tag that would win"),
        pytest.param("0.9.0", "outside_range", "1.1.0", "1.1.0 may enter", id="a tag outside the range"),
        pytest.param("1.1.0", "chosen", "1.1.0", "1.1.0 may enter", id="a tag that is known"),
        pytest.param("1.0.1", "lost", "1.1.0", "1.1.0 may enter", id="a tag that would lose"),
    ],
)
def test_a_push_can_be_tried_out(lane: Lane, tag: str, verdict: str, chosen: str, staging: str) -> None:
    lane.push("1.1.0")
    lane.run()
    found = _explained(lane, replace(APP, push=f"{IMAGE}:{tag}"))
    assert found.tags is not None
    assert found.tags.asked is not None
    assert (found.tags.asked.tag, found.tags.asked.verdict, found.tags.tag) == (tag, verdict, chosen)
    assert _stage(found, "staging").summary == staging
    with lane.database.transaction() as connection:
        assert {one.tag for one in catalogue.tags_after(connection, IMAGE, "", limit=10_000)} == {"1.0.0", "1.1.0"}


@pytest.mark.parametrize(
    ("push", "said"),
    [
        pytest.param(
            "registry.acme.example/team/other:1.0.0", "chooses from registry.acme.example/team/app", id="image"
        ),
        pytest.param("registry.acme.example/team/app", "names no tag", id="no tag"),
        pytest.param("registry.acme.example/team/app:-", "is no image reference", id="no tag that could be"),
    ],
)
def test_a_push_of_something_else_cannot_be_tried_out(lane: Lane, push: str, said: str) -> None:
    lane.run()
    with pytest.raises(Invalid, match=said):
        _explained(lane, replace(APP, push=push))


def test_a_policy_that_waits_says_for_what_and_a_push_is_judged_alone(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": policy(path="team/new")})
    lane.run()
    found = _explained(lane)
    assert (found.waits_for, found.tags, found.stages) == ("catalogue not listed", None, [])
    found = _explained(lane, replace(APP, push="registry.acme.example/team/new:1.4.0"))
    assert found.tags is not None
    assert (found.tags.tag, found.tags.total, found.stages) == ("1.4.0", 1, [])


def test_tags_that_are_gone_or_of_change_requests_are_counted(lane: Lane) -> None:
    lane.push("1.1.0")
    _build(lane, "1.1.0", BuildResult.SUCCESS, change_id="PR-7")
    with lane.database.transaction() as connection:
        record_listing(connection, IMAGE, ["1.0.0", "1.1.0", "0.1.0"], NOW)
        record_listing(connection, IMAGE, ["1.0.0", "1.1.0"], NOW)
        record_listing(connection, IMAGE, ["1.0.0", "1.1.0"], NOW)
    lane.run()
    left_out = _explained(lane).left_out
    assert (left_out.gone, left_out.barred, left_out.barred_tags) == (1, 1, ["1.1.0"])


def test_a_policy_with_a_mistake_tells_it(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": policy(choice="semver: {range: 'nonsense'}")})
    lane.run()
    found = _explained(lane)
    assert found.problem is not None
    assert "the range 'nonsense' cannot be read" in found.problem
    assert (found.tags, found.stages) == (None, [])


def test_what_flux_is_silent_about_is_warned_of(lane: Lane) -> None:
    files = {
        "images/app.yaml": policy(choice="semver: {range: '>=1.0.0-0 <3.0.0'}"),
        "images/auto.yaml": AUTOMATION,
        "images/unused.yaml": policy("unused"),
        "apps/staging/more.yaml": "image: x:1 # {'$imagepolicy': 'flux-system:unused'}\n",
    }
    lane.config.commit("main", files)
    lane.push("1.2")
    lane.run()
    kinds = {one.kind: one for one in _explained(lane).warnings}
    assert kinds.keys() == {"open_upper_bound", "two_part_tags", "second_writer"}
    assert "apps/staging/app.yaml:6" in kinds["second_writer"].message
    unused = _explained(lane, replace(APP, name="unused")).warnings
    assert {"unused_policy", "near_miss_marker"} <= {one.kind for one in unused}


def test_a_policy_whose_only_field_is_refused_and_in_no_stage_is_not_told_as_unused(lane: Lane) -> None:
    refused = "image: {{ .image }} # {'$imagepolicy': 'flux-system:templated'}\n".replace("'", '"')
    files = {
        ".fluxbridge.yaml": "stages: {staging: {paths: [apps/staging]}}\n",
        "images/templated.yaml": policy("templated"),
        "elsewhere/a.yaml": refused,
    }
    lane.config.commit("main", files)
    lane.run()
    found = _explained(lane, replace(APP, name="templated"))
    assert "unused_policy" not in {one.kind for one in found.warnings}


def test_an_alias_of_the_registry_names_the_same_image(lane: Lane) -> None:
    lane.run()
    systems = replace(lane.systems, aliases={"mirror.acme.example": IMAGE.registry})
    question = replace(APP, push=f"mirror.acme.example/{IMAGE.path}:1.5.0")
    found = explain_policy(lane.database, systems, question, scans=Scans(), now=NOW)
    assert found.tags is not None
    assert found.tags.tag == "1.5.0"


def test_a_policy_that_nobody_has_is_not_found(lane: Lane) -> None:
    with pytest.raises(NotFound, match="flux-system/app"):
        _explained(lane)


@dataclass
class NoRegistry:
    """A registry that is configured."""

    def tags(self, path: str) -> list[str]:
        raise AssertionError(path)

    def digest(self, path: str, reference: str) -> str | None:
        raise AssertionError((path, reference))


def _stored(database: Database, spec: str) -> None:
    with database.transaction() as connection:
        write_history(connection)
        settle_with_plan(connection)
        [row, other] = policies.find(connection, "flux-system", "web")
        policies.replace_all(connection, row.lane, [replace(row, spec=spec), replace(other, spec=spec)])


STORED = '{"choice":{"range":">=1.0.0"},"exclusion_list":[],"filter":null,"kind":"SemVer"}'


def test_without_the_config_repository_the_last_run_tells_of_the_stages(database: Database) -> None:
    _stored(database, STORED)
    systems = Systems(registries={"registry.acme.example": NoRegistry()})
    found = explain_policy(database, systems, WEB, scans=Scans(), now=THEN)
    assert (found.waits_for, found.tags) == ("catalogue not listed", None)
    assert [(one.stage, one.summary) for one in found.stages] == [("production", "waiting 1.2.0: no build")]
    assert found.notes == ["what gates and holds add is as the lane's last run told it"]


def test_a_name_that_several_policies_have_needs_a_root(database: Database) -> None:
    _stored(database, STORED)
    with pytest.raises(Conflict, match="root"):
        explain_policy(database, Systems(), replace(WEB, root=None), scans=Scans(), now=THEN)


def test_a_spec_of_an_older_version_that_is_not_read_is_a_problem_and_no_error(database: Database) -> None:
    _stored(database, "{}")
    found = explain_policy(database, Systems(), WEB, scans=Scans(), now=THEN)
    assert (found.problem, found.tags) == ("its spec is not known; the next run of its lane writes it down", None)


def test_a_spec_is_tried_on_any_tags(database: Database) -> None:
    _stored(database, STORED)
    with database.transaction() as connection:
        details = find_policy(connection, namespace="flux-system", name="web", repo=None, root="clusters/prod")
    found = explain_tags(details, ["1.0.0", "\ud800", "1.2", "1.0.0"], now=datetime(2026, 1, 1, tzinfo=UTC))
    assert found.tags is not None
    assert (found.tags.tag, found.tags.total) == ("1.0.0", 3)
    assert "\\ud800" in found.model_dump_json().replace("\\\\", "\\")
    assert [one.kind for one in found.warnings] == ["two_part_tags"]
    with pytest.raises(Conflict, match="selects nothing"):
        explain_tags(details.model_copy(update={"spec": {}}), [], now=datetime(2026, 1, 1, tzinfo=UTC))


def test_a_repository_of_many_tags_is_explained_in_a_bounded_answer(lane: Lane) -> None:
    with lane.database.transaction() as connection:
        record_listing(connection, IMAGE, [f"1.{n // 100}.{n % 100}" for n in range(5_000)], NOW)
    lane.run()
    found = _explained(lane)
    assert found.tags is not None
    assert found.tags.total == 5_000
    assert len(found.model_dump_json()) < 20_000
