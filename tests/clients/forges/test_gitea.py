"""Gitea keeps the forge contract over a real repository, and what only Gitea has."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.clients.forges.errors import (
    ForgeRefused,
    ForgeUnavailable,
    RepositoryMoved,
    RepositoryNotVisible,
    UnknownPullRequest,
    WrongForge,
)
from app.core.ports import GitMerge, PullRequest, PullRequestDraft, PullRequestState, Rights
from tests.clients.forges.forge_contract import HEAD, ForgeContract, ForgeWorld, draft, opened
from tests.clients.forges.gitea_worlds import BOT, BOT_TOKEN, MIRA_TOKEN, GiteaWorld, connect, gitea_world
from tests.clients.forges.served_worlds import MIRA
from tests.servers.gitea import GiteaServer
from tests.servers.pulls import MergeMethod
from tests.servers.rest_answers import Answer


@pytest.fixture
def gitea(tmp_path: Path) -> Iterator[GiteaWorld]:
    with gitea_world(tmp_path) as world:
        yield world


@pytest.fixture
def forge_world(gitea: GiteaWorld) -> ForgeWorld:
    return gitea


class TestGitea(ForgeContract):
    """The promises of every forge."""


@pytest.mark.parametrize("method", ["merge", "squash", "rebase", "fast-forward"])
def test_each_way_to_merge_names_who_which_commit_and_the_head_that_went_in(
    gitea: GiteaWorld, method: MergeMethod
) -> None:
    before = opened(gitea)
    commit = gitea.server.merge(before.number, by=MIRA, method=method)
    shown = gitea.forge.pull_request(before.number)
    assert (shown.state, shown.merged_by, shown.merge_commit) == (PullRequestState.MERGED, MIRA, commit)
    assert (shown.head_sha, shown.closed_by, gitea.head("main")) == (before.head_sha, None, commit)
    assert (commit == before.head_sha) == (method in {"rebase", "fast-forward"})


@pytest.mark.parametrize("ended", ["closed", "merged"])
def test_one_that_ended_keeps_its_head_when_the_branch_goes_on(gitea: GiteaWorld, ended: str) -> None:
    before = opened(gitea)
    (gitea.close_as if ended == "closed" else gitea.merge_as)(MIRA, before.number)
    moved = gitea.push(HEAD, {"app.yaml": "tag: 1.3.0\n"})
    [found] = gitea.forge.find_pull_requests(head=HEAD)
    assert (found.state, found.head_sha) == (PullRequestState(ended), before.head_sha)
    assert gitea.forge.open_pull_request(draft()).head_sha == moved


def test_deleting_the_branch_is_a_close_by_whoever_did_it(gitea: GiteaWorld) -> None:
    before = opened(gitea)
    gitea.server.delete_branch(HEAD, by=MIRA)
    [shown] = gitea.forge.find_pull_requests(head=HEAD)
    assert (shown.state, shown.closed_by, shown.head_sha) == (PullRequestState.CLOSED, MIRA, before.head_sha)


def merged_by_git(gitea: GiteaWorld) -> tuple[PullRequest, GitMerge]:
    before = opened(gitea)
    gitea.server.repository.git("update-ref", "refs/heads/main", before.head_sha)
    gitea.server.notice("main", None, by=MIRA)
    at = datetime(2026, 5, 4, tzinfo=UTC)
    return before, GitMerge(head=before.head_sha, commit=before.head_sha, by="Mira", at=at)


def test_what_was_merged_by_git_which_gitea_does_not_see_is_closed_there(gitea: GiteaWorld) -> None:
    before, merge = merged_by_git(gitea)
    assert gitea.forge.pull_request(before.number).state is PullRequestState.OPEN
    for _ in range(2):
        shown = gitea.forge.notice_merge(before.number, merge)
        assert (shown.state, shown.merged_by, shown.merged_at) == (PullRequestState.MERGED, "Mira", merge.at)
        assert (shown.merge_commit, shown.closed_by) == (before.head_sha, None)
        assert gitea.server.shown(before.number).closed_by == BOT


def test_a_merge_by_git_is_left_to_a_repository_that_sees_it(gitea: GiteaWorld) -> None:
    before, merge = merged_by_git(gitea)
    seeing = {"full_name": "acme/fleet", "autodetect_manual_merge": True}
    gitea.server.break_next(Answer(200, seeing), path_ending="/repos/acme/fleet")
    assert gitea.forge.notice_merge(before.number, merge).state is PullRequestState.OPEN


def test_of_a_merge_that_gitea_tells_nothing_of_git_counts(gitea: GiteaWorld) -> None:
    before = opened(gitea)
    commit = gitea.server.merge(before.number, by=MIRA)
    merge = GitMerge(head=before.head_sha, commit="ab" * 20, by="Ada", at=datetime(2026, 5, 4, tzinfo=UTC))
    shown = gitea.forge.notice_merge(before.number, merge)
    assert (shown.merged_by, shown.merge_commit) == (MIRA, commit)


def approve(server: GiteaServer, number: int) -> None:
    server.approve(number, by=MIRA)


def approve_as_a_reader(server: GiteaServer, number: int) -> None:
    server.approve(number, by="mallory", association="NONE")


def approve_what_moves_on(server: GiteaServer, number: int) -> None:
    server.approve(number, by=MIRA)
    server.push(HEAD, {"app.yaml": "tag: 1.3.0\n"}, by=BOT)


def approve_and_take_it_back(server: GiteaServer, number: int) -> None:
    server.approve(number, by=MIRA)
    server.review(number, "CHANGES_REQUESTED", by=MIRA)


def approve_and_comment(server: GiteaServer, number: int) -> None:
    server.approve(number, by=MIRA)
    server.review(number, "COMMENTED", by=MIRA)


def dismiss(server: GiteaServer, number: int) -> None:
    server.approve(number, by=MIRA)
    server.review(number, "DISMISSED", by=MIRA)


def merge_when_ready(server: GiteaServer, number: int) -> None:
    server.enable_auto_merge(number, by=MIRA)


def merge_when_ready_no_more(server: GiteaServer, number: int) -> None:
    for kind in ("pull_scheduled_merge", "pull_cancel_scheduled_merge"):
        server.api.note(number, kind, MIRA, server.shown(number).updated_at)


@pytest.mark.parametrize(
    ("act", "is_committed"),
    [
        pytest.param(approve, True, id="approved"),
        pytest.param(approve_and_comment, True, id="approved, then commented"),
        pytest.param(merge_when_ready, True, id="merges by itself"),
        pytest.param(merge_when_ready_no_more, False, id="no longer merges by itself"),
        pytest.param(approve_as_a_reader, False, id="approved by a reader"),
        pytest.param(approve_what_moves_on, False, id="approved before the head moved"),
        pytest.param(approve_and_take_it_back, False, id="approval taken back"),
        pytest.param(dismiss, False, id="approval dismissed"),
    ],
)
def test_people_commit_to_the_head_that_they_approved(
    gitea: GiteaWorld, act: Callable[[GiteaServer, int], None], *, is_committed: bool
) -> None:
    number = opened(gitea).number
    act(gitea.server, number)
    assert gitea.forge.pull_request(number).is_committed is is_committed


def test_a_fork_with_our_branch_name_is_not_ours(gitea: GiteaWorld) -> None:
    foreign = gitea.server.open_from_fork(HEAD, {"app.yaml": "tag: 6.6.6\n"}, by="mallory")
    ours = opened(gitea)
    assert [each.number for each in gitea.forge.find_pull_requests(head=HEAD)] == [ours.number]
    assert gitea.forge.pull_request(foreign).is_from_fork
    assert list(gitea.forge.open_pull_requests(prefix="fluxbridge")) == [ours.seen]
    assert [each.number for each in gitea.forge.recent_pull_requests(prefix="fluxbridge", limit=9)] == [ours.number]


def test_lists_are_read_over_all_their_pages(gitea: GiteaWorld) -> None:
    numbers = [opened(gitea, f"fluxbridge/main/staging/app-{index}").number for index in range(3)]
    gitea.server.api.most_items = 2
    assert [each.number for each in gitea.forge.open_pull_requests(prefix="fluxbridge")] == numbers
    recent = gitea.forge.recent_pull_requests(prefix="fluxbridge", limit=50)
    assert [each.number for each in recent] == numbers[::-1]


def test_a_label_of_the_repository_or_its_organisation_is_not_made_again(gitea: GiteaWorld) -> None:
    server = gitea.server
    server.api.organisation_labels.append({"id": 900, "name": "staging"})
    gitea.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    first = gitea.forge.open_pull_request(draft(labels=("fluxbridge", "staging")))
    opened(gitea, "fluxbridge/main/staging/other")
    again = gitea.forge.open_pull_request(
        PullRequestDraft(head=HEAD, base="main", title="again", body="", labels=("fluxbridge", "staging"))
    )
    assert again == first
    assert set(first.labels) == {"fluxbridge", "staging"}
    assert [one["name"] for one in server.api.labels] == ["fluxbridge"]


def test_to_open_what_is_open_already_writes_nothing(gitea: GiteaWorld) -> None:
    gitea.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    first = gitea.forge.open_pull_request(draft(labels=("fluxbridge",)))
    before = len(gitea.server.exchanges)
    assert gitea.forge.open_pull_request(draft(labels=("fluxbridge",))) == first
    assert {each.method for each in gitea.server.exchanges[before:]} == {"GET"}


def test_one_that_somebody_opens_since_it_was_looked_for_is_found_and_labelled(gitea: GiteaWorld) -> None:
    number = opened(gitea).number
    gitea.server.break_next(Answer(200, []), method="GET", path_ending="/pulls")
    again = gitea.forge.open_pull_request(draft(labels=("fluxbridge",)))
    assert (again.number, again.labels) == (number, ("fluxbridge",))


def test_one_that_is_open_into_another_base_is_another_one(gitea: GiteaWorld) -> None:
    first = opened(gitea)
    gitea.server.repository.git("branch", "release/1", "main")
    second = gitea.forge.open_pull_request(PullRequestDraft(head=HEAD, base="release/1", title="web", body=""))
    assert (second.number, second.base) == (first.number + 1, "release/1")
    assert gitea.forge.open_pull_request(draft()).number == first.number


def test_a_lost_answer_leaves_one_pull_request_which_the_next_try_finds(gitea: GiteaWorld) -> None:
    gitea.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    gitea.server.break_next("lose", method="POST", path_ending="/pulls")
    with pytest.raises(ForgeUnavailable):
        gitea.forge.open_pull_request(draft())
    [found] = gitea.forge.find_pull_requests(head=HEAD)
    assert gitea.forge.open_pull_request(draft()).number == found.number


def test_a_comment_that_was_kept_though_the_answer_says_500_is_not_said_again(gitea: GiteaWorld) -> None:
    number = opened(gitea).number
    gitea.server.settings.answers_comments_with_500 = True
    gitea.forge.comment(number, "A newer tag waits.")
    assert gitea.server.comments(number) == [(BOT, "A newer tag waits.")]


def test_a_comment_that_was_not_kept_is_an_error(gitea: GiteaWorld) -> None:
    number = opened(gitea).number
    gitea.server.break_next(Answer(500, {}), method="POST", path_ending="/comments")
    with pytest.raises(ForgeUnavailable, match="answered 500"):
        gitea.forge.comment(number, "A newer tag waits.")


def test_a_long_title_is_cut_as_gitea_would_cut_it(gitea: GiteaWorld) -> None:
    number = opened(gitea).number
    gitea.forge.edit_pull_request(number, title="ü" * 300, body="b")
    assert gitea.forge.pull_request(number).title == "ü" * 126 + "…"
    [sent] = [json.loads(each.sent) for each in gitea.server.exchanges if each.method == "PATCH"]
    assert sent["title"] == "ü" * 126 + "…"


def test_writes_are_counted_before_they_are_made(gitea: GiteaWorld) -> None:
    spent: list[int] = []
    forge = connect(gitea.server.api_url, spend=spent.append)
    gitea.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    number = forge.open_pull_request(draft(labels=("a", "b"))).number
    forge.edit_pull_request(number, title="t", body="b")
    forge.comment(number, "c")
    forge.close_pull_request(number)
    assert spent == [3, 1, 1, 1]


@pytest.mark.parametrize(
    ("version", "product"),
    [
        pytest.param("1.23.0+dev-2ac6f2b129", "Gitea 1.23.0+dev-2ac6f2b129", id="Gitea"),
        pytest.param("11.0.1+gitea-1.22.0", "Forgejo 11.0.1+gitea-1.22.0", id="Forgejo"),
    ],
)
def test_it_tells_which_of_the_two_it_is(gitea: GiteaWorld, version: str, product: str) -> None:
    gitea.server.settings.version = version
    assert gitea.forge.product() == product


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        pytest.param(
            {"/version": Answer(200, {"version": "17.4.1", "revision": "ab"})}, "this is GitLab 17.4.1", id="GitLab"
        ),
        pytest.param(
            {
                "/version": Answer(404, {"message": "Not Found"}),
                "/meta": Answer(200, {"verifiable_password_authentication": True}),
            },
            "this is GitHub",
            id="GitHub",
        ),
        pytest.param({"/version": Answer(404, raw=b"<html>")}, "no forge that is known here", id="anything else"),
    ],
)
def test_what_is_neither_is_named_and_nothing_else_is_asked(
    gitea: GiteaWorld, answers: dict[str, Answer], told: str
) -> None:
    for path, answer in answers.items():
        gitea.server.break_next(answer, path_ending=path)
    with pytest.raises(WrongForge, match=rf"{told}.*set forge\.api_url to https://HOST/api/v1"):
        gitea.forge.account()
    assert {each.path for each in gitea.server.exchanges} <= {"/version", "/meta"}


def test_a_missing_pull_request_differs_from_a_repository_that_we_may_not_see(gitea: GiteaWorld) -> None:
    with pytest.raises(UnknownPullRequest):
        gitea.forge.comment(4711, "x")
    with pytest.raises(RepositoryNotVisible, match=r"correct forge\.repository"):
        connect(gitea.server.api_url, repository="acme/hidden").pull_request(1)


def test_a_renamed_repository_is_said_so_and_nothing_is_lost_silently(gitea: GiteaWorld) -> None:
    number = opened(gitea).number
    gitea.server.rename("acme/platform")
    for ask in (
        lambda: gitea.forge.pull_request(number),
        lambda: gitea.forge.find_pull_requests(head=HEAD),
        lambda: gitea.forge.comment(number, "Never kept."),
    ):
        with pytest.raises(RepositoryMoved, match=r"acme/fleet is called 'acme/platform'.*set forge.repository"):
            ask()
    assert gitea.server.comments(number) == []


def test_an_archived_repository_is_said_so_with_what_to_do(gitea: GiteaWorld) -> None:
    number = opened(gitea).number
    gitea.push("fluxbridge/main/staging/other", {"app.yaml": "tag: 1.2.0\n"})
    gitea.server.archive()
    with pytest.raises(ForgeRefused, match="archived: take it out of the archive"):
        gitea.forge.open_pull_request(draft("fluxbridge/main/staging/other"))
    with pytest.raises(ForgeRefused, match="archived"):
        gitea.forge.comment(number, "x")


def test_pull_requests_that_are_turned_off_are_to_be_turned_on(gitea: GiteaWorld) -> None:
    gitea.server.turn_off_pull_requests()
    with pytest.raises(ForgeRefused, match="turn them on"):
        gitea.forge.open_pull_requests(prefix="fluxbridge")


def test_the_scope_that_a_token_lacks_is_named(gitea: GiteaWorld) -> None:
    number = opened(gitea).number
    gitea.server.api.scopes[BOT] = {"read:repository"}
    with pytest.raises(ForgeRefused, match="lacks a scope: make one with read:user"):
        gitea.forge.account()
    with pytest.raises(ForgeRefused, match="make one with write:repository"):
        gitea.forge.edit_pull_request(number, title="t", body="b")


def test_an_account_that_may_only_read_is_told_so(gitea: GiteaWorld) -> None:
    number = opened(gitea).number
    gitea.server.api.readers.add(BOT)
    with pytest.raises(ForgeRefused, match="403; the account of the token needs write access"):
        gitea.forge.close_pull_request(number)


def test_a_new_token_counts_from_the_next_request(gitea: GiteaWorld) -> None:
    token = [BOT_TOKEN]
    forge = connect(gitea.server.api_url, token=lambda: token[0])
    assert forge.account() == BOT
    token[0] = MIRA_TOKEN
    assert forge.account() == MIRA


def test_the_name_of_the_repository_may_be_written_in_any_case(gitea: GiteaWorld) -> None:
    number = opened(gitea).number
    assert not connect(gitea.server.api_url, repository="ACME/Fleet").pull_request(number).is_from_fork


def test_what_the_token_may_do_is_told(gitea: GiteaWorld) -> None:
    assert gitea.forge.rights(base="main") == Rights(may_push=True, may_push_to_base=True)
    assert gitea.forge.rights(base="absent") == Rights(may_push=True)
    gitea.server.protect_main()
    demands = ("2 approvals", "check ci/jenkins")
    assert gitea.forge.rights(base="main") == Rights(may_push=True, may_push_to_base=False, demands=demands)
    gitea.server.archive()
    assert gitea.forge.rights(base="main").is_archived
