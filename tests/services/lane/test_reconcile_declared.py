"""Fields that `.fluxbridge.yaml` declares go the same way as marked ones: together in one commit, or not at all."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from app.core.ports import BuildCheck
from app.db import lanes
from app.db.database import Database
from app.db.promotions import PromotionState
from app.services.heads.view import view_at
from app.services.lane.check_builds import CheckedBuilds
from app.services.lane.reconcile import reconcile
from tests.end_to_end.bridge import deployment, kustomization, policy
from tests.services.lanes import IMAGE, LANE, Lane

RULES = f"""\
fields:
  - {{policy: flux-system/app, files: apps/kustomization.yaml, kustomization: {IMAGE}}}
  - {{policy: flux-system/app, files: 'charts/*/values.yaml', values: image}}
  - {{policy: flux-system/app, files: apps/app.env, env: APP_TAG}}
  - {{policy: flux-system/app, files: apps/images.json, json: web.tag}}
"""
FILES = {
    ".fluxbridge.yaml": RULES,
    "images/app.yaml": policy(),
    "apps/app.yaml": deployment("1.0.0"),
    "apps/kustomization.yaml": f"resources:   [app.yaml]\nimages:\n- name: {IMAGE}\n  newTag: 1.0.0\n",
    "charts/web/values.yaml": f"image:\n    repository: {IMAGE}\n    tag: '1.0.0'   # of the app\n",
    "apps/app.env": "# tags\nAPP_TAG=1.0.0\nOTHER=1.0.0\n",
    "apps/images.json": '{"web": {"tag": "1.0.0"},\n "other": "1.0.0"}',
}
CHANGED = {
    "apps/app.yaml": deployment("1.1.0"),
    "apps/kustomization.yaml": f"resources:   [app.yaml]\nimages:\n- name: {IMAGE}\n  newTag: 1.1.0\n",
    "charts/web/values.yaml": f"image:\n    repository: {IMAGE}\n    tag: '1.1.0'   # of the app\n",
    "apps/app.env": "# tags\nAPP_TAG=1.1.0\nOTHER=1.0.0\n",
    "apps/images.json": '{"web": {"tag": "1.1.0"},\n "other": "1.0.0"}',
}


def lane_with(tmp_path: Path, database: Database, **files: str) -> Lane:
    """The app with these files changed."""
    lane = Lane.create(tmp_path, database, {**FILES, **files})
    lane.run()
    lane.push("1.1.0")
    return lane


def test_marked_and_declared_fields_of_one_policy_change_in_one_commit(tmp_path: Path, database: Database) -> None:
    lane = lane_with(tmp_path, database)
    lane.run()
    [pull] = lane.open_pulls()
    assert {path: lane.config.text(pull.head_sha, path) for path in CHANGED} == CHANGED
    assert "`apps/kustomization.yaml:4`" in pull.body
    assert "newTag" in pull.body
    head = pull.head_sha
    lane.run()
    assert [one.head_sha for one in lane.open_pulls()] == [head]


def test_once_merged_nothing_is_left_to_do(tmp_path: Path, database: Database) -> None:
    lane = lane_with(tmp_path, database)
    lane.run()
    [pull] = lane.open_pulls()
    lane.forge.merge(pull.number, by="mira")  # type: ignore[attr-defined]
    lane.run()
    assert lane.open_pulls() == []
    assert {one.tag: one.state for one in lane.promotions()} == {"1.1.0": PromotionState.MERGED}


GOLDEN = Path(__file__).parents[2] / "golden" / "charts" / "edits" / "exact-version"


def plan_of(lane: Lane) -> str:
    """What the lane's last run wrote down, which tells what it noticed."""
    with lane.database.transaction() as connection:
        row = lanes.find(connection, LANE)
    assert row is not None
    assert row.last_error is None
    assert row.plan is not None
    return row.plan


def charts(which: str) -> dict[str, str]:
    """The shop's chart and its lock file, before or after."""
    return {f"shop/{name}": (GOLDEN / which / name).read_text() for name in ("Chart.yaml", "Chart.lock")}


CHART_RULES = """\
fields:
  - {policy: flux-system/web, files: shop/Chart.yaml, dependency: web}
policies:
  - {name: web, chart: oci://registry.acme.example/team/app, policy: {semver: {range: 1.x}}}
"""


