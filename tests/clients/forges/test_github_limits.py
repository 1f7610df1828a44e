"""GitHub's limits are kept from afar: a reserve for others with the token, and a word before each write."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.clients.forges.github.forge import GitHub
from app.core.errors import Unavailable
from app.core.ports import RateLimited
from tests.clients.forges.forge_contract import HEAD, draft, opened
from tests.clients.forges.github_worlds import GitHubWorld, connect, github_world
from tests.servers.rest_answers import Answer

DATE = {"Date": "Mon, 04 May 2026 12:00:00 GMT", "X-RateLimit-Reset": "1777896090"}  # 90 s later


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHubWorld]:
    with github_world(tmp_path) as world:
        yield world


def asked(github: GitHubWorld) -> int:
    return len(github.server.exchanges)


def answer_with(github: GitHubWorld, **headers: str) -> None:
    """Let the next request fail with an answer that tells of these limits."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    github.server.break_next(Answer(500, raw=b"", headers=DATE | named))


def test_a_tenth_of_the_hours_requests_is_left_to_others(github: GitHubWorld) -> None:
    github.server.limit.start_hour(100, used=88, seconds_left=600)
    github.forge.account()
    github.forge.account()
    before = asked(github)
    with pytest.raises(RateLimited, match=r"10 of 100 requests of this hour left.*acme/fleet") as raised:
        github.forge.account()
    assert raised.value.retry_after is not None
    assert timedelta(seconds=590) < raised.value.retry_after <= timedelta(seconds=601)
    assert asked(github) == before


def test_two_processes_with_one_token_stay_below_the_limit_together(github: GitHubWorld) -> None:
    both = [connect(github.server.api_url), connect(github.server.api_url)]
    for each in both:
        each.account()
    github.server.limit.start_hour(40)
    refused = 0
    for turn in range(60):
        try:
            both[turn % 2].account()
        except RateLimited:
            refused += 1
    assert refused == 60 - 37
    assert all(each.status == 200 for each in github.server.exchanges)


def test_once_the_hour_is_over_it_is_asked_again(github: GitHubWorld) -> None:
    clock = Clock()
    forge = connect(github.server.api_url, clock=clock)
    answer_with(github, X_RateLimit_Limit="5000", X_RateLimit_Remaining="500")
    with pytest.raises(Unavailable, match="500"):
        forge.account()
    clock.now += 30
    with pytest.raises(RateLimited) as raised:
        forge.account()
    assert raised.value.retry_after == timedelta(seconds=60)
    clock.now += 60
    assert forge.account()


@pytest.mark.parametrize(
    ("limit", "remaining", "is_asked"),
    [
        pytest.param("5000", "501", True, id="above the reserve"),
        pytest.param("5000", "500", False, id="at the reserve"),
        pytest.param("5000", "0", False, id="nothing left"),
        pytest.param("60", "6", False, id="a small limit"),
        pytest.param("5", "1", True, id="a tiny limit"),
        pytest.param("0", "0", True, id="an own server without limits"),
        pytest.param("-1", "0", True, id="below nothing"),
        pytest.param("9" * 30, "0", True, id="absurd"),
    ],
)
def test_the_reserve_is_a_tenth(github: GitHubWorld, limit: str, remaining: str, *, is_asked: bool) -> None:
    forge = connect(github.server.api_url, clock=Clock())
    answer_with(github, X_RateLimit_Limit=limit, X_RateLimit_Remaining=remaining)
    with pytest.raises(Unavailable):
        forge.account()
    if is_asked:
        assert forge.account()
        return
    with pytest.raises(RateLimited) as raised:
        forge.account()
    assert raised.value.retry_after == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("reset", "pause_s"),
    [
        pytest.param("1777896090", 90, id="soon"),
        pytest.param("1777800000", 1, id="past"),
        pytest.param("1877896090", 3600, id="in years"),
        pytest.param("tomorrow", 60, id="unreadable"),
    ],
)
def test_nobody_waits_longer_than_an_hour(github: GitHubWorld, reset: str, pause_s: int) -> None:
    forge = connect(github.server.api_url, clock=Clock())
    answer_with(github, X_RateLimit_Limit="5000", X_RateLimit_Remaining="7", X_RateLimit_Reset=reset)
    with pytest.raises(Unavailable):
        forge.account()
    with pytest.raises(RateLimited) as raised:
        forge.account()
    assert raised.value.retry_after == timedelta(seconds=pause_s)


