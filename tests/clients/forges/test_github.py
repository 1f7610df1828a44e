"""GitHub keeps the forge contract over a real repository, and what only GitHub has."""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from app.clients.forges.errors import ForgeUnavailable, RepositoryMoved
from app.core.ports import PullRequestDraft, PullRequestState
from tests.clients.forges.forge_contract import HEAD, ForgeContract, ForgeWorld, draft, opened
from tests.clients.forges.github_worlds import BOT, BOT_TOKEN, MIRA_TOKEN, GitHubWorld, connect, github_world
from tests.clients.forges.served_worlds import MIRA
from tests.servers.github import GitHubServer
from tests.servers.rest_answers import Answer, Asked, Body


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHubWorld]:
    with github_world(tmp_path) as world:
        yield world


@pytest.fixture
def forge_world(github: GitHubWorld) -> ForgeWorld:
    return github


class TestGitHub(ForgeContract):
    """The promises of every forge."""


def last_answer(server: GitHubServer, path_ending: str) -> Body:
    """The newest body that was given out for a path."""
    body: Body = json.loads([each for each in server.exchanges if each.path.endswith(path_ending)][-1].received)
    return body


def test_a_squash_by_a_person_names_them_the_new_commit_and_the_head_that_went_in(github: GitHubWorld) -> None:
    before = opened(github)
    commit = github.server.merge(before.number, by=MIRA, method="squash")
    shown = github.forge.pull_request(before.number)
    assert (shown.state, shown.merged_by, shown.merge_commit) == (PullRequestState.MERGED, MIRA, commit)
    assert shown.head_sha == before.head_sha
    assert shown.closed_by is None
    assert github.head("main") == commit
    assert before.head_sha not in github.server.repository.git("rev-list", "main").decode()


def test_one_that_was_never_merged_shows_no_merge_commit(github: GitHubWorld) -> None:
    number = opened(github).number
    trial = last_answer(github.server, f"/pulls/{number}") | {"merge_commit_sha": "ab" * 20}
    github.server.break_next(Answer(200, trial), path_ending=f"/pulls/{number}")
    assert github.forge.pull_request(number).merge_commit is None


def test_the_merge_commit_of_one_that_does_not_tell_it_is_that_of_its_event(github: GitHubWorld) -> None:
    number = github.forge.open_pull_request(labelled(github)).number
    commit = github.server.merge(number, by=MIRA)
    github.forge.pull_request(number)
    untold = {
        key: value for key, value in last_answer(github.server, f"/pulls/{number}").items() if "merge_" not in key
    }
    github.server.break_next(Answer(200, untold), path_ending=f"/pulls/{number}")
    assert github.forge.pull_request(number).merge_commit == commit


def labelled(github: GitHubWorld) -> PullRequestDraft:
    """One with more events than a page of them has."""
    github.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    return draft(labels=tuple(f"label-{number:03}" for number in range(101)))


def test_deleting_the_branch_is_a_close_by_whoever_did_it(github: GitHubWorld) -> None:
    before = opened(github)
    github.server.delete_branch(HEAD, by=MIRA)
    [shown] = github.forge.find_pull_requests(head=HEAD)
    assert (shown.state, shown.closed_by, shown.head_sha) == (PullRequestState.CLOSED, MIRA, before.head_sha)


def approve(server: GitHubServer, number: int) -> None:
    server.approve(number, by=MIRA)


def approve_as_a_stranger(server: GitHubServer, number: int) -> None:
    server.approve(number, by="mallory", association="NONE")


def approve_what_moves_on(server: GitHubServer, number: int) -> None:
    server.approve(number, by=MIRA)
    server.push(HEAD, {"app.yaml": "tag: 1.3.0\n"}, by=BOT)


def approve_and_take_it_back(server: GitHubServer, number: int) -> None:
    server.approve(number, by=MIRA)
    server.review(number, "CHANGES_REQUESTED", by=MIRA)


