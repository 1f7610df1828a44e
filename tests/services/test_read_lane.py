"""A lane is read at its base head: rules, policies and fields, with what is known of each policy's tags."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.images import ImageName
from app.core.promotion.state import PolicyState
from app.db import builds, catalogue, fields
from app.db.database import Database
from app.db.fields import FieldRow
from app.services.read_lane import LaneView, policy_states, view_at
from app.services.scans import Scans
from app.services.systems import Systems
from tests.end_to_end.bridge import RULES, deployment, policy
from tests.services.lanes import IMAGE, LANE, NOW, Lane, ListedRegistry, digest

FILES = {"images/app.yaml": policy(), "apps/staging/app.yaml": deployment("1.0.0")}
ALIAS = "registry.internal.example"


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app, whose repository was listed with 1.0.0."""
    return Lane.create(tmp_path, database, FILES)


def view(lane: Lane, *, are_rules_required: bool = False, scans: Scans | None = None) -> LaneView:
    """The lane at its head."""
    head = lane.repository.fetch()["main"]
    return view_at(lane.repository, scans or Scans(), head, are_rules_required=are_rules_required)


def states(lane: Lane, systems: Systems | None = None) -> tuple[PolicyState, ...]:
    """Every policy at the lane's head."""
    seen = view(lane)
    with lane.database.transaction() as connection:
        return policy_states(connection, LANE, seen, systems or lane.systems)


def state(lane: Lane, systems: Systems | None = None) -> PolicyState:
    """The only policy at the lane's head."""
    [found] = states(lane, systems)
    return found


def selected(lane: Lane, systems: Systems | None = None) -> str | None:
    selection = state(lane, systems).selection
    assert selection is not None
    return selection.tag


def report(lane: Lane, tag: str, *, number: int = 1, is_ours: bool = False, **told: Any) -> None:
    """A build names a tag with its digest."""
    build = BuildFinished(
        controller="main",
        job="team/app",
        number=number,
        result=BuildResult.SUCCESS,
        artifacts=(Artifact("image", IMAGE, tag, digest(tag)),),
        **told,
    )
    with lane.database.transaction() as connection:
        builds.record(connection, build, is_ours=is_ours, source="ci", delivery_id=None, now=NOW)


def test_without_rules_every_field_is_in_one_stage(lane: Lane) -> None:
    seen = view(lane)
    assert [(one.file, stage) for one, stage in seen.staged] == [("apps/staging/app.yaml", "all")]
    assert (seen.rules_problem, seen.commit) == (None, lane.config.head("main"))


def test_a_field_in_no_stage_is_told_and_left_alone(lane: Lane) -> None:
    lane.config.commit("main", {".fluxbridge.yaml": RULES, "tools/app.yaml": deployment("1.0.0")})
    seen = view(lane)
    assert [(one.file, stage) for one, stage in seen.staged] == [("apps/staging/app.yaml", "staging")]
    told = [one.what for one in seen.reports if one.file == "tools/app.yaml"]
    assert len(told) == 1
    assert "in no stage: not edited" in told[0]


BAD_RULES = [
    pytest.param("stages: [", id="no YAML"),
    pytest.param("stagse: {}", id="an unknown key"),
    pytest.param("stages: {a: {paths: [x]}, b: {paths: [x]}}", id="two stages for one path"),
]


@pytest.mark.parametrize("rules", BAD_RULES)
def test_rules_that_cannot_be_read_are_a_problem_of_the_lane_and_no_error(lane: Lane, rules: str) -> None:
    lane.config.commit("main", {".fluxbridge.yaml": rules})
    problem = view(lane).rules_problem
    assert problem is not None
    assert ".fluxbridge.yaml" in problem


def test_rules_that_are_a_link_are_not_followed(lane: Lane) -> None:
    lane.config.commit("main", {".fluxbridge.yaml": "/etc/passwd"}, mode="120000")
    assert view(lane).rules_problem == ".fluxbridge.yaml is not a regular file"


def test_rules_that_the_server_requires_are_missed(lane: Lane) -> None:
    missing = view(lane, are_rules_required=True).rules_problem
    assert missing is not None
    assert "rules: required" in missing
    lane.config.commit("main", {".fluxbridge.yaml": RULES})
    assert view(lane, are_rules_required=True).rules_problem is None


def test_a_manifest_that_is_a_link_is_not_read(lane: Lane) -> None:
    lane.config.commit("main", {"apps/linked.yaml": deployment("1.0.0")}, mode="120000")
    assert [one.file for one, _ in view(lane).staged] == ["apps/staging/app.yaml"]


@dataclass
class Watched:
    """A mirror that remembers which blobs it was asked for."""

    real: Any
    asked: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        wanted = list(ids)
        self.asked += wanted
        found: Mapping[str, bytes] = self.real.blobs(wanted)
        return found


def test_a_file_that_did_not_change_is_read_once(lane: Lane) -> None:
    watched, scans = Watched(lane.repository), Scans()
    lane.repository = watched
    first = view(lane, scans=scans)
    assert len(watched.asked) == 2
    lane.config.commit("main", {"apps/staging/app.yaml": deployment("1.0.1")})
    second = view(lane, scans=scans)
    assert len(watched.asked) == 3
    texts = [[one.marked.text for one, _ in seen.staged] for seen in (first, second)]
    assert texts == [[f"{IMAGE}:1.0.0"], [f"{IMAGE}:1.0.1"]]


