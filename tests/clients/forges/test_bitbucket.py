"""Bitbucket Cloud keeps the forge contract over a real repository, and what only it has."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.clients.forges.errors import (
    ForgeRateLimited,
    ForgeRefused,
    RepositoryMoved,
    RepositoryNotVisible,
    TokenNotAccepted,
    UnknownPullRequest,
    WrongForge,
)
from app.core.commits import is_same_commit
from app.core.ports import PullRequestState, Rights
from tests.clients.forges.bitbucket_worlds import (
    BOT,
    BOT_TOKEN,
    MIRA_TOKEN,
    BitbucketWorld,
    bitbucket_world,
    connect,
)
from tests.clients.forges.forge_contract import HEAD, ForgeContract, ForgeWorld, draft, opened
from tests.clients.forges.served_worlds import MIRA
from tests.servers.bitbucket import BitbucketServer
from tests.servers.bitbucket_bodies import uuid_of
from tests.servers.pulls import MergeMethod
from tests.servers.rest_answers import Answer, Body

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def bitbucket(tmp_path: Path) -> Iterator[BitbucketWorld]:
    with bitbucket_world(tmp_path) as world:
        yield world


@pytest.fixture
def forge_world(bitbucket: BitbucketWorld) -> ForgeWorld:
    return bitbucket


class TestBitbucket(ForgeContract):
    """The promises of every forge."""


def no(message: str, **more: object) -> object:
    return {"type": "error", "error": {"message": message, **more}}


def last_shown(bitbucket: BitbucketWorld) -> Body:
    """The newest answer that shows one pull request."""
    body: Body = json.loads([one for one in bitbucket.server.exchanges if "/pullrequests/" in one.path][-1].received)
    return body


def test_it_says_what_it_is(bitbucket: BitbucketWorld) -> None:
    assert bitbucket.forge.product() == "Bitbucket Cloud"
    assert bitbucket.forge.account() == BOT


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(Answer(404, None, raw=b"<html>Not here</html>"), id="web pages"),
        pytest.param(Answer(404, {"message": "Not Found"}), id="another forge"),
        pytest.param(Answer(200, {"full_name": "acme/fleet", "id": 1}), id="another forge with that repository"),
    ],
)
def test_something_else_is_named_with_what_to_set(bitbucket: BitbucketWorld, found: Answer) -> None:
    bitbucket.server.break_next(found, path_ending="/acme/fleet")
    with pytest.raises(WrongForge, match=r"set forge\.api_url to https://api\.bitbucket\.org/2\.0"):
        bitbucket.forge.find_pull_requests(head=HEAD)
    assert {each.path for each in bitbucket.server.exchanges} == {"/repositories/acme/fleet"}


def test_an_api_token_is_the_password_of_its_person(bitbucket: BitbucketWorld) -> None:
    forge = connect(bitbucket.server.api_url, user="mira@acme.example", token=lambda: MIRA_TOKEN)
    assert forge.account() == MIRA
    wrong = connect(bitbucket.server.api_url, user="mira@acme.example", token=lambda: "another")
    with pytest.raises(TokenNotAccepted) as refusal:
        wrong.account()
    assert base64.b64encode(b"mira@acme.example:another").decode() not in str(refusal.value)


def test_an_access_token_that_may_not_ask_whose_it_is_is_told_by_the_settings(bitbucket: BitbucketWorld) -> None:
    bitbucket.server.api.knows_tokens = False
    with pytest.raises(ForgeRefused, match=r"set forge\.account to the uuid"):
        bitbucket.forge.account()
    forge = connect(bitbucket.server.api_url, account_uuid=uuid_of(BOT))
    bitbucket.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    shown = forge.open_pull_request(draft())
    assert shown.author == forge.account() == uuid_of(BOT)
    forge.comment(shown.number, "Hello.")
    assert list(forge.own_comments(shown.number, since=LONG_AGO)) == ["Hello."]


def test_a_new_access_token_is_another_account(bitbucket: BitbucketWorld) -> None:
    tokens = [BOT_TOKEN]
    forge = connect(bitbucket.server.api_url, token=lambda: tokens[-1])
    assert forge.account() == BOT
    tokens.append(MIRA_TOKEN)
    assert forge.account() == MIRA


def test_nobody_is_taken_for_us_by_a_nickname(bitbucket: BitbucketWorld) -> None:
    number = opened(bitbucket).number
    bitbucket.server.bodies.nicknames["mallory"] = BOT
    bitbucket.comment_as("mallory", number, "I am the bot.")
    bitbucket.close_as("mallory", number)
    assert bitbucket.forge.pull_request(number).closed_by == f"{BOT} {uuid_of('mallory')}"
    assert list(bitbucket.forge.own_comments(number, since=LONG_AGO)) == []


@pytest.mark.parametrize("method", ["merge", "squash", "rebase", "fast-forward"])
def test_a_merge_in_any_way_names_the_commit_and_the_head_that_went_in(
    bitbucket: BitbucketWorld, method: MergeMethod
) -> None:
    before = opened(bitbucket)
    commit = bitbucket.server.merge(before.number, by=MIRA, method=method)
    shown = bitbucket.forge.pull_request(before.number)
    assert (shown.state, shown.merged_by, shown.closed_by) == (PullRequestState.MERGED, MIRA, None)
    assert is_same_commit(shown.merge_commit or "", commit)
    assert shown.head_sha == before.head_sha
    assert len(shown.head_sha) == 12


def approve(server: BitbucketServer, number: int) -> None:
    server.approve(number, by=MIRA)


def approve_and_take_it_back(server: BitbucketServer, number: int) -> None:
    server.approve(number, by=MIRA)
    server.review(number, "DISMISSED", by=MIRA)


def ask_for_changes(server: BitbucketServer, number: int) -> None:
    server.review(number, "CHANGES_REQUESTED", by=MIRA)


@pytest.mark.parametrize(
    ("act", "is_committed"),
    [
        pytest.param(approve, True, id="approved"),
        pytest.param(approve_and_take_it_back, False, id="approval taken back"),
        pytest.param(ask_for_changes, False, id="changes requested"),
    ],
)
def test_people_commit_to_what_they_approved(
    bitbucket: BitbucketWorld, act: Callable[[BitbucketServer, int], None], *, is_committed: bool
) -> None:
    number = opened(bitbucket).number
    act(bitbucket.server, number)
    assert bitbucket.forge.pull_request(number).is_committed is is_committed
    [found] = bitbucket.forge.find_pull_requests(head=HEAD)
    assert found.is_committed is is_committed


def test_one_that_waits_in_a_merge_queue_is_decided(bitbucket: BitbucketWorld) -> None:
    number = opened(bitbucket).number
    whole = last_shown(bitbucket)
    bitbucket.server.break_next(Answer(200, whole | {"queued": True}), path_ending=f"/pullrequests/{number}")
    assert bitbucket.forge.pull_request(number).is_committed


def test_an_edit_keeps_the_reviewers_and_the_base(bitbucket: BitbucketWorld) -> None:
    number = opened(bitbucket).number
    bitbucket.server.ask_to_review(number, MIRA, "olu")
    bitbucket.forge.edit_pull_request(number, title="web 1.3.0", body="Newer.")
    assert bitbucket.server.bodies.reviewers[number] == [MIRA, "olu"]
    assert bitbucket.server.shown(number).base == "main"


def test_what_is_open_already_is_not_opened_again(bitbucket: BitbucketWorld) -> None:
    first = opened(bitbucket)
    assert bitbucket.forge.open_pull_request(draft(title="again")).title == first.title
    assert len([one for one in bitbucket.server.exchanges if one.method == "POST"]) == 1


def test_one_that_somebody_opened_meanwhile_is_the_one(bitbucket: BitbucketWorld) -> None:
    bitbucket.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    there: list[int] = []

    def open_first() -> None:
        if not there:
            there.append(0)
            there[0] = connect(bitbucket.server.api_url, token=lambda: MIRA_TOKEN).open_pull_request(draft()).number

    bitbucket.server.api.before_change = open_first
    shown = bitbucket.forge.open_pull_request(draft(title="late"))
    assert (shown.number, shown.title, len(bitbucket.server.every())) == (there[0], "late", 1)


@pytest.mark.parametrize("name", ['fluxbridge/main/"staging"', "fluxbridge/main/a'b OR state"])
def test_no_name_of_a_branch_changes_what_is_asked_for(bitbucket: BitbucketWorld, name: str) -> None:
    opened(bitbucket)
    assert list(bitbucket.forge.find_pull_requests(head=name)) == []


def test_a_superseded_one_is_closed(bitbucket: BitbucketWorld) -> None:
    number = opened(bitbucket).number
    whole = last_shown(bitbucket)
    bitbucket.server.break_next(Answer(200, whole | {"state": "SUPERSEDED"}), path_ending=f"/pullrequests/{number}")
    shown = bitbucket.forge.pull_request(number)
    assert (shown.state, shown.closed_by) == (PullRequestState.CLOSED, None)


def test_those_from_forks_are_none_of_ours_also_once_the_fork_is_gone(bitbucket: BitbucketWorld) -> None:
    number = bitbucket.server.open_from_fork(HEAD, {"app.yaml": "tag: 6.6.6\n"}, by="mallory")
    assert list(bitbucket.forge.find_pull_requests(head=HEAD)) == []
    assert list(bitbucket.forge.open_pull_requests(prefix="fluxbridge")) == []
    assert bitbucket.forge.pull_request(number).is_from_fork
    whole = last_shown(bitbucket)
    gone = whole | {"source": {"branch": {"name": HEAD}, "commit": None, "repository": None}, "author": None}
    bitbucket.server.break_next(Answer(200, gone), path_ending=f"/pullrequests/{number}")
    shown = bitbucket.forge.pull_request(number)
    assert (shown.is_from_fork, shown.head_sha, shown.author) == (True, "", "unknown")
    assert opened(bitbucket).number != number


def test_lists_of_many_pages_are_read_to_their_end_at_our_own_address(bitbucket: BitbucketWorld) -> None:
    for count in range(52):
        head = f"fluxbridge/main/staging/a{count}"
        bitbucket.push(head, {"app.yaml": f"tag: {count}\n"})
        bitbucket.server._pulls.open(head=head, base="main", title="One", body=None, by=BOT)
    assert len(bitbucket.forge.open_pull_requests(prefix="fluxbridge")) == 52
    assert len(bitbucket.forge.recent_pull_requests(prefix="fluxbridge", limit=51)) == 51


def test_a_repository_that_was_renamed_is_called_by_its_new_name(bitbucket: BitbucketWorld) -> None:
    renamed = bitbucket.server.bodies.whole_repository() | {"full_name": "acme/armada"}
    bitbucket.server.break_next(Answer(200, renamed), path_ending="/acme/fleet")
    with pytest.raises(RepositoryMoved, match="acme/armada"):
        bitbucket.forge.product()


def test_upper_and_lower_case_are_one_repository(bitbucket: BitbucketWorld) -> None:
    number = opened(bitbucket).number
    assert connect(bitbucket.server.api_url, repository="Acme/Fleet").pull_request(number).number == number


def test_what_is_not_there_what_is_not_shown_and_what_may_not_be_done_are_told_apart(
    bitbucket: BitbucketWorld,
) -> None:
    with pytest.raises(UnknownPullRequest):
        bitbucket.forge.pull_request(4711)
    with pytest.raises(RepositoryNotVisible):
        connect(bitbucket.server.api_url, repository="acme/other").pull_request(1)
    lacking = no("Your credentials lack scopes.", detail={"required": ["pullrequest:write"], "granted": []})
    bitbucket.server.break_next(Answer(403, lacking), method="POST")
    bitbucket.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    with pytest.raises(ForgeRefused, match="the token needs the scopes 'pullrequest:write'"):
        bitbucket.forge.open_pull_request(draft())


@pytest.mark.parametrize(("permission", "may_push"), [("admin", True), ("write", True), ("read", False)])
def test_a_persons_token_tells_whether_it_may_push(
    bitbucket: BitbucketWorld, permission: str, *, may_push: bool
) -> None:
    bitbucket.server.api.permission = permission
    assert bitbucket.forge.rights(base="main") == Rights(may_push=may_push)


def test_an_access_token_does_not_tell_what_it_may(bitbucket: BitbucketWorld) -> None:
    bitbucket.server.api.knows_tokens = False
    assert bitbucket.forge.rights(base="main") == Rights()


def test_a_rate_limit_without_a_time_is_waited_for_a_minute(bitbucket: BitbucketWorld) -> None:
    bitbucket.server.break_next(Answer(429, no("Rate limit for this resource has been exceeded")))
    with pytest.raises(ForgeRateLimited) as limited:
        bitbucket.forge.find_pull_requests(head=HEAD)
    assert limited.value.retry_after is not None
    assert limited.value.retry_after.total_seconds() == 60


def test_each_write_is_taken_from_the_budget(bitbucket: BitbucketWorld) -> None:
    spent: list[int] = []
    forge = connect(bitbucket.server.api_url, spend=spent.append)
    bitbucket.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    number = forge.open_pull_request(draft()).number
    forge.comment(number, "Hello.")
    forge.edit_pull_request(number, title="web", body="")
    forge.close_pull_request(number)
    forge.close_pull_request(number)
    assert spent == [1, 1, 1, 1]
