"""GitLab keeps the forge contract over a real repository, and what only GitLab has."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clients.forges.errors import (
    ForgeRefused,
    ForgeUnavailable,
    RepositoryMoved,
    RepositoryNotVisible,
    TokenNotAccepted,
    UnknownPullRequest,
    WrongForge,
)
from app.clients.forges.gitlab.answers import MergeRequest, to_pull_request
from app.clients.forges.gitlab.quick_actions import as_given, without_actions
from app.core.errors import FluxbridgeError, Refused, Unavailable
from app.core.ports import PullRequestDraft, PullRequestState, RateLimited, Rights
from tests.clients.forges.forge_contract import HEAD, ForgeContract, ForgeWorld, draft, opened
from tests.clients.forges.gitlab_worlds import BOT, BOT_TOKEN, MIRA_TOKEN, GitLabWorld, connect, gitlab_world
from tests.clients.forges.served_worlds import MIRA
from tests.servers.gitlab import GitLabServer
from tests.servers.gitlab_api import _COMMANDS
from tests.servers.not_github import gitea, other_server
from tests.servers.rest_answers import Answer, Body

DATE = {"Date": "Mon, 04 May 2026 12:00:00 GMT"}


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[GitLabWorld]:
    with gitlab_world(tmp_path) as world:
        yield world


@pytest.fixture
def forge_world(gitlab: GitLabWorld) -> ForgeWorld:
    return gitlab


class TestGitLab(ForgeContract):
    """The promises of every forge."""


def last_answer(server: GitLabServer, path_ending: str) -> Body:
    """The newest body that was given out for a path."""
    body: Body = json.loads([each for each in server.exchanges if each.path.endswith(path_ending)][-1].received)
    return body


def test_it_tells_its_version_once_asked(gitlab: GitLabWorld) -> None:
    assert gitlab.forge.product() == gitlab.forge.product() == "GitLab 18.9.0"
    assert [each.path for each in gitlab.server.exchanges] == ["/metadata"]


def test_a_path_with_groups_is_one_part_of_the_address(gitlab: GitLabWorld) -> None:
    opened(gitlab)
    assert {each.path.split("/")[2] for each in gitlab.server.exchanges[1:]} == {"acme%2Fplatform%2Ffleet"}


@pytest.mark.parametrize("method", ["squash", "fast-forward"])
def test_a_merge_that_makes_no_merge_commit_tells_what_is_on_the_base(gitlab: GitLabWorld, method: str) -> None:
    before = opened(gitlab)
    commit = gitlab.server.merge(before.number, by=MIRA, method=method)  # type: ignore[arg-type]
    shown = gitlab.forge.pull_request(before.number)
    assert (shown.state, shown.merged_by, shown.merge_commit) == (PullRequestState.MERGED, MIRA, commit)
    assert (shown.head_sha, shown.closed_by) == (before.head_sha, None)
    assert gitlab.head("main") == commit


def test_of_a_squash_that_was_merged_the_merge_commit_is_on_the_base(gitlab: GitLabWorld) -> None:
    number = opened(gitlab).number
    gitlab.server.merge(number, by=MIRA)
    gitlab.forge.pull_request(number)
    told = last_answer(gitlab.server, f"/{number}") | {"squash_commit_sha": "ab" * 20}
    assert to_pull_request(MergeRequest.model_validate(told)).merge_commit == gitlab.head("main")


def test_older_servers_name_who_merged_by_another_word(gitlab: GitLabWorld) -> None:
    number = opened(gitlab).number
    gitlab.server.merge(number, by=MIRA)
    gitlab.forge.pull_request(number)
    told = last_answer(gitlab.server, f"/{number}")
    del told["merge_user"]
    assert to_pull_request(MergeRequest.model_validate(told)).merged_by == MIRA


def test_a_conflict_is_known_once_gitlab_has_looked(gitlab: GitLabWorld) -> None:
    gitlab.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    number = gitlab.forge.open_pull_request(draft()).number
    assert gitlab.forge.pull_request(number).has_conflict is False
    gitlab.push("main", {"app.yaml": "tag: 9.9.9\n"})
    assert gitlab.forge.pull_request(number).has_conflict is None
    assert gitlab.forge.pull_request(number).has_conflict is True


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param({"merge_status": "unchecked", "has_conflicts": False}, None, id="not looked at"),
        pytest.param({"merge_status": "cannot_be_merged_recheck", "has_conflicts": True}, None, id="looked at again"),
        pytest.param({"merge_status": "a new word"}, None, id="unknown"),
        pytest.param({"merge_status": "cannot_be_merged", "detailed_merge_status": "not_approved"}, True, id="hidden"),
        pytest.param({"merge_status": None, "detailed_merge_status": "conflict"}, True, id="newer: a conflict"),
        pytest.param({"merge_status": None, "detailed_merge_status": "mergeable"}, False, id="newer: none"),
        pytest.param({"merge_status": None, "detailed_merge_status": "ci_must_pass"}, None, id="newer: unsaid"),
    ],
)
def test_what_its_words_say_of_a_conflict(gitlab: GitLabWorld, told: Body, *, expected: bool | None) -> None:
    number = opened(gitlab).number
    body = last_answer(gitlab.server, f"/{number}") | told
    gitlab.server.break_next(Answer(200, body), path_ending=f"/{number}")
    assert gitlab.forge.pull_request(number).has_conflict is expected


def test_one_that_is_merged_at_this_moment_is_open_and_committed(gitlab: GitLabWorld) -> None:
    number = opened(gitlab).number
    locked = last_answer(gitlab.server, f"/{number}") | {"state": "locked"}
    gitlab.server.break_next(Answer(200, locked), path_ending=f"/{number}")
    shown = gitlab.forge.pull_request(number)
    assert (shown.state, shown.is_committed) == (PullRequestState.OPEN, True)


def approve(server: GitLabServer, number: int) -> None:
    server.approve(number, by=MIRA)


def approve_as_ourselves(server: GitLabServer, number: int) -> None:
    server.approve(number, by=BOT)


def approve_what_moves_on(server: GitLabServer, number: int) -> None:
    server.approve(number, by=MIRA)
    server.push(HEAD, {"app.yaml": "tag: 1.3.0\n"}, by=BOT)


def approve_and_take_it_back(server: GitLabServer, number: int) -> None:
    server.approve(number, by=MIRA)
    server.review(number, "DISMISSED", by=MIRA)


def merge_when_ready(server: GitLabServer, number: int) -> None:
    server.enable_auto_merge(number, by=MIRA)


def nothing(server: GitLabServer, number: int) -> None:
    """That no approval is required is not an approval, whatever `approved` says."""


@pytest.mark.parametrize(
    ("act", "is_committed"),
    [
        pytest.param(approve, True, id="approved"),
        pytest.param(merge_when_ready, True, id="merges by itself"),
        pytest.param(nothing, False, id="nobody was asked"),
        pytest.param(approve_as_ourselves, False, id="approved by its author"),
        pytest.param(approve_what_moves_on, False, id="approved before the head moved"),
        pytest.param(approve_and_take_it_back, False, id="approval taken back"),
    ],
)
def test_people_commit_to_the_head_that_they_approved(
    gitlab: GitLabWorld, act: Callable[[GitLabServer, int], None], *, is_committed: bool
) -> None:
    number = opened(gitlab).number
    act(gitlab.server, number)
    assert gitlab.forge.pull_request(number).is_committed is is_committed


def test_an_approval_without_a_time_counts(gitlab: GitLabWorld) -> None:
    number = opened(gitlab).number
    approvals = {"approved": True, "approved_by": [{"user": {"username": MIRA}}]}
    gitlab.server.break_next(Answer(200, approvals), path_ending="/approvals")
    assert gitlab.forge.pull_request(number).is_committed


def test_a_fork_with_our_branch_name_is_not_ours(gitlab: GitLabWorld) -> None:
    foreign = gitlab.server.open_from_fork(HEAD, {"app.yaml": "tag: 6.6.6\n"}, by="mallory")
    ours = opened(gitlab)
    assert [each.number for each in gitlab.forge.find_pull_requests(head=HEAD)] == [ours.number]
    assert list(gitlab.forge.open_pull_requests(prefix="fluxbridge")) == [ours.seen]
    assert [each.number for each in gitlab.forge.recent_pull_requests(prefix="fluxbridge", limit=9)] == [ours.number]
    assert gitlab.forge.pull_request(foreign).is_from_fork


def test_a_deleted_fork_and_account_leave_a_readable_merge_request(gitlab: GitLabWorld) -> None:
    number = opened(gitlab).number
    body = last_answer(gitlab.server, f"/{number}") | {"author": None, "source_project_id": None, "sha": None}
    gitlab.server.break_next(Answer(200, body), path_ending=f"/{number}")
    shown = gitlab.forge.pull_request(number)
    assert (shown.author, shown.is_from_fork, shown.head_sha) == ("ghost", True, "")


def test_to_open_what_is_open_already_writes_nothing(gitlab: GitLabWorld) -> None:
    gitlab.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    first = gitlab.forge.open_pull_request(draft(labels=("fluxbridge",)))
    before = len(gitlab.server.exchanges)
    assert gitlab.forge.open_pull_request(draft(labels=("fluxbridge",))).number == first.number
    assert {each.method for each in gitlab.server.exchanges[before:]} == {"GET"}


def test_a_lost_answer_leaves_one_which_the_next_try_finds_with_its_labels(gitlab: GitLabWorld) -> None:
    gitlab.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    gitlab.server.break_next("lose", method="POST", path_ending="/merge_requests")
    with pytest.raises(ForgeUnavailable):
        gitlab.forge.open_pull_request(draft(labels=("a", "b")))
    again = gitlab.forge.open_pull_request(draft(labels=("a", "b", "c")))
    assert (again.number, set(again.labels), len(gitlab.server.every())) == (1, {"a", "b", "c"}, 1)


def test_one_that_somebody_opens_since_it_was_looked_for_is_found(gitlab: GitLabWorld) -> None:
    number = opened(gitlab).number
    gitlab.server.break_next(Answer(200, []), method="GET", path_ending="/merge_requests")
    assert gitlab.forge.open_pull_request(draft()).number == number


def test_one_that_gitlab_has_but_does_not_show_is_looked_for_later(gitlab: GitLabWorld) -> None:
    opened(gitlab)
    for _ in range(2):
        gitlab.server.break_next(Answer(200, []), method="GET", path_ending="/merge_requests")
    with pytest.raises(ForgeUnavailable, match="does not show it"):
        gitlab.forge.open_pull_request(draft())


ACTIONS = "Moves web.\n/merge\n/close\r\n\r/label ~x\n \\/shrug\n\n/CLOSE now"


def test_no_text_of_ours_is_carried_out_and_each_reads_as_it_was_given(gitlab: GitLabWorld) -> None:
    gitlab.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    asked = PullRequestDraft(head=HEAD, base="main", title="web", body=ACTIONS)
    shown = gitlab.forge.open_pull_request(asked)
    assert (shown.state, shown.labels) == (PullRequestState.OPEN, ())
    assert shown.body == ACTIONS.replace("\r", "")
    gitlab.forge.edit_pull_request(shown.number, title="web", body=f"/close\n{ACTIONS}")
    gitlab.forge.comment(shown.number, "/merge")
    gitlab.forge.comment(shown.number, ACTIONS)
    again = gitlab.forge.pull_request(shown.number)
    assert (again.state, again.body) == (PullRequestState.OPEN, f"/close\n{ACTIONS}".replace("\r", ""))
    since = gitlab.server.shown(shown.number).created_at
    said = ["/merge", ACTIONS.replace("\r", "")]
    assert list(gitlab.forge.own_comments(shown.number, since=since)) == said


@given(st.text(st.sampled_from("/\\ \t\r\n\x0b\x85\u2028\u00a0amerge"), max_size=40))
def test_no_line_begins_with_a_slash_and_the_way_back_gives_the_text(text: str) -> None:
    written = without_actions(text)
    assert as_given(written) == text
    for kept in (written, written.replace("\r", ""), "\n".join(line.strip() for line in written.splitlines())):
        assert not any(line.lstrip().startswith("/") for line in kept.split("\n"))
        assert not _COMMANDS.search(kept)


def test_what_gitlab_notes_itself_is_nobodys_comment(gitlab: GitLabWorld) -> None:
    number = opened(gitlab).number
    gitlab.forge.comment(number, "Hello.")
    since = gitlab.server.shown(number).created_at
    assert list(gitlab.forge.own_comments(number, since=since)) == ["Hello."]


def test_pages_are_read_as_far_as_wanted(gitlab: GitLabWorld) -> None:
    opened(gitlab)
    gitlab.forge.open_pull_requests(prefix="fluxbridge")
    [body] = json.loads(
        [each for each in gitlab.server.exchanges if each.path.endswith("/merge_requests")][-1].received
    )
    link = {"Link": '<https://evil.example/x?page=9>; rel="next"'}
    for page in range(25):
        items = [body | {"iid": page * 100 + index + 1} for index in range(100)]
        gitlab.server.break_next(Answer(200, items, link), path_ending="/merge_requests")
    assert len(gitlab.forge.recent_pull_requests(prefix="fluxbridge", limit=205)) == 205
    before = len(gitlab.server.exchanges)
    assert len(gitlab.forge.open_pull_requests(prefix="fluxbridge")) == 2000
    assert len(gitlab.server.exchanges) == before + 20


def test_a_new_token_counts_from_the_next_request(gitlab: GitLabWorld) -> None:
    token = [BOT_TOKEN]
    forge = connect(gitlab.server.api_url, token=lambda: token[0])
    assert forge.account() == BOT
    token[0] = MIRA_TOKEN
    assert forge.account() == MIRA


def test_the_path_may_be_written_in_any_case(gitlab: GitLabWorld) -> None:
    number = opened(gitlab).number
    assert connect(gitlab.server.api_url, repository="Acme/Platform/Fleet").pull_request(number).number == number


@pytest.mark.parametrize(
    ("arrange", "error", "words"),
    [
        pytest.param(lambda s: s.rename("acme/fleet"), RepositoryMoved, "is called 'acme/fleet'", id="renamed"),
        pytest.param(GitLabServer.archive, ForgeRefused, "archived: unarchive it", id="archived"),
        pytest.param(GitLabServer.take_role, ForgeRefused, "give it the role Developer", id="role"),
        pytest.param(GitLabServer.take_scope, ForgeRefused, "lacks the scope 'api'", id="scope"),
    ],
)
def test_what_keeps_us_from_writing_is_said_with_what_to_do(
    gitlab: GitLabWorld, arrange: Callable[[GitLabServer], None], error: type[Refused], words: str
) -> None:
    number = opened(gitlab).number
    arrange(gitlab.server)
    with pytest.raises(error, match=words):
        gitlab.forge.comment(number, "Never kept.")
    assert gitlab.server.comments(number) == []


def test_a_renamed_project_is_said_so_where_gitlab_redirects_nothing(gitlab: GitLabWorld) -> None:
    number = opened(gitlab).number
    body = last_answer(gitlab.server, f"/{number}") | {"references": {"full": f"acme/fleet!{number}"}}
    gitlab.server.break_next(Answer(200, body), path_ending=f"/{number}")
    with pytest.raises(RepositoryMoved, match="acme/fleet"):
        gitlab.forge.pull_request(number)


def test_what_is_not_there_is_told_from_what_is_hidden(gitlab: GitLabWorld) -> None:
    with pytest.raises(UnknownPullRequest):
        gitlab.forge.comment(4711, "Hello.")
    with pytest.raises(RepositoryNotVisible, match=r"acme/other.*correct forge.repository"):
        connect(gitlab.server.api_url, repository="acme/other").open_pull_requests(prefix="fluxbridge")
    with pytest.raises(TokenNotAccepted, match=r"forge\.token"):
        connect(gitlab.server.api_url, token=lambda: "glpat-revoked").account()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(Answer(429, raw=b"Retry later\n", headers={"Retry-After": "7"}), RateLimited, "limit", id="429"),
        pytest.param(Answer(429, raw=b"Retry later\n"), RateLimited, "rate limit", id="429 without a time"),
        pytest.param(Answer(500, {"message": "500 Internal Server Error"}), Unavailable, "answered 500", id="500"),
        pytest.param(Answer(502, raw=b"<html>GitLab is not responding"), Unavailable, "answered 502", id="502"),
        pytest.param(Answer(200, raw=b"<html>Sign in"), Unavailable, "check forge.api_url", id="a login page"),
        pytest.param(Answer(200, raw=b'{"iid":'), Unavailable, "no answer of its API", id="half an answer"),
        pytest.param(Answer(200, {"iid": "x"}), Unavailable, "no answer of its API", id="wrong types"),
        pytest.param(Answer(403, raw=b"Forbidden\n"), Refused, "403, without a reason", id="403 of a ban"),
        pytest.param(Answer(302, {}, {"Location": "https://login.example/?t=x"}), Refused, "redirects", id="elsewhere"),
    ],
)
def test_each_no_says_who_must_act(
    gitlab: GitLabWorld, answer: Answer, kind: type[FluxbridgeError], words: str
) -> None:
    number = opened(gitlab).number
    gitlab.server.break_next(answer, path_ending=f"/{number}")
    with pytest.raises(kind, match=words) as raised:
        gitlab.forge.pull_request(number)
    assert "acme/platform/fleet" in str(raised.value)
    assert BOT_TOKEN not in repr(raised.value)


def test_what_the_token_may_do_is_told(gitlab: GitLabWorld) -> None:
    assert gitlab.forge.rights(base="main") == Rights(may_push=True, may_push_to_base=True)
    assert gitlab.forge.rights(base="absent") == Rights(may_push=True)
    gitlab.server.protect_main()
    gitlab.server.end_token("2027-01-01")
    ends_at = datetime(2027, 1, 1, tzinfo=UTC)
    assert gitlab.forge.rights(base="main") == Rights(may_push=True, may_push_to_base=False, token_ends_at=ends_at)
    gitlab.server.take_role()
    assert gitlab.forge.rights(base="main").may_push is False
    gitlab.server.archive()
    assert gitlab.forge.rights(base="main").is_archived


def test_a_reserve_of_what_gitlab_allows_is_left_to_others(gitlab: GitLabWorld) -> None:
    now = [0.0]
    forge = connect(gitlab.server.api_url, clock=lambda: now[0])
    gitlab.server.limits = {
        "RateLimit-Limit": "60", "RateLimit-Remaining": "6", "RateLimit-Reset": "1777896020", **DATE,
    }  # fmt: skip
    assert forge.product()
    with pytest.raises(RateLimited, match=r"6 of 60 requests of this minute left"):
        forge.account()
    now[0], gitlab.server.limits = 20.0, {}
    assert forge.account() == BOT


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        pytest.param({"/metadata": (404, {}), **gitea()}, "this is Gitea 1.22.3", id="Gitea"),
        pytest.param({}, "this is no forge that is known here: it answers 404 to /metadata", id="something else"),
        pytest.param({"/metadata": (200, {"version": 5})}, "this is no forge that is known here", id="odd"),
    ],
)
def test_what_else_answers_is_named_before_anything_is_written(answers: Body, said: str) -> None:
    with (
        other_server(answers, base="/api/v4") as other,
        pytest.raises(WrongForge, match=r"set forge\.api_url") as raised,
    ):
        connect(other.url).comment(1, "Hello.")
    assert said in str(raised.value)
    assert {each.split()[0] for each in other.asked} == {"GET"}


def test_an_old_gitlab_tells_its_version_elsewhere() -> None:
    with other_server({"/version": (200, {"version": "14.9.5-ee", "revision": "f3"})}, base="/api/v4") as other:
        assert connect(other.url).product() == "GitLab 14.9.5-ee"
