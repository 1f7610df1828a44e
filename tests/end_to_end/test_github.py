"""GitHub: pull requests over its REST API, git over HTTP to a protected main, and its own webhooks."""

import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from app.db.collections import METADATA
from tests.end_to_end.bridge import deployment
from tests.end_to_end.databases import both_databases
from tests.end_to_end.worlds import BOT, BOT_TOKEN, GITHUB_SECRET, MIRA, GitHubWorld, github_world
from tests.servers.pulls import MergeMethod
from tests.servers.rest_answers import Answer


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[GitHubWorld]:
    """One app in two stages, all at 1.0.0, with everything settled."""
    with github_world(tmp_path, database_url) as running:
        yield running


@both_databases
@pytest.mark.parametrize("method", ["merge", "squash"])
def test_a_push_and_a_build_become_pull_requests_that_mira_merges(world: GitHubWorld, method: MergeMethod) -> None:
    digest = world.bridge.push_image("1.1.0")
    world.bridge.report_build("1.1.0", digest=digest)
    labels = {"staging": ["staging", "automated"], "production": ["production"]}
    for stage in ("staging", "production"):
        pull = world.wait_for_pull(stage, "1.1.0")
        assert (pull.title, pull.author, pull.base) == (f"Promote app 1.0.0 to 1.1.0 in {stage}", BOT, "main")
        assert pull.labels == labels[stage]
        assert world.bridge.text(f"apps/{stage}/app.yaml", pull.head) == deployment("1.1.0")
        commit = world.github.merge(pull.number, by=MIRA, method=method)
        merged = world.bridge.wait_for_state(stage, "1.1.0", "merged")
        assert (merged["merged_by"], merged["merge_commit"]) == (MIRA, commit)
        assert world.bridge.text(f"apps/{stage}/app.yaml") == deployment("1.1.0")
        world.bridge.apply(stage, commit)
        world.bridge.settle()
        assert world.github.repository.head(pull.head) is None, "branches are deleted after a merge"
    now = {one["stage"]: one for one in world.bridge.items("/stages")}
    assert {stage: (one["tag"], one["merged_by"], len(one["applied"])) for stage, one in now.items()} == {
        "staging": ("1.1.0", MIRA, 1),
        "production": ("1.1.0", MIRA, 1),
    }


def test_a_newer_tag_updates_the_pull_request_in_place(world: GitHubWorld) -> None:
    world.bridge.push_image("1.1.0")
    first = world.wait_for_pull("staging", "1.1.0")
    world.bridge.push_image("1.2.0")
    second = world.wait_for_pull("staging", "1.2.0")
    assert (second.number, second.title) == (first.number, "Promote app 1.0.0 to 1.2.0 in staging")
    assert world.bridge.text("apps/staging/app.yaml", second.head) == deployment("1.2.0")
    assert len(world.pulls()) == 1


def test_a_pull_request_that_mira_closed_stays_closed_until_a_higher_tag(world: GitHubWorld) -> None:
    world.bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    world.github.close(pull.number, by=MIRA)
    closed = world.bridge.wait_for_state("staging", "1.1.0", "closed")
    assert closed["reason"] == f"pull request {pull.number} was closed by {MIRA}"
    world.bridge.push_image("1.0.5")
    world.bridge.settle()
    assert world.open_pulls() == []
    assert world.github.repository.head(pull.head) is not None, "it could be reopened"
    world.bridge.push_image("1.2.0")
    assert world.wait_for_pull("staging", "1.2.0").number != pull.number
    assert len(world.open_pulls()) == 1


def test_a_pull_request_that_mira_reopened_is_proposed_again(world: GitHubWorld) -> None:
    world.bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    world.github.close(pull.number, by=MIRA)
    world.bridge.wait_for_state("staging", "1.1.0", "closed")
    world.github.reopen(pull.number, by=MIRA)
    assert world.wait_for_pull("staging", "1.1.0").number == pull.number
    world.bridge.push_image("1.2.0")
    assert world.wait_for_pull("staging", "1.2.0").number == pull.number, "the hold is lifted"


def test_an_answer_that_was_lost_after_the_pull_request_was_made_leaves_exactly_one(world: GitHubWorld) -> None:
    world.github.break_next("lose", method="POST", path_ending="/pulls")
    world.bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    world.bridge.settle()
    assert [one.number for one in world.pulls()] == [pull.number]
    assert pull.labels == ["staging", "automated"]


def test_a_pull_request_that_a_stale_list_hides_is_found_when_github_says_it_exists(world: GitHubWorld) -> None:
    world.github.break_next("lose", method="POST", path_ending="/pulls")
    # Each list that the next run asks for before it opens the pull request.
    for _ in range(4):
        world.github.break_next(Answer(200, []), method="GET", path_ending="/pulls")
    world.bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    world.bridge.settle()
    assert [one.number for one in world.pulls()] == [pull.number]
    assert pull.labels == ["staging", "automated"]
    assert 422 in {exchange.status for exchange in world.github.exchanges}