def test_a_limit_that_is_reached_is_told_with_the_end_of_the_hour(github: GitHubWorld) -> None:
    github.server.limit.start_hour(100, used=100, seconds_left=300)
    with pytest.raises(RateLimited, match="takes no more requests") as raised:
        github.forge.account()
    assert raised.value.retry_after is not None
    assert timedelta(seconds=290) < raised.value.retry_after <= timedelta(seconds=301)
    github.server.exchanges.pop()  # the description lists no 403 of GET /user
    github.server.limit.start_hour(100)
    connect(github.server.api_url).account()


def write_everything(forge: GitHub, number: int) -> None:
    forge.open_pull_request(draft(f"{HEAD}-2", labels=("fluxbridge",)))
    forge.edit_pull_request(number, title="Newer", body="")
    forge.comment(number, "A newer tag waits.")
    forge.close_pull_request(number)


def test_a_word_is_said_before_requests_that_write_and_before_no_other(github: GitHubWorld) -> None:
    number = opened(github).number
    github.push(f"{HEAD}-2", {"x.yaml": "tag: 1\n"})
    said_at: list[int] = []

    def spend(count: int) -> None:
        said_at.extend([asked(github)] * count)

    forge = connect(github.server.api_url, spend=spend)
    start = asked(github)
    write_everything(forge, number)
    wrote_at = [at for at, each in enumerate(github.server.exchanges) if at >= start and each.method != "GET"]
    # The two that open and label are one word.
    assert said_at == [wrote_at[0], wrote_at[0], *wrote_at[2:]]
    assert [github.server.exchanges[at].path.rsplit("/", 1)[-1] for at in wrote_at] == [
        "pulls",
        "labels",
        str(number),
        "comments",
        str(number),
    ]


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda forge, _: forge.open_pull_request(draft(f"{HEAD}-2")), id="open"),
        pytest.param(lambda forge, number: forge.edit_pull_request(number, title="t", body="b"), id="edit"),
        pytest.param(lambda forge, number: forge.comment(number, "Hello."), id="comment"),
        pytest.param(lambda forge, number: forge.close_pull_request(number), id="close"),
    ],
)
def test_where_the_budget_is_spent_nothing_is_written(
    github: GitHubWorld, write: Callable[[GitHub, int], object]
) -> None:
    class Spent(Unavailable):
        """No more for now."""

    def spend(count: int) -> None:
        raise Spent(f"enough, not {count} more", retry_after=timedelta(minutes=5))

    number = opened(github).number
    github.push(f"{HEAD}-2", {"x.yaml": "tag: 1\n"})
    forge = connect(github.server.api_url, spend=spend)
    before = forge.pull_request(number)
    start = asked(github)
    with pytest.raises(Spent):
        write(forge, number)
    assert {each.method for each in github.server.exchanges[start:]} <= {"GET"}
    assert forge.pull_request(number) == before
    assert github.server.comments(number) == []


def test_reserve_comes_before_budget(github: GitHubWorld) -> None:
    number = opened(github).number
    said: list[float] = []
    forge = connect(github.server.api_url, spend=lambda _: said.append(time.monotonic()))
    forge.account()
    github.server.limit.start_hour(100, used=95)
    forge.account()
    with pytest.raises(RateLimited):
        forge.comment(number, "Hello.")
    assert said == []