def approve_and_comment(server: GitHubServer, number: int) -> None:
    server.approve(number, by=MIRA)
    server.review(number, "COMMENTED", by=MIRA)


def dismiss(server: GitHubServer, number: int) -> None:
    server.review(number, "DISMISSED", by=MIRA)


def approve_beside_an_objection(server: GitHubServer, number: int) -> None:
    server.review(number, "CHANGES_REQUESTED", by="olu")
    server.approve(number, by=MIRA)


def merge_when_ready(server: GitHubServer, number: int) -> None:
    server.enable_auto_merge(number, by=MIRA)


@pytest.mark.parametrize(
    ("act", "is_committed"),
    [
        pytest.param(approve, True, id="approved"),
        pytest.param(approve_and_comment, True, id="approved, then commented"),
        pytest.param(approve_beside_an_objection, True, id="approved by one, refused by another"),
        pytest.param(merge_when_ready, True, id="merges by itself"),
        pytest.param(approve_as_a_stranger, False, id="approved by a stranger"),
        pytest.param(approve_what_moves_on, False, id="approved before the head moved"),
        pytest.param(approve_and_take_it_back, False, id="approval taken back"),
        pytest.param(dismiss, False, id="approval dismissed"),
    ],
)
def test_people_commit_to_the_head_that_they_approved(
    github: GitHubWorld, act: Callable[[GitHubServer, int], None], *, is_committed: bool
) -> None:
    number = opened(github).number
    act(github.server, number)
    assert github.forge.pull_request(number).is_committed is is_committed


def test_a_fork_with_our_branch_name_is_not_ours(github: GitHubWorld) -> None:
    foreign = github.server.open_from_fork(HEAD, {"app.yaml": "tag: 6.6.6\n"}, by="mallory")
    ours = opened(github)
    assert [each.number for each in github.forge.find_pull_requests(head=HEAD)] == [ours.number]
    assert github.forge.pull_request(foreign).is_from_fork
    assert not ours.is_from_fork


def everything(server: GitHubServer) -> Answer:
    """The list of pull requests as it is without a filter."""
    return server.answer(Asked("GET", "/repos/acme/fleet/pulls", "state=all", b"", ""), BOT_TOKEN)


def test_of_a_list_that_nothing_filtered_only_ours_count(github: GitHubWorld) -> None:
    ours = opened(github)
    github.server.repository.git("branch", "release", "main")
    opened(github, "fluxbridge/main/staging/other")
    to_release = github.forge.open_pull_request(PullRequestDraft(head=HEAD, base="release", title="web", body=""))
    github.server.open_from_fork(HEAD, {"app.yaml": "tag: 6.6.6\n"}, by="mallory")
    github.server.break_next(everything(github.server), method="GET", path_ending="/pulls")
    found = github.forge.find_pull_requests(head=HEAD)
    assert [each.number for each in found] == [to_release.number, ours.number]
    github.server.break_next(everything(github.server), method="GET", path_ending="/pulls")
    assert github.forge.open_pull_request(draft()).number == ours.number


def test_a_deleted_fork_and_a_deleted_account_leave_a_readable_pull_request(github: GitHubWorld) -> None:
    number = github.server.open_from_fork(HEAD, {"app.yaml": "tag: 6.6.6\n"}, by="mallory")
    github.forge.pull_request(number)
    body = last_answer(github.server, f"/pulls/{number}") | {"user": None}
    body["head"]["repo"] = None
    github.server.break_next(Answer(200, body), path_ending=f"/pulls/{number}")
    shown = github.forge.pull_request(number)
    assert (shown.author, shown.is_from_fork) == ("ghost", True)


def test_a_lost_answer_leaves_one_pull_request_which_the_next_try_finds_and_labels(github: GitHubWorld) -> None:
    github.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    github.server.break_next("lose", method="POST", path_ending="/pulls")
    with pytest.raises(ForgeUnavailable):
        github.forge.open_pull_request(draft(labels=("fluxbridge",)))
    [found] = github.forge.find_pull_requests(head=HEAD)
    again = github.forge.open_pull_request(draft(labels=("fluxbridge",)))
    assert (again.number, again.labels) == (found.number, ("fluxbridge",))