def test_a_pull_request_from_a_fork_with_our_branchs_name_is_nothing_of_ours(world: GitHubWorld) -> None:
    world.bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    world.github.merge(pull.number, by=MIRA)
    world.bridge.wait_for_state("staging", "1.1.0", "merged")
    theirs = world.github.open_from_fork(pull.head, {"apps/staging/app.yaml": deployment("6.6.6")}, by="mallory")
    world.bridge.push_image("1.2.0")
    ours = world.wait_for_pull("staging", "1.2.0")
    world.bridge.settle()
    assert ours.number != theirs
    forked = next(one for one in world.pulls() if one.number == theirs)
    assert (forked.is_open, forked.title, forked.comments) == (True, "From a fork", [])


def test_main_moving_in_the_edited_file_rebuilds_the_branch(world: GitHubWorld) -> None:
    world.bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    before = pull.head_sha
    world.github.push("main", {"apps/staging/app.yaml": deployment("1.0.0", replicas=5)}, by=MIRA)
    world.bridge.wait_for("a rebuilt branch", lambda: world.github.repository.head(pull.head) != before)
    world.bridge.settle()
    assert world.bridge.text("apps/staging/app.yaml", pull.head) == deployment("1.1.0", replicas=5)
    assert world.open_pulls() == [pull.number]


def test_a_webhook_that_github_sends_again_changes_nothing(world: GitHubWorld) -> None:
    world.bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    world.github.merge(pull.number, by=MIRA)
    merged = world.bridge.wait_for_state("staging", "1.1.0", "merged")
    world.bridge.settle()
    sent = world.github.wait_for_webhooks(4)
    history = world.bridge.get(f"/promotions/{merged['id']}")["events"]
    for delivery in sent:
        world.github.send_webhook_again(delivery)
    again = world.github.wait_for_webhooks(2 * len(sent))
    world.bridge.settle()
    assert {delivery.status for delivery in again} == {202}
    assert len(world.bridge.items("/deliveries", source="github")) == len(sent)
    assert world.bridge.get(f"/promotions/{merged['id']}")["events"] == history
    assert len(world.pulls()) == 1


def test_main_is_protected_from_us_and_we_never_try(world: GitHubWorld, tmp_path: Path) -> None:
    world.bridge.report_build("1.1.0", digest=world.bridge.push_image("1.1.0"))
    for stage in ("staging", "production"):
        world.github.merge(world.wait_for_pull(stage, "1.1.0").number, by=MIRA)
        world.bridge.wait_for_state(stage, "1.1.0", "merged")
    world.bridge.settle()
    tried = world.tried_refs()
    assert len(tried) == 2
    assert all(ref.startswith("refs/heads/fluxbridge/main/") for ref in tried)

    url = world.github.git_url.replace("://", f"://x-access-token:{BOT_TOKEN}@")
    world.github.repository.commit("sneaky", {"apps/production/app.yaml": deployment("6.6.6")})
    pushed = subprocess.run(
        ["git", "--git-dir", world.github.repository.path, "push", "--quiet", url, "sneaky:main"],
        capture_output=True,
        check=False,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GIT_TERMINAL_PROMPT": "0"},
    )
    assert "Protected branch update failed for refs/heads/main" in pushed.stderr


def test_no_secret_shows_in_urls_logs_rows_files_or_errors(
    world: GitHubWorld, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    world.bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    world.github.accounts[BOT] = "ghp_revoked"
    world.bridge.push_image("1.2.0")
    refused = world.bridge.wait_for("an error", lambda: world.bridge.items("/lanes")[0]["last_error"])
    assert "the token for acme/fleet on GitHub was not accepted" in refused
    world.github.accounts[BOT] = BOT_TOKEN
    world.wait_for_pull("staging", "1.2.0")
    world.bridge.settle()

    urls = [f"{one.path}?{one.query}" for one in world.github.exchanges]
    urls += [f"{one.path}?{one.query}" for one in world.github._git.requests]
    assert any("git-receive-pack" in url for url in urls)
    written = capfd.readouterr()
    places = {
        "urls": "\n".join(urls),
        "output": written.out + written.err,
        "log": caplog.text,
        "rows": _rows(world),
        "files": _files(world),
        "api": world.bridge.told(),
        "pull request": f"{pull.body}{world.github.comments(pull.number)}",
    }
    assert "lane reconciled" in places["log"]
    found = [
        (where, secret) for where, text in places.items() for secret in (BOT_TOKEN, GITHUB_SECRET) if secret in text
    ]
    assert found == []


def _rows(world: GitHubWorld) -> str:
    with world.bridge.server.database.transaction() as connection:
        return "\n".join(str(row) for table in METADATA.sorted_tables for row in connection.execute(select(table)))


def _files(world: GitHubWorld) -> str:
    """Everything in the data folder: the database where it is a file, and the mirror with git's configuration."""
    folder = world.bridge.folder / "data"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "config" for path in files)
    return "\n".join(path.read_bytes().decode("latin-1") for path in files)
