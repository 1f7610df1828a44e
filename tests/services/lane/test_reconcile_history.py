"""The history tells what was let in, in which order, where it was applied, and ends what is not wanted any more."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.facts import Artifact, BuildFinished, BuildResult, RevisionApplied
from app.db import applications, builds, catalogue, revisions
from app.db.database import Database
from app.db.promotions import PromotionState
from app.services.lane.reconcile import reconcile
from tests.db.facts import record_listing
from tests.end_to_end.bridge import deployment, kustomization, policy
from tests.services.lanes import IMAGE, Lane, digest

_FILES = {
    "images/app.yaml": policy(),
    "apps/app.yaml": deployment("1.0.0"),
    "clusters/prod/sync.yaml": kustomization("flux-system", "clusters/prod"),
    "clusters/prod/apps.yaml": kustomization("apps", "apps") + "---\n" + kustomization("images", "images"),
}
_GATED = {".fluxbridge.yaml": "stages: {everything: {paths: [apps], requires: {build: success}}}\n"}
_DAY = timedelta(days=1)
_A_YEAR_AGO = 1_763_700_000


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app without stages that one cluster applies."""
    return Lane.create(tmp_path, database, _FILES)


@pytest.fixture
def gated(tmp_path: Path, database: Database) -> Lane:
    """One app that needs a successful build."""
    return Lane.create(tmp_path, database, {**_FILES, **_GATED})


def _promote(lane: Lane, tag: str) -> str:
    """Push a tag and merge what is proposed of it; returns the base head."""
    forge: Any = lane.forge
    lane.push(tag)
    lane.run()
    (pull,) = lane.open_pulls()
    forge.merge(pull.number, by="mira")
    lane.run()
    head = lane.config.head("main")
    assert head is not None
    return head


def _states(lane: Lane) -> dict[str, PromotionState]:
    return {one.tag: one.state for one in reversed(lane.promotions())}


def _tell(lane: Lane, commit: str, *, branch: str = "main") -> None:
    """Flux in the cluster tells that it applied a commit of a branch."""
    applied = RevisionApplied(
        cluster="prod",
        kind="Kustomization",
        namespace="flux-system",
        name="apps",
        revision=f"{branch}@sha1:{commit}",
        commit=commit,
        is_failure=False,
        reason="ReconciliationSucceeded",
        message="",
        at=lane.now,
    )
    with lane.database.transaction() as connection:
        revisions.note(connection, applied, repo="fleet", root="clusters/prod", received_at=lane.now)


def _applied(lane: Lane) -> dict[str, list[str]]:
    """The commits at which each tag was applied."""
    known = lane.promotions()
    with lane.database.transaction() as connection:
        return {one.tag: [row.commit for row in applications.of_promotion(connection, one.id)] for one in known}


def _report(lane: Lane, tag: str, *, named: str | None) -> None:
    """A build of the last ten minutes succeeded and named a tag, with the digest that it made or without."""
    build = BuildFinished(
        controller="main",
        job="team/app/main",
        number=1,
        result=BuildResult.SUCCESS,
        started_at=lane.now - timedelta(minutes=10),
        finished_at=lane.now,
        artifacts=(Artifact("image", IMAGE, tag, named),),
    )
    with lane.telling_of(tag) as connection:
        builds.record(connection, build, is_ours=False, source="ci", delivery_id=None, now=lane.now)


def _tag_is_moved(lane: Lane, tag: str) -> None:
    """The registry says that a tag names other bytes now."""
    with lane.telling_of(tag) as connection:
        catalogue.set_digest(connection, IMAGE, tag, digest("other bytes"), asked_at=lane.now)


def test_a_revision_that_is_told_of_after_a_newer_merge_still_applies_what_it_holds(lane: Lane) -> None:
    older, newer = _promote(lane, "1.1.0"), _promote(lane, "1.2.0")
    _tell(lane, older)
    lane.run()
    assert _applied(lane) == {"1.1.0": [older], "1.2.0": []}
    lane.now += _DAY
    _tell(lane, newer)
    lane.run()
    assert _applied(lane) == {"1.1.0": [older], "1.2.0": [newer]}


def test_what_was_applied_and_is_taken_back_since_was_applied(lane: Lane) -> None:
    merged = _promote(lane, "1.1.0")
    lane.config.commit("main", {"apps/app.yaml": deployment("1.0.0")}, message="Revert")
    lane.run()
    assert _states(lane)["1.1.0"] is PromotionState.REVERTED
    _tell(lane, merged)
    lane.run()
    assert _applied(lane)["1.1.0"] == [merged]


def test_a_revision_of_another_configured_branch_is_left_to_the_lane_of_that_branch(lane: Lane) -> None:
    head = _promote(lane, "1.1.0")
    lane.config.git("update-ref", "refs/heads/release", head)
    _tell(lane, head, branch="release")
    run = lane.claim()
    reconcile(replace(run, repo=replace(run.repo, branches=("main", "release"))))
    assert _applied(lane) == {"1.1.0": []}
    with lane.database.transaction() as connection:
        assert [row.commit for row in revisions.unexamined(connection, "fleet")] == [head]