def test_a_lock_file_changes_with_its_chart_and_a_branch_is_rebuilt_when_base_changes_it(
    tmp_path: Path, database: Database
) -> None:
    before, after = charts("before"), charts("after")
    lane = Lane.create(tmp_path, database, {".fluxbridge.yaml": CHART_RULES, **before})
    lane.run()
    lane.push("1.5.0")
    lane.run()
    [pull] = lane.open_pulls()
    assert {path: lane.config.text(pull.head_sha, path) for path in after} == after
    later = "2026-11-21T00:00:00"
    lane.config.commit("main", {"shop/Chart.lock": before["shop/Chart.lock"].replace("2025-03-04T10:20:30", later)})
    lane.run()
    [again] = lane.open_pulls()
    assert later in lane.config.text(again.head_sha, "shop/Chart.lock")
    assert (again.number, again.head_sha == pull.head_sha) == (pull.number, False)


def test_a_dependency_whose_archive_is_in_git_is_told_and_left(tmp_path: Path, database: Database) -> None:
    chart = charts("before")
    files = {".fluxbridge.yaml": CHART_RULES, "shop/charts/web-1.4.2.tgz": "…", **chart}
    lane = Lane.create(tmp_path, database, files)
    lane.run()
    lane.push("1.5.0")
    lane.run()
    assert lane.open_pulls() == []
    assert "shop/charts/web-1.4.2.tgz would be left behind" in plan_of(lane)


def test_a_marker_that_would_leave_the_lock_file_behind_keeps_the_proposal_back(
    tmp_path: Path, database: Database
) -> None:
    chart = charts("before")
    marker = '# {"$imagepolicy": "flux-system:app:tag"}'
    chart["shop/Chart.yaml"] = chart["shop/Chart.yaml"].replace("# kept current by Fluxbridge", marker)
    lane = Lane.create(tmp_path, database, {"images/app.yaml": policy(), **chart})
    lane.run()
    lane.push("1.5.0")
    lane.run()
    assert lane.open_pulls() == []
    assert {one.reason.partition(":")[0] for one in lane.promotions()} == {"shop/Chart.yaml"}
    assert all("the lock file would no longer agree" in one.reason for one in lane.promotions())


def test_a_place_that_cannot_be_set_keeps_the_whole_proposal_back_and_no_other(
    tmp_path: Path, database: Database
) -> None:
    block = 'kind: ConfigMap\ntag: | # {"$imagepolicy": "flux-system:app:tag"}\n\nlast: 1\n'
    other = {"images/other.yaml": policy("other"), "apps/other.yaml": deployment("1.0.0", name="other")}
    lane = lane_with(tmp_path, database, **{"apps/block.yaml": block, **other})
    lane.run()
    lane.run()
    assert [one.title for one in lane.open_pulls()] == ["Promote app 1.0.0 to 1.1.0"]
    [waiting] = [one for one in lane.promotions() if (one.policy, one.tag) == ("flux-system/app", "1.1.0")]
    assert waiting.state == PromotionState.WAITING
    assert waiting.reason.startswith("apps/block.yaml: line 2 was not edited: its block is empty")


@dataclass
class Builder:
    """Remembers what it was asked to build, and answers as a test says."""

    problem: str | None = None
    was_broken: bool = False
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def check_builds(self, before: str, after: str, paths: Sequence[str]) -> tuple[BuildCheck, ...]:
        assert before != after
        self.asked.append(tuple(paths))
        return tuple(BuildCheck(path, self.problem if self.was_broken else None, self.problem) for path in paths)


def run_building(lane: Lane, builder: Builder | CheckedBuilds) -> None:
    """Run the lane with a builder."""
    run = lane.claim()
    reconcile(replace(run, repo=replace(run.repo, builder=builder)))


@pytest.fixture
def built(tmp_path: Path, database: Database) -> Lane:
    """The app below a Kustomization of Flux."""
    return lane_with(tmp_path, database, **{"clusters/prod/apps.yaml": kustomization("apps", "apps")})


