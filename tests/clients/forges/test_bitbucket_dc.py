"""Bitbucket Data Center keeps the forge contract over a real repository, and what only it has."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.clients.forges.errors import (
    ForgeRefused,
    ForgeUnavailable,
    OutdatedEdit,
    RepositoryMoved,
    RepositoryNotVisible,
    TokenNotAccepted,
    UnknownPullRequest,
    WrongForge,
)
from app.core.errors import Refused
from app.core.ports import PullRequestDraft, PullRequestState, Rights
from tests.clients.forges.bitbucket_dc_worlds import (
    BOT,
    BOT_TOKEN,
    MIRA_TOKEN,
    BitbucketDCWorld,
    bitbucket_dc_world,
    connect,
)
from tests.clients.forges.forge_contract import HEAD, ForgeContract, ForgeWorld, draft, opened
from tests.clients.forges.served_worlds import MIRA
from tests.servers.bitbucket_dc import BitbucketDCServer
from tests.servers.pulls import MergeMethod
from tests.servers.rest_answers import Answer


@pytest.fixture
def bitbucket(tmp_path: Path) -> Iterator[BitbucketDCWorld]:
    with bitbucket_dc_world(tmp_path) as world:
        yield world


@pytest.fixture
def forge_world(bitbucket: BitbucketDCWorld) -> ForgeWorld:
    return bitbucket


class TestBitbucketDC(ForgeContract):
    """The promises of every forge."""


def no(message: str, exception: str) -> object:
    return {"errors": [{"context": None, "message": message, "exceptionName": f"com.atlassian.bitbucket.{exception}"}]}


def test_it_says_what_it_is(bitbucket: BitbucketDCWorld) -> None:
    assert bitbucket.forge.product() == "Bitbucket Data Center 9.4.2"
    assert bitbucket.forge.account() == BOT


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(Answer(404, None, raw=b"<html>Not here</html>"), id="web pages"),
        pytest.param(Answer(200, {"version": "9.1.0", "displayName": "Jira"}), id="another product"),
    ],
)
def test_something_else_is_named_with_what_to_set(bitbucket: BitbucketDCWorld, found: Answer) -> None:
    bitbucket.server.break_next(found, path_ending="/application-properties")
    with pytest.raises(WrongForge, match=r"set forge\.api_url to https://HOST/rest/api/1\.0"):
        bitbucket.forge.find_pull_requests(head=HEAD)
    assert {each.path for each in bitbucket.server.exchanges} == {"/application-properties"}


@pytest.mark.parametrize("method", ["merge", "squash", "rebase", "fast-forward"])
def test_a_merge_in_any_way_names_the_commit_and_the_head_that_went_in(
    bitbucket: BitbucketDCWorld, method: MergeMethod
) -> None:
    before = opened(bitbucket)
    commit = bitbucket.server.merge(before.number, by=MIRA, method=method)
    shown = bitbucket.forge.pull_request(before.number)
    assert (shown.state, shown.merged_by, shown.merge_commit) == (PullRequestState.MERGED, MIRA, commit)
    assert (shown.head_sha, shown.closed_by) == (before.head_sha, None)


def test_one_that_many_talked_about_after_it_was_declined_still_names_who_did_it(bitbucket: BitbucketDCWorld) -> None:
    number = opened(bitbucket).number
    bitbucket.close_as("alice", number)
    for count in range(120):
        bitbucket.comment_as(MIRA, number, f"Why? {count}")
    assert bitbucket.forge.pull_request(number).closed_by == "alice"


def approve(server: BitbucketDCServer, number: int) -> None:
    server.approve(number, by=MIRA)


def approve_as_one_who_was_asked(server: BitbucketDCServer, number: int) -> None:
    server.ask_to_review(number, MIRA)
    server.approve(number, by=MIRA)


def approve_what_moves_on(server: BitbucketDCServer, number: int) -> None:
    server.approve(number, by=MIRA)
    server.push(HEAD, {"app.yaml": "tag: 1.3.0\n"}, by=BOT)


def approve_and_take_it_back(server: BitbucketDCServer, number: int) -> None:
    server.approve(number, by=MIRA)
    server.review(number, "DISMISSED", by=MIRA)


def say_that_it_needs_work(server: BitbucketDCServer, number: int) -> None:
    server.review(number, "CHANGES_REQUESTED", by=MIRA)


def merge_when_ready(server: BitbucketDCServer, number: int) -> None:
    server.enable_auto_merge(number, by=MIRA)


@pytest.mark.parametrize(
    ("act", "is_committed"),
    [
        pytest.param(approve, True, id="approved"),
        pytest.param(approve_as_one_who_was_asked, True, id="approved by a reviewer"),
        pytest.param(merge_when_ready, True, id="merges by itself"),
        pytest.param(approve_what_moves_on, False, id="approved before the head moved"),
        pytest.param(approve_and_take_it_back, False, id="approval taken back"),
        pytest.param(say_that_it_needs_work, False, id="needs work"),
    ],
)
def test_people_commit_to_the_head_that_they_approved(
    bitbucket: BitbucketDCWorld, act: Callable[[BitbucketDCServer, int], None], *, is_committed: bool
) -> None:
    number = opened(bitbucket).number
    act(bitbucket.server, number)
    assert bitbucket.forge.pull_request(number).is_committed is is_committed


def test_whether_it_conflicts_is_known(bitbucket: BitbucketDCWorld) -> None:
    bitbucket.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    number = bitbucket.forge.open_pull_request(draft()).number
    assert bitbucket.forge.pull_request(number).has_conflict is False
    bitbucket.push("main", {"app.yaml": "tag: 9.9.9\n"})
    assert bitbucket.forge.pull_request(number).has_conflict is True


def test_an_older_version_that_knows_no_auto_merge_is_read_all_the_same(bitbucket: BitbucketDCWorld) -> None:
    number = opened(bitbucket).number
    bitbucket.server.break_next(Answer(405, None, raw=b""), path_ending="/auto-merge")
    assert bitbucket.forge.pull_request(number).is_committed is False


def test_an_edit_keeps_the_reviewers_and_the_base(bitbucket: BitbucketDCWorld) -> None:
    number = opened(bitbucket).number
    bitbucket.server.ask_to_review(number, MIRA, "olu")
    bitbucket.forge.edit_pull_request(number, title="web 1.3.0", body="Newer.")
    assert bitbucket.server.bodies.reviewers[number] == [MIRA, "olu"]
    assert bitbucket.server.shown(number).base == "main"


def test_an_edit_without_a_version_is_made_again_where_somebody_was_quicker(bitbucket: BitbucketDCWorld) -> None:
    number = opened(bitbucket).number
    busy = iter(["Hm.", "Hm?"])

    def talk() -> None:
        for text in busy:
            bitbucket.comment_as(MIRA, number, text)
            break

    bitbucket.server.api.before_change = talk
    bitbucket.forge.edit_pull_request(number, title="web 1.3.0", body="Newer.")
    assert bitbucket.forge.pull_request(number).title == "web 1.3.0"
    assert len([one for one in bitbucket.server.exchanges if one.method == "PUT"]) == 3


def test_an_edit_of_what_never_stands_still_is_given_up_for_now(bitbucket: BitbucketDCWorld) -> None:
    number = opened(bitbucket).number
    bitbucket.server.api.before_change = lambda: bitbucket.comment_as(MIRA, number, "Hm.")
    with pytest.raises(ForgeUnavailable, match="changed by others 3 times"):
        bitbucket.forge.edit_pull_request(number, title="web 1.3.0", body="Newer.")
    shown = bitbucket.forge.pull_request(number)
    with pytest.raises(OutdatedEdit):
        bitbucket.forge.edit_pull_request(number, title="web 1.3.0", body="Newer.", version=shown.version)
    assert bitbucket.server.shown(number).title == "web 1.2.0"


def test_one_that_somebody_opened_meanwhile_is_the_one(bitbucket: BitbucketDCWorld) -> None:
    bitbucket.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    there: list[int] = []

    def open_first() -> None:
        if not there:
            there.append(0)
            there[0] = connect(bitbucket.server.api_url, token=lambda: MIRA_TOKEN).open_pull_request(draft()).number

    bitbucket.server.api.before_change = open_first
    assert bitbucket.forge.open_pull_request(draft(title="late")).number == there[0]
    assert len(bitbucket.server.every()) == 1


def test_a_branch_that_is_said_to_be_gone_has_no_pull_requests(bitbucket: BitbucketDCWorld) -> None:
    gone = Answer(404, no("refs/heads/gone does not exist", "commit.NoSuchCommitException"))
    bitbucket.server.break_next(gone, path_ending="/pull-requests")
    assert list(bitbucket.forge.find_pull_requests(head="gone")) == []


def test_the_longest_body_that_it_takes_is_taken(bitbucket: BitbucketDCWorld) -> None:
    bitbucket.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    body = "x" * bitbucket.forge.capabilities.longest_body
    wanted = PullRequestDraft(head=HEAD, base="main", title="web 1.2.0", body=body)
    assert bitbucket.forge.open_pull_request(wanted).body == body


def test_those_from_forks_are_none_of_ours(bitbucket: BitbucketDCWorld) -> None:
    number = bitbucket.server.open_from_fork(HEAD, {"app.yaml": "tag: 6.6.6\n"}, by="mallory")
    assert list(bitbucket.forge.find_pull_requests(head=HEAD)) == []
    assert list(bitbucket.forge.open_pull_requests(prefix="fluxbridge")) == []
    assert bitbucket.forge.pull_request(number).is_from_fork
    assert opened(bitbucket).number != number


def test_lists_of_many_pages_are_read_to_their_end(bitbucket: BitbucketDCWorld) -> None:
    for count in range(102):
        bitbucket.push(f"fluxbridge/main/staging/a{count}", {"app.yaml": f"tag: {count}\n"})
        head = f"fluxbridge/main/staging/a{count}"
        bitbucket.server._pulls.open(head=head, base="main", title="One", body=None, by=BOT)
    assert len(bitbucket.forge.open_pull_requests(prefix="fluxbridge")) == 102
    assert len(bitbucket.forge.recent_pull_requests(prefix="fluxbridge", limit=101)) == 101


@pytest.mark.parametrize("following", [0, -1, None], ids=["back to the start", "before it", "nowhere"])
def test_pages_that_lead_nowhere_end(bitbucket: BitbucketDCWorld, following: int | None) -> None:
    page = {"values": [], "isLastPage": False, "nextPageStart": following}
    bitbucket.server.break_next(Answer(200, page), path_ending="/pull-requests")
    assert list(bitbucket.forge.open_pull_requests(prefix="fluxbridge")) == []


def test_a_repository_that_was_renamed_is_called_by_its_new_name(bitbucket: BitbucketDCWorld) -> None:
    number = opened(bitbucket).number
    answer = json.loads([one for one in bitbucket.server.exchanges if one.method == "POST"][-1].received)
    for side in ("fromRef", "toRef"):
        answer[side]["repository"]["slug"] = "armada"
    bitbucket.server.break_next(Answer(200, answer), path_ending=f"/pull-requests/{number}")
    with pytest.raises(RepositoryMoved, match="ACME/armada"):
        bitbucket.forge.pull_request(number)


def test_upper_and_lower_case_are_one_repository(bitbucket: BitbucketDCWorld) -> None:
    number = opened(bitbucket).number
    assert connect(bitbucket.server.api_url, repository="acme/Fleet").pull_request(number).number == number


def test_of_what_the_token_may_do_nothing_is_said(bitbucket: BitbucketDCWorld) -> None:
    assert bitbucket.forge.rights(base="main") == Rights()


def test_an_archived_repository_needs_an_operator(bitbucket: BitbucketDCWorld) -> None:
    number = opened(bitbucket).number
    bitbucket.server.api.is_archived = True
    assert bitbucket.forge.rights(base="main").is_archived
    with pytest.raises(ForgeRefused, match="is archived; unarchive it"):
        bitbucket.forge.edit_pull_request(number, title="web 1.3.0", body="")


def test_a_token_that_is_not_known_any_more_is_told_from_one_that_may_not(bitbucket: BitbucketDCWorld) -> None:
    number = opened(bitbucket).number
    refusal = Answer(401, no("You are not permitted to access this resource", "AuthorisationException"))
    bitbucket.server.break_next(refusal, path_ending="/comments")
    with pytest.raises(ForgeRefused, match="'Repository write'"):
        bitbucket.forge.comment(number, "Hello.")
    bitbucket.server.break_next(refusal, path_ending=f"/pull-requests/{number}")
    bitbucket.server.break_next(refusal, path_ending="/repos/fleet")
    with pytest.raises(RepositoryNotVisible, match="ACME/fleet"):
        bitbucket.forge.pull_request(number)
    bitbucket.server.accounts.clear()
    with pytest.raises(TokenNotAccepted, match=r"forge\.token") as gone:
        bitbucket.forge.pull_request(number)
    assert BOT_TOKEN not in str(gone.value)


def test_what_is_not_there_and_what_is_not_shown_are_told_apart(bitbucket: BitbucketDCWorld) -> None:
    with pytest.raises(UnknownPullRequest):
        bitbucket.forge.pull_request(4711)
    with pytest.raises(RepositoryNotVisible):
        connect(bitbucket.server.api_url, repository="ACME/other").pull_request(1)
    refusal = Answer(403, no("You may not", "AuthorisationException"))
    bitbucket.server.break_next(refusal, method="POST")
    bitbucket.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    with pytest.raises(ForgeRefused, match="'You may not'; give the token the permission"):
        bitbucket.forge.open_pull_request(draft())


def test_a_proxy_that_keeps_back_whose_the_token_is_needs_an_operator(bitbucket: BitbucketDCWorld) -> None:
    bitbucket.forge.product()
    bitbucket.server.break_next(Answer(200, {}, {"X-AUSERNAME": ""}), path_ending="/application-properties")
    with pytest.raises(Refused, match="X-AUSERNAME"):
        bitbucket.forge.account()


def test_each_write_is_taken_from_the_budget(bitbucket: BitbucketDCWorld) -> None:
    spent: list[int] = []
    forge = connect(bitbucket.server.api_url, spend=spent.append)
    bitbucket.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    number = forge.open_pull_request(draft()).number
    forge.comment(number, "Hello.")
    forge.edit_pull_request(number, title="web", body="")
    forge.close_pull_request(number)
    forge.close_pull_request(number)
    assert spent == [1, 1, 1, 1]