def test_an_old_commit_that_comes_last_is_what_was_let_in_last(lane: Lane) -> None:
    head = _promote(lane, "1.1.0")
    draft = lane.config.commit("draft", {"apps/app.yaml": deployment("1.3.0")})
    tree = lane.config.git("rev-parse", draft + "^{tree}").decode().strip()
    lane.config.delete_branch("draft")
    ada = f"Ada <ada@acme.example> {_A_YEAR_AGO} +0000"
    text = f"tree {tree}\nparent {head}\nauthor {ada}\ncommitter {ada}\n\nA year old\n"
    old = lane.config.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode()).decode().strip()
    lane.config.git("update-ref", "refs/heads/main", old)
    lane.run()
    for number in range(3):
        lane.config.commit("main", {"README": str(number)})
        lane.run()
    told = sorted((one.tag, one.state) for one in lane.promotions())
    assert told == [("1.1.0", PromotionState.MERGED), ("1.3.0", PromotionState.MERGED)]


def _remove_policy(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": "# gone\n"})


def _choose_nothing(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": policy(choice="semver: {range: '>=9.0.0'}")})


def _remove_fields(lane: Lane) -> None:
    lane.config.commit("main", {"apps/app.yaml": "# gone\n"})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_remove_policy, id="policy-removed"),
        pytest.param(_remove_fields, id="fields-removed"),
        pytest.param(_choose_nothing, id="nothing-selected"),
    ],
)
def test_what_no_policy_wants_any_more_is_closed_and_superseded(lane: Lane, change: Callable[[Lane], None]) -> None:
    lane.push("1.1.0")
    lane.run()
    change(lane)
    lane.run()
    assert lane.open_pulls() == []
    assert _states(lane) == {"1.1.0": PromotionState.SUPERSEDED}


@pytest.mark.parametrize(
    "change", [pytest.param(_remove_policy, id="policy-removed"), pytest.param(_choose_nothing, id="nothing-selected")]
)
def test_what_waits_and_no_policy_wants_any_more_is_superseded(gated: Lane, change: Callable[[Lane], None]) -> None:
    gated.push("1.1.0")
    gated.run()
    assert _states(gated) == {"1.1.0": PromotionState.WAITING}
    change(gated)
    gated.run()
    assert _states(gated) == {"1.1.0": PromotionState.SUPERSEDED}


def test_a_tag_that_is_moved_while_its_pull_request_is_open_waits_for_a_build_of_its_new_bytes(gated: Lane) -> None:
    gated.push("1.1.0")
    _report(gated, "1.1.0", named=digest("1.1.0"))
    gated.run()
    assert len(gated.open_pulls()) == 1
    _tag_is_moved(gated, "1.1.0")
    gated.run()
    assert gated.open_pulls() == []
    assert _states(gated) == {"1.1.0": PromotionState.WAITING}


def test_a_build_that_named_only_a_tag_does_not_speak_for_what_the_tag_is_moved_to_later(gated: Lane) -> None:
    gated.push("1.1.0")
    _report(gated, "1.1.0", named=None)
    gated.now += _DAY
    _tag_is_moved(gated, "1.1.0")
    gated.run()
    assert gated.open_pulls() == []
    assert _states(gated) == {"1.1.0": PromotionState.WAITING}


def test_a_tag_that_is_moved_long_after_its_push_has_the_whole_time_to_be_reported(gated: Lane) -> None:
    gated.push("1.1.0")
    gated.now += _DAY
    gated.run()
    assert _states(gated) == {"1.1.0": PromotionState.REFUSED}
    gated.now += timedelta(seconds=1)
    _tag_is_moved(gated, "1.1.0")
    gated.run()
    assert _states(gated) == {"1.1.0": PromotionState.WAITING}


def test_one_look_that_did_not_find_the_present_tag_moves_nothing_backwards(tmp_path: Path, database: Database) -> None:
    lane = Lane.create(tmp_path, database, {**_FILES, "apps/app.yaml": deployment("1.1.0")})
    with database.transaction() as connection:
        record_listing(connection, IMAGE, ["1.0.0", "1.1.0"], lane.now)
        catalogue.note_missing(connection, IMAGE, "1.1.0", is_deleted=False, asked_at=lane.now)
    run = lane.claim()
    reconcile(replace(run, systems=replace(run.systems, registries={IMAGE.registry: _Forgetful()})))
    assert lane.open_pulls() == []


class _Forgetful:
    """A registry that does not find 1.1.0 just now."""

    def tags(self, path: str) -> list[str]:
        raise AssertionError(path)

    def digest(self, path: str, reference: str) -> str | None:
        del path
        return None if reference == "1.1.0" else digest(reference)