def test_the_builds_of_the_edited_files_are_told_in_the_pull_request(built: Lane) -> None:
    builder = Builder()
    run_building(built, CheckedBuilds(builder))
    run_building(built, CheckedBuilds(builder))
    [pull] = built.open_pulls()
    assert builder.asked == [("apps",), ("apps",)]
    assert "- `apps` builds" in pull.body


def test_a_build_that_the_edit_breaks_keeps_the_proposal_back_until_it_is_mended(built: Lane) -> None:
    run_building(built, Builder("no such patch"))
    assert built.open_pulls() == []
    [promotion] = built.promotions()
    assert (promotion.state, promotion.reason) == (
        PromotionState.WAITING,
        "apps would no longer build: no such patch",
    )
    run_building(built, Builder())
    assert [one.title for one in built.open_pulls()] == ["Promote app 1.0.0 to 1.1.0"]


def test_a_build_that_was_broken_before_is_told_and_stops_nothing(built: Lane) -> None:
    run_building(built, Builder("no such\npatch `x`", was_broken=True))
    [pull] = built.open_pulls()
    assert "- `apps` does not build, with these changes or without: `no such patch 'x'`" in pull.body


def test_what_is_odd_in_the_stage_is_told_in_the_pull_request(tmp_path: Path, database: Database) -> None:
    lane = lane_with(tmp_path, database, **{"apps/odd.yaml": "a: b\n# {'$imagepolicy': 'flux-system:app'}\n"})
    lane.run()
    [pull] = lane.open_pulls()
    assert "`apps/odd.yaml:2`" in pull.body


def test_a_link_with_a_manifests_name_is_told(tmp_path: Path, database: Database) -> None:
    lane = lane_with(tmp_path, database)
    lane.config.commit("main", {"apps/linked.yaml": "../../etc/passwd"}, mode="120000")
    lane.run()
    [pull] = lane.open_pulls()
    assert "`apps/linked.yaml`" in pull.body


def test_a_file_whose_name_is_no_text_stops_nothing(tmp_path: Path, database: Database) -> None:
    odd = "a: b\n# {'$imagepolicy': 'flux-system:app'}\n"
    marked, odd_one = os.fsdecode(b"apps/\xfe.yaml"), os.fsdecode(b"apps/\xff.yaml")
    lane = lane_with(tmp_path, database, **{odd_one: odd, marked: deployment("1.0.0")})
    lane.run()
    assert [one.title for one in lane.open_pulls()] == ["Promote app 1.0.0 to 1.1.0"]
    assert "\ufffd" in plan_of(lane)


def test_a_pull_request_is_never_longer_than_forges_take(tmp_path: Path, database: Database) -> None:
    long = "x" * 3000
    files = {f"apps/{n}.yaml": deployment("1.0.0").replace("app:1.0.0", f"app-{long}:{n}") for n in range(60)}
    lane = lane_with(tmp_path, database, **files)
    lane.run()
    [pull] = lane.open_pulls()
    assert len(pull.body) < 65_536
    assert pull.body.rstrip().endswith("a higher tag passes.")


def test_declarations_are_read_once_for_each_content_however_many_there_are(tmp_path: Path, database: Database) -> None:
    lane = lane_with(tmp_path, database)
    lane.scans.by_rules.most = 1
    first = view_at(lane.repository, lane.scans, lane.repository.fetch()["main"])
    lane.config.commit("main", {"README.md": "x"})
    second = view_at(lane.repository, lane.scans, lane.repository.fetch()["main"])
    assert first.tree.fields == second.tree.fields
    assert lane.scans.by_rules.most > 1


@pytest.mark.parametrize("rules", [CHART_RULES, CHART_RULES.replace("Chart.yaml", "Chart.*")])
def test_a_dependency_whose_lock_file_is_a_link_is_told_and_left(
    tmp_path: Path, database: Database, rules: str
) -> None:
    chart = (GOLDEN / "before" / "Chart.yaml").read_text()
    lane = Lane.create(tmp_path, database, {".fluxbridge.yaml": rules, "shop/Chart.yaml": chart})
    lane.config.commit("main", {"shop/Chart.lock": "elsewhere"}, mode="120000")
    lane.run()
    lane.push("1.5.0")
    lane.run()
    assert lane.open_pulls() == []
    assert "Chart.lock is no regular file" in plan_of(lane)