def test_one_that_somebody_opens_since_it_was_looked_for_is_found_and_labelled(github: GitHubWorld) -> None:
    number = opened(github).number
    github.server.break_next(Answer(200, []), method="GET", path_ending="/pulls")
    again = github.forge.open_pull_request(draft(labels=("fluxbridge",)))
    assert (again.number, again.labels) == (number, ("fluxbridge",))


def test_to_open_what_is_open_already_writes_nothing(github: GitHubWorld) -> None:
    github.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    first = github.forge.open_pull_request(draft(labels=("fluxbridge",)))
    before = len(github.server.exchanges)
    assert github.forge.open_pull_request(draft(labels=("fluxbridge",))) == first
    assert {each.method for each in github.server.exchanges[before:]} == {"GET"}


def test_one_that_is_open_into_another_base_is_another_one(github: GitHubWorld) -> None:
    first = opened(github)
    github.server.repository.git("branch", "release", "main")
    second = github.forge.open_pull_request(PullRequestDraft(head=HEAD, base="release", title="web 1.2.0", body=""))
    assert (second.number, second.base) == (first.number + 1, "release")
    assert github.forge.open_pull_request(draft()).number == first.number


def test_old_pull_requests_of_a_branch_are_not_all_read_again(github: GitHubWorld) -> None:
    numbers = []
    for _ in range(12):
        numbers.append(opened(github).number)
        github.close_as(MIRA, numbers[-1])
    github.reopen_as(MIRA, numbers[0])
    found = [each.number for each in github.forge.find_pull_requests(head=HEAD)]
    assert found == [*reversed(numbers[2:]), numbers[0]]


def listed(server: GitHubServer, numbers: Iterable[int], *, following: int | None = None) -> Answer:
    """A page of the list with one pull request again and again under these numbers; `following` is the next page."""
    [body, *_] = json.loads(everything(server).content())
    link = {"Link": f'<https://evil.example/x?state=all&page={following}>; rel="next"'} if following else {}
    return Answer(200, [body | {"number": number} for number in numbers], link)


def test_recent_pull_requests_cost_a_request_a_hundred(github: GitHubWorld) -> None:
    opened(github)
    before = len(github.server.exchanges)
    for numbers, following in ((range(300, 200, -1), 2), (range(201, 101, -1), 3), (range(101, 50, -1), None)):
        github.server.break_next(listed(github.server, numbers, following=following), path_ending="/pulls")
    recent = github.forge.recent_pull_requests(prefix="fluxbridge", limit=205)
    assert [each.number for each in recent] == list(range(300, 96, -1))
    queries = [each.query for each in github.server.exchanges[before:]]
    assert [parse_qs(query).get("page") for query in queries] == [None, ["2"], ["3"]]
    assert parse_qs(queries[0]) == {
        "state": ["all"],
        "sort": ["updated"],
        "direction": ["desc"],
        "per_page": ["100"],
    }


def test_a_real_second_page_is_read(github: GitHubWorld) -> None:
    numbers = [opened(github, f"fluxbridge/main/staging/app-{index}").number for index in range(3)]
    page = everything(github.server)
    two = Answer(200, json.loads(page.content())[:2], {"Link": '</pulls?per_page=2&state=all&page=2>; rel="next"'})
    github.server.break_next(two, path_ending="/pulls")
    assert [each.number for each in github.forge.recent_pull_requests(prefix="fluxbridge", limit=9)] == numbers[::-1]


def test_pages_that_never_end_are_read_as_far_as_wanted(github: GitHubWorld) -> None:
    opened(github)
    for _ in range(3):
        github.server.break_next(listed(github.server, range(1, 101), following=2), path_ending="/pulls")
    assert len(github.forge.recent_pull_requests(prefix="fluxbridge", limit=300)) == 100
    github.server.break_next(listed(github.server, [], following=2), path_ending="/pulls")
    before = len(github.server.exchanges)
    assert list(github.forge.recent_pull_requests(prefix="fluxbridge", limit=300)) == []
    assert len(github.server.exchanges) == before + 1


