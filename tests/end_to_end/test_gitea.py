"""Gitea: pull requests over its REST API, git over HTTP to a protected main, and its own webhooks."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bridge import deployment
from tests.end_to_end.databases import both_databases
from tests.end_to_end.gitea_worlds import BOT, BOT_TOKEN, HOOK_SECRET, MIRA, GiteaWorld, gitea_world
from tests.servers.rest_answers import Answer


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[GiteaWorld]:
    """One app in two stages, all at 1.0.0, with everything settled."""
    with gitea_world(tmp_path, database_url) as running:
        yield running


@both_databases
def test_a_push_and_a_build_become_pull_requests_that_mira_squashes_and_one_that_she_reverts(world: GiteaWorld) -> None:
    world.bridge.report_build("1.1.0", digest=world.bridge.push_image("1.1.0"))
    labels = {"staging": ["staging", "automated"], "production": ["production"]}
    for stage in ("staging", "production"):
        pull = world.wait_for_pull(stage, "1.1.0")
        assert (pull.title, pull.author, pull.base) == (f"Promote app 1.0.0 to 1.1.0 in {stage}", BOT, "main")
        assert set(world.labels(pull)) == set(labels[stage])
        commit = world.gitea.merge(pull.number, by=MIRA, method="squash")
        merged = world.bridge.wait_for_state(stage, "1.1.0", "merged")
        assert (merged["merged_by"], merged["merge_commit"]) == (MIRA, commit)
        world.bridge.apply(stage, commit)
        world.bridge.settle()
        assert world.gitea.repository.head(pull.head) is None, "branches are deleted after a merge"
    now = {one["stage"]: (one["tag"], one["merged_by"], len(one["applied"])) for one in world.bridge.items("/stages")}
    assert now == {"staging": ("1.1.0", MIRA, 1), "production": ("1.1.0", MIRA, 1)}
    assert {delivery.status for delivery in world.gitea.wait_for_webhooks(4)} == {202}

    world.gitea.push("main", {"apps/production/app.yaml": deployment("1.0.0")}, by=MIRA)
    world.bridge.wait_for_state("production", "1.1.0", "reverted")


def test_a_pull_request_that_mira_closed_stays_closed_until_she_reopens_it(world: GiteaWorld) -> None:
    world.bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    world.gitea.close(pull.number, by=MIRA)
    closed = world.bridge.wait_for_state("staging", "1.1.0", "closed")
    assert closed["reason"] == f"pull request {pull.number} was closed by {MIRA}"
    world.bridge.settle()
    assert world.open_pulls() == []
    world.gitea.reopen(pull.number, by=MIRA)
    assert world.wait_for_pull("staging", "1.1.0").number == pull.number


def test_a_newer_tag_updates_the_pull_request_in_place(world: GiteaWorld) -> None:
    world.bridge.push_image("1.1.0")
    first = world.wait_for_pull("staging", "1.1.0")
    world.bridge.push_image("1.2.0")
    second = world.wait_for_pull("staging", "1.2.0")
    assert (second.number, second.title) == (first.number, "Promote app 1.0.0 to 1.2.0 in staging")
    assert world.bridge.text("apps/staging/app.yaml", second.head) == deployment("1.2.0")
    assert len(world.gitea.every()) == 1


def test_what_no_webhook_told_is_found_by_looking(tmp_path: Path, sqlite_url: str) -> None:
    with gitea_world(tmp_path, sqlite_url, has_webhook=False, branches_s=0.5) as world:
        world.bridge.push_image("1.1.0")
        pull = world.wait_for_pull("staging", "1.1.0")
        commit = world.gitea.merge(pull.number, by=MIRA)
        assert world.bridge.wait_for_state("staging", "1.1.0", "merged")["merge_commit"] == commit
        world.bridge.push_image("1.2.0")
        closed = world.wait_for_pull("staging", "1.2.0")
        world.gitea.close(closed.number, by=MIRA)
        reason = world.bridge.wait_for_state("staging", "1.2.0", "closed")["reason"]
        assert reason == f"pull request {closed.number} was closed by {MIRA}"


def test_a_merge_by_git_which_gitea_does_not_see_is_a_merge(world: GiteaWorld) -> None:
    world.bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    before = world.gitea.repository.head("main")
    world.gitea.repository.git("update-ref", "refs/heads/main", pull.head_sha)
    world.gitea.notice("main", before, by=MIRA)
    merged = world.bridge.wait_for_state("staging", "1.1.0", "merged")
    assert merged["merge_commit"] == pull.head_sha
    world.bridge.settle()
    assert world.bridge.items("/holds", active="true") == []
    shown = world.gitea.shown(pull.number)
    assert (shown.is_open, shown.closed_by, world.gitea.repository.head(pull.head)) == (False, BOT, None)


def test_answers_that_were_lost_after_acting_leave_one_pull_request(world: GiteaWorld) -> None:
    world.gitea.break_next("lose", method="POST", path_ending="/pulls")
    world.bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    world.gitea.break_next("lose", method="PATCH")
    world.bridge.push_image("1.2.0")
    assert world.wait_for_pull("staging", "1.2.0").number == pull.number
    world.bridge.settle()
    assert [one.number for one in world.gitea.every()] == [pull.number]
    assert set(world.labels(pull)) == {"staging", "automated"}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Answer(500, raw=b"<html>"), id="broken"),
        pytest.param(Answer(429, {"message": "slow down"}, {"Retry-After": "1"}), id="limited by a proxy"),
        pytest.param(Answer(200, raw=b"<html>Sign in"), id="login page"),
    ],
)
def test_a_gitea_that_answers_badly_is_asked_again(shared: GiteaWorld, fault: Answer) -> None:
    number = len(shared.gitea.every())
    tag = f"1.{number + 1}.0"
    for method in ("GET", "POST"):
        shared.gitea.break_next(fault, method=method)
    shared.bridge.push_image(tag)
    pull = shared.wait_for_pull("staging", tag)
    assert shared.open_pulls() == [pull.number]
    shared.gitea.merge(pull.number, by=MIRA)
    shared.bridge.wait_for_state("staging", tag, "merged")
    shared.bridge.settle()
    assert len(shared.gitea.every()) == number + 1


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GiteaWorld]:
    """One for all the faults: each leaves all merged."""
    folder = tmp_path_factory.mktemp("gitea")
    with gitea_world(folder, f"sqlite:///{folder / 'fluxbridge.db'}") as running:
        yield running


def test_a_token_that_is_revoked_in_mid_run_shows_nowhere_and_a_new_one_goes_on(
    world: GiteaWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    world.gitea.accounts[BOT] = "gta_revoked"
    world.bridge.push_image("1.2.0")
    refused = world.bridge.wait_for("an error", lambda: world.bridge.items("/lanes")[0]["last_error"])
    assert "the token for acme/fleet on Gitea was not accepted" in refused
    world.gitea.accounts[BOT] = BOT_TOKEN
    assert world.wait_for_pull("staging", "1.2.0").number == pull.number
    world.bridge.settle()
    urls = [f"{one.path}?{one.query}" for one in world.gitea.exchanges]
    told = "\n".join([*urls, caplog.text, world.bridge.told(), str(pull.body)])
    assert [secret for secret in (BOT_TOKEN, HOOK_SECRET) if secret in told] == []
