"""A lane is read at its base head: rules, policies and fields."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.db.database import Database
from app.services.heads.scans import Scans
from app.services.heads.view import HeadView, view_at
from tests.end_to_end.bridge import RULES, deployment, policy
from tests.services.lanes import IMAGE, Lane

FILES = {"images/app.yaml": policy(), "apps/staging/app.yaml": deployment("1.0.0")}


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app, whose repository was listed with 1.0.0."""
    return Lane.create(tmp_path, database, FILES)


def view(lane: Lane, *, are_rules_required: bool = False, scans: Scans | None = None) -> HeadView:
    """The lane at its head."""
    head = lane.repository.fetch()["main"]
    return view_at(lane.repository, scans or Scans(), head, are_rules_required=are_rules_required)


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
    pytest.param('roots: [!!int ""]', id="a number that is none"),
    pytest.param("limits: {open: !!bool abc}", id="a boolean that is none"),
    pytest.param('limits: {open: !!float ""}', id="a float that is none"),
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


def test_rules_that_did_not_change_are_read_once(lane: Lane) -> None:
    lane.config.commit("main", {".fluxbridge.yaml": RULES})
    watched, scans = Watched(lane.repository), Scans()
    lane.repository = watched
    first = view(lane, scans=scans)
    read = len(watched.asked)
    lane.config.commit("main", {"README.md": "x"})
    assert view(lane, scans=scans).rules is first.rules
    assert len(watched.asked) == read


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