def test_the_newest_known_tag_is_selected(lane: Lane) -> None:
    lane.push("1.1.0")
    assert (selected(lane), state(lane).waits_for) == ("1.1.0", None)


def test_a_registry_that_is_not_configured_is_waited_for(lane: Lane) -> None:
    found = state(lane, replace(lane.systems, registries={}))
    assert (found.waits_for, found.selection) == ("registry not configured", None)
    assert [one.tag for one in found.fields] == ["1.0.0"]


def test_a_repository_that_was_never_listed_is_waited_for(lane: Lane) -> None:
    other = policy("other", path="team/other")
    lane.config.commit("main", {"images/other.yaml": other, "apps/other.yaml": deployment("2.0.0", name="other")})
    waiting = {one.name.name: one.waits_for for one in states(lane)}
    assert waiting == {"app": None, "other": "catalogue not listed"}


def test_a_policy_that_names_its_registry_by_an_alias_sees_its_tags(lane: Lane) -> None:
    written = policy().replace(IMAGE.registry, ALIAS)
    lane.config.commit("main", {"images/app.yaml": written})
    lane.push("1.1.0")
    assert selected(lane, replace(lane.systems, aliases={ALIAS: IMAGE.registry})) == "1.1.0"


def test_a_policy_that_cannot_be_used_says_why_and_keeps_its_fields(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": policy(choice="semver: {range: 'not a range'}")})
    found = state(lane)
    assert found.problem is not None
    assert "not a range" in found.problem
    assert [one.tag for one in found.fields] == ["1.0.0"]


def test_the_tag_in_git_is_always_a_candidate(lane: Lane) -> None:
    lane.config.commit("main", {"apps/staging/app.yaml": deployment("9.0.0")})
    assert selected(lane) == "9.0.0"
    assert state(lane).tags["9.0.0"].digest is None


def test_a_tag_that_is_gone_is_no_candidate(lane: Lane) -> None:
    lane.push("1.1.0")
    with lane.database.transaction() as connection:
        catalogue.note_missing(connection, IMAGE, "1.1.0", is_deleted=True, looked_at=NOW)
    assert selected(lane) == "1.0.0"


BARRED: list[Any] = [
    pytest.param({"is_ours": True}, id="our own branch"),
    pytest.param({"change_id": "17"}, id="a change request"),
]


@pytest.mark.parametrize("told", BARRED)
@pytest.mark.parametrize("order", ["push then build", "build then push"])
def test_a_tag_that_only_such_builds_reported_is_no_candidate_until_another_does(
    lane: Lane, order: str, told: dict[str, Any]
) -> None:
    if order == "push then build":
        lane.push("1.1.0")
        report(lane, "1.1.0", **told)
    else:
        report(lane, "1.1.0", **told)
        lane.push("1.1.0")
    assert selected(lane) == "1.0.0"
    report(lane, "1.1.0", number=2)
    assert selected(lane) == "1.1.0"


def test_a_digest_that_another_build_reported_counts_for_that_build_under_every_tag(lane: Lane) -> None:
    report(lane, "1.1.0", is_ours=True)
    report(lane, "1.1.0-rc.1", number=2)
    with lane.database.transaction() as connection:
        catalogue.set_digest(connection, IMAGE, "1.1.0", digest("1.1.0-rc.1"), looked_at=NOW)
    assert selected(lane) == "1.1.0"
    assert [one.number for one in state(lane).tags["1.1.0"].reports] == [1, 2]


def test_a_text_remembers_the_policy_under_which_it_came(lane: Lane) -> None:
    lane.run()
    assert [one.is_same_spec for one in state(lane).fields] == [True]
    lane.config.commit("main", {"images/app.yaml": policy(choice="semver: {range: '<1.0.0'}")})
    assert [one.is_same_spec for one in state(lane).fields] == [False]
    lane.config.commit("main", {"apps/staging/app.yaml": deployment("0.9.0")})
    assert [one.is_same_spec for one in state(lane).fields] == [True], "another text has no past"


def test_another_image_is_another_policy(lane: Lane) -> None:
    lane.run()
    lane.config.commit("main", {"images/app.yaml": policy(path="team/renamed")})
    assert [one.is_same_spec for one in state(lane).fields] == [False]


def test_what_another_lane_saw_says_nothing_here(lane: Lane) -> None:
    seen = FieldRow(
        lane="fleet:next",
        stage="all",
        policy=str(state(lane).name),
        image=str(IMAGE),
        file="apps/staging/app.yaml",
        line=7,
        text=f"{IMAGE}:1.0.0",
        tag="1.0.0",
        spec_hash="another",
        commit="c" * 40,
        seen_at=NOW - timedelta(days=1),
    )
    with lane.database.transaction() as connection:
        fields.replace_all(connection, "fleet:next", [seen])
    assert [one.is_same_spec for one in state(lane).fields] == [True]


def test_an_image_that_no_registry_entry_holds_is_not_guessed(lane: Lane) -> None:
    systems = replace(lane.systems, registries={ImageName.parse("nginx").registry: ListedRegistry()})
    assert state(lane, systems).waits_for == "registry not configured"
