"""Flux in a disorderly world: what was applied, what was not, and what nothing was heard of, is said as it is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.facts import Artifact, BuildFinished, BuildResult
from app.db import builds, deliveries, revisions
from app.db.database import Database
from app.services.reading.stages import StageFilters, list_stages
from tests.end_to_end.bridge import deployment, kustomization
from tests.services.histories import Histories
from tests.services.lanes import IMAGE, digest
from tests.trials.fleets import Fleet

OCI = "latest@sha256:" + "4d" * 32
FAILED: dict[str, Any] = {"severity": "error", "reason": "ReconciliationFailed"}


def _merged(folder: Path, database: Database) -> Fleet:
    made = Fleet.create(folder, database)
    made.promote("1.1.0")
    return made


@pytest.fixture
def shop(request: pytest.FixtureRequest, histories: Histories, tmp_path: Path, database: Database) -> Fleet:
    """1.0.0 is in both stages; nothing was promoted yet, unless the test asks for `merged` too."""
    make = _merged if "merged" in request.fixturenames else Fleet.create
    return histories.begin(make, tmp_path, database)


@pytest.fixture
def merged(shop: Fleet) -> str:
    """The commit that brought 1.1.0 into both stages."""
    return shop.head


def test_what_was_merged_waits_and_is_overdue_after_a_while(shop: Fleet, merged: str) -> None:
    assert shop.cell() == "staging waiting"
    shop.later(14)
    assert shop.cluster_state().state == "waiting"
    shop.later(1)
    assert shop.cell() == "staging overdue: no event ever came from cluster staging"
    assert shop.promotion_cell() == shop.cell()
    status = shop.status()
    assert status.applications["overdue"] == 2
    assert {one.cluster_state.cluster for one in status.troubles} == {"staging", "production"}
    shop.tell(commit=merged)
    assert (shop.cell(), shop.status().applications["overdue"]) == ("staging", 1)


def test_what_is_overdue_says_that_flux_only_ever_told_of_progress(shop: Fleet, merged: str) -> None:
    shop.tell(commit=merged, reason="Progressing", message="Deployment/app configured")
    shop.later(20)
    assert "only Progressing of main@sha1:" in shop.cluster_state().message
    assert "notification-controller 1.8.0 to 1.8.3" in shop.cluster_state().message


def test_what_is_overdue_says_that_a_dependency_is_not_ready(shop: Fleet, merged: str) -> None:
    shop.tell(commit=merged, reason="DependencyNotReady", message="dependency 'flux-system/db' is not ready")
    shop.later(20)
    assert shop.cluster_state().message.endswith("dependency 'flux-system/db' is not ready")


def test_what_is_overdue_says_what_was_heard_last(shop: Fleet) -> None:
    shop.tell(commit=shop.head)
    shop.later(5)
    shop.promote("1.1.0")
    shop.later(15)
    assert shop.cluster_state().message.startswith(
        "nothing was heard of it since; the last was ReconciliationSucceeded of"
    )
    shop.tell("production", commit=shop.head, name="flux-system")
    assert shop.cluster_state("production").message.startswith("no event of Kustomization flux-system/apps ever came")


def test_progress_takes_nothing_back(shop: Fleet, merged: str) -> None:
    shop.tell(commit=merged)
    shop.later(1)
    shop.tell(commit=merged, reason="Progressing")
    assert shop.cell() == "staging"


def _source(ref: str, *, more: str = "") -> str:
    return (
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\n"
        "metadata: {name: flux-system, namespace: flux-system}\n"
        f"spec: {{url: 'ssh://git@git.acme.example/fleet', ref: {{{ref}}}{more}}}\n"
    )


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param(
            {"clusters/staging/apps.yaml": kustomization("apps", "apps/staging") + "  suspend: true\n"},
            "it is suspended in Git",
            id="a suspended Kustomization",
        ),
        pytest.param(
            {"clusters/staging/source.yaml": _source("tag: v1.0.0, branch: main")},
            "its GitRepository flux-system is pinned to tag v1.0.0",
            id="a source pinned to a tag",
        ),
        pytest.param(
            {"clusters/staging/source.yaml": _source(f"branch: main, commit: {'a' * 40}")},
            "its GitRepository flux-system is pinned to commit aaaaaaaaaaaa",
            id="a source pinned to a commit",
        ),
        pytest.param(
            {"clusters/staging/source.yaml": _source("branch: main", more=", suspend: true")},
            "its GitRepository flux-system is suspended in Git",
            id="a suspended source",
        ),
    ],
)
def test_what_git_shows_to_keep_flux_from_it_is_said_at_once(shop: Fleet, files: dict[str, str], said: str) -> None:
    shop.lane.config.commit("main", {"images/later.yaml": "{}", **files})
    shop.promote("1.1.0")
    assert shop.cell() == f"staging waiting: {said}"
    shop.later(20)
    assert shop.cell() == f"staging overdue: {said}"
    assert shop.cluster_state("production").message == "no event ever came from cluster production"


def test_what_keeps_flux_from_it_is_said_beside_what_the_cluster_runs(shop: Fleet) -> None:
    shop.tell(commit=shop.promote("1.1.0"))
    images = kustomization("images", "images")
    suspended = f"{kustomization('apps', 'apps/staging')}  suspend: true\n---\n{images}"
    shop.lane.config.commit("main", {"clusters/staging/apps.yaml": suspended})
    shop.promote("1.2.0")
    assert shop.cell() == "1.1.0 in staging (waiting: it is suspended in Git)"


def test_a_cluster_that_follows_another_branch_is_not_waited_for(shop: Fleet) -> None:
    shop.lane.config.commit("main", {"clusters/staging/source.yaml": _source("branch: next")})
    shop.promote("1.1.0")
    assert (shop.stage().applied, shop.cell("production")) == ([], "production waiting")


def test_a_cluster_whose_files_did_not_get_the_tag_is_not_waited_for(tmp_path: Path, database: Database) -> None:
    rules = "stages: {all: {paths: [apps/staging, apps/production]}}\n"
    shop = Fleet.create(tmp_path, database, {".fluxbridge.yaml": rules})
    merged = shop.promote("1.1.0")
    shop.lane.config.commit("main", {"apps/production/app.yaml": deployment("1.0.0")})
    shop.tell(commit=merged)
    shop.later(20)
    with database.transaction() as connection:
        shown = list_stages(connection, shop.lane.systems, StageFilters(stage="all"), now=shop.lane.now).items
    shown_overdue = [(one.tag, each.cluster) for one in shown for each in one.applied if each.state == "overdue"]
    assert shown_overdue == [("1.0.0", "production")]
    assert [(one.tag, one.cluster_state.cluster) for one in shop.status().troubles] == shown_overdue


def test_the_commit_of_an_oci_artifact_is_learned_from_a_later_event(shop: Fleet, merged: str) -> None:
    first = shop.tell(revision=OCI)
    assert first.outcome is not None
    assert first.outcome.startswith("ignored: the revision names no commit")
    shop.later(1)
    shop.tell(revision=OCI, origin=f"main@sha1:{merged}")
    assert [(one.state, one.commit) for one in shop.lines()] == [("applied", merged)]
    assert shop.status().unused == []


def test_a_commit_that_was_learned_stays_known(shop: Fleet, merged: str) -> None:
    shop.tell(revision=OCI, origin=f"main@sha1:{merged}")
    shop.later(1)
    shop.tell(revision=OCI, **FAILED)
    assert [(one.state, one.commit) for one in shop.lines()] == [("applied", merged), ("failed", merged)]


def test_a_commit_is_learned_from_an_event_that_was_overtaken_too(shop: Fleet, merged: str) -> None:
    at = shop.lane.now
    shop.later(5)
    shop.tell(revision=OCI)
    shop.tell(revision=OCI, origin=f"main@sha1:{merged}", at=at)
    assert shop.states() == ["applied"]


def test_the_branch_of_an_artifact_is_that_of_its_origin(shop: Fleet, merged: str) -> None:
    shop.tell(revision="main@sha256:" + "4d" * 32, origin=f"refs/heads/main@sha1:{merged}")
    assert shop.states() == ["applied"]


def test_one_event_of_the_future_does_not_silence_what_comes_after(shop: Fleet, merged: str) -> None:
    shop.tell(commit=merged, at=datetime(9999, 12, 31, tzinfo=UTC), **FAILED)
    shop.later(1)
    shop.tell(commit=merged)
    assert shop.states() == ["failed", "applied"]
    assert all(one.at <= shop.lane.now for one in shop.lines())


def test_a_time_in_the_future_that_was_kept_before_blocks_nothing(shop: Fleet, merged: str) -> None:
    shop.tell(commit=merged, **FAILED)
    with shop.lane.database.transaction() as connection:
        future = datetime(9999, 12, 31, tzinfo=UTC)
        connection.execute(revisions.revisions.update().values(at=future))
    shop.later(1)
    shop.tell(commit=merged)
    assert shop.states() == ["failed", "applied"]


def test_an_event_that_is_replayed_does_not_win_over_a_later_one_of_the_same_second(shop: Fleet, merged: str) -> None:
    at = shop.lane.now
    old = shop.keep(commit=merged, at=at, **FAILED)
    shop.interpret()
    shop.lane.now += timedelta(milliseconds=300)
    shop.tell(commit=merged, at=at)
    shop.later(1)
    with shop.lane.database.transaction() as connection:
        assert deliveries.replay(connection, old, now=shop.lane.now)
    shop.interpret()
    shop.lane.run()
    assert shop.cell() == "staging"


def test_later_commits_that_touch_other_files_add_no_line(shop: Fleet, merged: str) -> None:
    arrived = shop.lane.now
    shop.tell(commit=merged)
    later = merged
    for number in range(3):
        shop.later(10)
        later = shop.lane.config.commit("main", {"README.md": str(number)})
        shop.tell(commit=later)
    [line] = shop.lines()
    assert (line.state, line.commit, line.newest_commit, line.at) == ("applied", merged, later, arrived)
    shown = shop.cluster_state()
    assert (shown.at, shown.newest_revision) == (arrived, f"main@sha1:{later}")


def test_failed_and_applied_again_are_lines_of_their_own(shop: Fleet, merged: str) -> None:
    shop.tell(commit=merged)
    shop.later(1)
    broken = shop.lane.config.commit("main", {"README.md": "broken"})
    shop.tell(commit=broken, **FAILED)
    assert shop.cell() == "staging failed: ReconciliationFailed: done (runs 1.1.0)"
    shop.later(1)
    shop.tell(commit=broken)
    assert shop.states() == ["applied", "failed", "applied"]
    assert shop.cluster_state().at == shop.lane.now


def test_a_failure_is_said_wherever_applied_is_shown(shop: Fleet, merged: str) -> None:
    words = "Deployment/app dry-run failed:\n\x1b[2J\N{RIGHT-TO-LEFT OVERRIDE} not allowed"
    shop.tell(commit=merged, message=words, **FAILED)
    said = "staging failed: ReconciliationFailed: Deployment/app dry-run failed: \\x1b[2J\\u202e not allowed"
    assert (shop.cell(), shop.promotion_cell()) == (said, said)
    status = shop.status()
    assert (status.applications["failed"], status.applications["waiting"]) == (1, 1)
    assert [(one.stage, one.tag, one.cluster_state.state) for one in status.troubles] == [
        ("staging", "1.1.0", "failed")
    ]


def test_words_of_flux_are_bounded(shop: Fleet, merged: str) -> None:
    shop.tell(commit=merged, message="no " * 10_000, **FAILED)
    assert len(shop.cell()) < 200


@pytest.mark.parametrize("reason", ["HealthCheckFailed", "PruneFailed"])
def test_what_fails_after_it_was_applied_is_applied_and_not_healthy(shop: Fleet, merged: str, reason: str) -> None:
    shop.tell(commit=merged, severity="error", reason=reason, message="no healthy pods")
    assert shop.cell() == f"staging not healthy: {reason}: no healthy pods"
    assert shop.cluster_state().runs == "1.1.0"
    shop.later(1)
    shop.tell(commit=merged)
    assert shop.states() == ["not healthy", "applied"]


@pytest.mark.parametrize("reason", ["BuildFailed", "ArtifactFailed", "ReconciliationFailed", "SomethingNew"])
def test_what_fails_before_it_was_applied_is_not_applied(shop: Fleet, merged: str, reason: str) -> None:
    shop.tell(commit=merged)
    shop.later(1)
    newer = shop.promote("1.2.0")
    shop.tell(commit=newer, severity="error", reason=reason, message="boom")
    assert shop.states(tag="1.2.0") == ["failed"]
    assert shop.cell() == f"staging failed: {reason}: boom (runs 1.1.0)"


def test_a_health_check_that_fails_after_another_failure_is_news(shop: Fleet, merged: str) -> None:
    shop.tell(commit=merged, **FAILED)
    shop.later(1)
    shop.tell(commit=merged, severity="error", reason="HealthCheckFailed")
    assert shop.states() == ["failed", "not healthy"]


def test_a_cluster_runs_what_it_last_applied_whatever_git_says_since(shop: Fleet, merged: str) -> None:
    shop.tell(commit=merged)
    shop.later(1)
    newer = shop.promote("1.2.0")
    shop.tell(commit=newer)
    shop.later(1)
    reverted = shop.lane.config.commit("main", {"apps/staging/app.yaml": deployment("1.1.0")})
    shop.lane.run()
    assert (shop.stage().tag, shop.cell()) == ("1.1.0", "1.2.0 in staging")
    shop.later(20)
    assert shop.cell().startswith("staging overdue: nothing was heard of it since")
    assert shop.cell().endswith("(runs 1.2.0)")
    shop.tell(commit=reverted)
    assert (shop.cell(), shop.cluster_state().runs) == ("staging", "1.1.0")


def test_a_cluster_that_is_pinned_back_runs_the_older_tag_again(shop: Fleet, merged: str) -> None:
    shop.tell(commit=merged)
    newer = shop.promote("1.2.0")
    for commit in (newer, merged):
        shop.later(1)
        shop.tell(commit=commit)
    assert shop.cell() == "1.1.0 in staging"


def test_a_cluster_that_went_back_to_what_no_promotion_brought_does_not_run_the_promotion(shop: Fleet) -> None:
    before = shop.head
    merged = shop.promote("1.1.0")
    for commit in (merged, before):
        shop.tell(commit=commit)
        shop.later(1)
    assert shop.states() == ["applied", "replaced"]
    assert shop.cell() == "staging replaced: 1.0.0 took its place, which no promotion brought"


def test_a_kustomization_of_another_name_takes_over_once_flux_tells_of_it(shop: Fleet, merged: str) -> None:
    shop.tell(commit=merged)
    renamed = kustomization("shop", "apps/staging") + "---\n" + kustomization("images", "images")
    moved = shop.lane.config.commit("main", {"clusters/staging/apps.yaml": renamed})
    shop.later(1)
    shop.lane.run()
    assert {(one.kustomization, one.state) for one in shop.stage().applied} == {
        ("flux-system/apps", "applied"),
        ("flux-system/shop", "waiting"),
    }
    shop.tell(commit=moved, name="shop")
    [one] = shop.stage().applied
    assert (one.kustomization, one.state) == ("flux-system/shop", "applied")


def test_an_image_whose_build_ended_badly_is_marked(shop: Fleet) -> None:
    shop.promote("1.1.0")
    assert shop.stage().doubtful is None
    told = BuildFinished(
        controller="main",
        job="team/app/main",
        number=7,
        result=BuildResult.FAILURE,
        artifacts=(Artifact("image", IMAGE, "1.1.0", digest("1.1.0")),),
    )
    with shop.lane.telling_of("1.1.0") as connection:
        builds.record(connection, told, is_ours=False, source="ci", delivery_id=None, now=shop.lane.now)
    assert shop.stage().doubtful == "build team/app/main #7 ended FAILURE"