def test_open_pull_requests_cost_a_request_a_hundred_and_no_more_than_twenty(github: GitHubWorld) -> None:
    opened(github)
    before = len(github.server.exchanges)
    for page in range(25):
        numbers = range(page * 100 + 1, page * 100 + 101)
        github.server.break_next(listed(github.server, numbers, following=page + 2), path_ending="/pulls")
    assert len(github.forge.open_pull_requests(prefix="fluxbridge")) == 2000
    queries = [parse_qs(each.query) for each in github.server.exchanges[before:]]
    assert len(queries) == 20
    assert queries[0] == {"state": ["open"], "sort": ["created"], "direction": ["asc"], "per_page": ["100"]}


def test_open_pull_requests_leave_forks_out(github: GitHubWorld) -> None:
    github.server.open_from_fork(HEAD, {"app.yaml": "tag: 6.6.6\n"}, by="mallory")
    ours = opened(github)
    assert list(github.forge.open_pull_requests(prefix="fluxbridge")) == [ours.seen]


def test_recent_pull_requests_leave_forks_out(github: GitHubWorld) -> None:
    github.server.open_from_fork(HEAD, {"app.yaml": "tag: 6.6.6\n"}, by="mallory")
    ours = opened(github)
    assert [each.number for each in github.forge.recent_pull_requests(prefix="fluxbridge", limit=9)] == [ours.number]


def test_comments_are_said_as_the_account_of_the_token(github: GitHubWorld) -> None:
    number = opened(github).number
    github.forge.comment(number, "A newer tag waits. ✓")
    assert github.server.comments(number) == [(BOT, "A newer tag waits. ✓")]


def test_a_new_token_counts_from_the_next_request(github: GitHubWorld) -> None:
    token = [BOT_TOKEN]
    forge = connect(github.server.api_url, token=lambda: token[0])
    assert forge.account() == BOT
    token[0] = MIRA_TOKEN
    assert forge.account() == MIRA


def test_the_name_of_the_repository_may_be_written_in_any_case(github: GitHubWorld) -> None:
    number = opened(github).number
    body = last_answer(github.server, f"/pulls/{number}")
    body["base"]["repo"]["full_name"] = body["head"]["repo"]["full_name"] = "Acme/Fleet"
    github.server.break_next(Answer(200, body), path_ending=f"/pulls/{number}")
    assert not github.forge.pull_request(number).is_from_fork


def test_a_renamed_repository_is_said_so_and_nothing_is_lost_silently(github: GitHubWorld) -> None:
    number = opened(github).number
    github.server.rename("acme/platform")
    with pytest.raises(RepositoryMoved, match=r"acme/fleet is called 'acme/platform'.*set forge.repository"):
        github.forge.pull_request(number)
    with pytest.raises(RepositoryMoved):
        github.forge.find_pull_requests(head=HEAD)
    with pytest.raises(RepositoryMoved):
        github.forge.recent_pull_requests(prefix="fluxbridge", limit=9)
    with pytest.raises(ForgeUnavailable):
        github.forge.comment(number, "Never kept.")
    assert github.server.comments(number) == []
    # The description knows no redirected addresses.
    github.server.exchanges[:] = [each for each in github.server.exchanges if each.status < 300]
    github.server.exchanges[:] = [each for each in github.server.exchanges if each.path.startswith("/repos/")]


def test_threads_take_turns_and_do_not_get_each_others_answers(github: GitHubWorld) -> None:
    numbers = [opened(github, f"fluxbridge/main/staging/app-{index}").number for index in range(3)]
    with ThreadPoolExecutor(6) as pool:
        shown = list(pool.map(github.forge.pull_request, numbers * 4))
    assert [each.number for each in shown] == numbers * 4
    assert github.server.most_at_once == 1
