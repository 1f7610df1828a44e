"""What GitHub could not deliver is found and sent again, over a GitHub that really sends."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.clients.forges.github.errors import RepositoryNotVisible
from app.clients.forges.github.webhooks import GitHubWebhooks
from app.core.errors import FluxbridgeError, Refused, Unavailable
from app.core.ports import FailedWebhook, RateLimited
from tests.clients.forges.github_worlds import BOT, MIRA, GitHubWorld, connect, github_world
from tests.clients.forges.webhook_worlds import (
    NOBODY,
    PATH,
    SECRET,
    Receiver,
    an_hour_ago,
    failed,
    lost_webhook,
    receiver,
)
from tests.servers.github_api import Answer
from tests.servers.github_webhooks import FIRST_HOOK, WebhookDelivery


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHubWorld]:
    with github_world(tmp_path) as world:
        yield world


@pytest.fixture
def receiving(github: GitHubWorld) -> Iterator[Receiver]:
    """Who gets the webhooks of that GitHub."""
    with receiver() as running:
        github.server.send_webhooks_to(running.url, SECRET)
        yield running


def push(github: GitHubWorld, times: int = 1) -> list[WebhookDelivery]:
    """Cause so many webhooks; gives all attempts so far, once these are made."""
    before = len(github.server.wait_for_webhooks(0))
    for number in range(times):
        github.server.push("topic", {"x.yaml": f"x: {before + number}\n"}, by=MIRA)
    return github.server.wait_for_webhooks(before + times)


def test_what_the_receiver_took_is_not_failed(github: GitHubWorld, receiving: Receiver) -> None:
    push(github, 3)
    assert len(receiving.received) == 3
    assert failed(github.forge) == []


@pytest.mark.parametrize("status", [301, 400, 404, 422, 500, 503])
def test_what_the_receiver_refused_is_failed(github: GitHubWorld, receiving: Receiver, status: int) -> None:
    receiving.status = status
    [sent] = push(github)
    [found] = failed(github.forge)
    assert (found.hook, found.delivery, found.guid, found.event) == (FIRST_HOOK, sent.number, sent.id, "push")
    assert found.at == sent.at.replace(microsecond=0)


def test_what_came_while_nobody_received_is_failed_oldest_first(github: GitHubWorld) -> None:
    github.server.send_webhooks_to(NOBODY + PATH, SECRET)
    sent = push(github, 3)
    assert [each.guid for each in failed(github.forge)] == [each.id for each in sent]


def test_redelivering_sends_it_once_more_under_the_same_id(github: GitHubWorld, receiving: Receiver) -> None:
    receiving.status = 503
    push(github, 2)
    receiving.status = 202
    first, second = failed(github.forge)
    GitHubWebhooks(github.forge).redeliver(first)
    [_, _, again] = github.server.wait_for_webhooks(3)
    assert (again.id, again.status, again.is_again) == (first.guid, 202, True)
    assert receiving.received[-1] == first.guid
    assert failed(github.forge) == [second]


def test_one_that_failed_again_is_one_and_its_newest_attempt_is_repeated(
    github: GitHubWorld, receiving: Receiver
) -> None:
    receiving.status = 500
    [sent] = push(github)
    [found] = failed(github.forge)
    GitHubWebhooks(github.forge).redeliver(found)
    again = github.server.wait_for_webhooks(2)[1]
    [still] = failed(github.forge)
    assert (still.guid, still.delivery, still.at) == (sent.id, again.number, found.at)


def test_many_pages_are_read_to_their_end(github: GitHubWorld, receiving: Receiver) -> None:
    receiving.status = 500
    [lost] = push(github)
    receiving.status = 202
    good = push(github)[-1]
    for _ in range(203):
        github.server.send_webhook_again(good)
    github.server.wait_for_webhooks(205)
    assert [each.guid for each in failed(github.forge)] == [lost.id]
    asked = [each for each in github.server.exchanges if each.path.endswith("/deliveries")]
    assert ["cursor" in each.query for each in asked] == [False, True, True]
    assert all("per_page=100" in each.query for each in asked)


def test_reading_ends_where_the_time_is_reached(github: GitHubWorld, receiving: Receiver) -> None:
    receiving.status = 500
    [old] = push(github)
    for _ in range(105):
        github.server.send_webhook_again(old)
    github.server.wait_for_webhooks(106)
    github.server.age_webhooks(timedelta(hours=2))
    newest = push(github)[-1]
    assert [each.guid for each in failed(github.forge)] == [newest.id]
    assert len([each for each in github.server.exchanges if each.path.endswith("/deliveries")]) == 1


def test_only_what_happened_since_then_is_looked_at(github: GitHubWorld) -> None:
    github.server.send_webhooks_to(NOBODY + PATH, SECRET)
    push(github)
    github.server.age_webhooks(timedelta(hours=2))
    newest = push(github)[-1]
    assert [each.guid for each in failed(github.forge)] == [newest.id]
    assert len(failed(github.forge, since=datetime.now(UTC) - timedelta(hours=3))) == 2


def test_what_github_no_longer_keeps_is_left_alone(github: GitHubWorld) -> None:
    github.server.send_webhooks_to(NOBODY + PATH, SECRET)
    push(github)
    github.server.age_webhooks(timedelta(days=3, minutes=1))
    kept = push(github)[-1]
    found = failed(github.forge, since=datetime(2020, 1, 1, tzinfo=UTC))
    assert [each.guid for each in found] == [kept.id]


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        pytest.param(f"{NOBODY}{PATH}", True, id="the path"),
        pytest.param(f"{NOBODY}{PATH}/", True, id="a slash more"),
        pytest.param(f"{NOBODY}/bridge{PATH}", True, id="behind a prefix"),
        pytest.param(f"{NOBODY}{PATH}?x=1", True, id="a query"),
        pytest.param(f"{NOBODY}/my{PATH[1:]}", False, id="a longer name"),
        pytest.param(f"{NOBODY}{PATH}-other", False, id="another receiver"),
        pytest.param(f"{NOBODY}/?to={PATH}", False, id="in the query"),
        pytest.param(NOBODY, False, id="no path"),
    ],
)
def test_only_webhooks_to_our_receiver_count(github: GitHubWorld, url: str, *, is_ours: bool) -> None:
    github.server.send_webhooks_to(url, SECRET)
    push(github)
    assert bool(failed(github.forge)) is is_ours


def test_each_webhook_counts_for_itself_until_it_is_off(github: GitHubWorld, receiving: Receiver) -> None:
    other = github.server.add_webhook(NOBODY + PATH, SECRET)
    sent = push(github)
    github.server.wait_for_webhooks(2)
    assert len(receiving.received) == 1
    assert [(each.hook, each.guid) for each in failed(github.forge)] == [(other, sent[0].id)]
    github.server.turn_webhook_off(other)
    assert failed(github.forge) == []


def test_a_repository_without_webhooks_has_none_that_failed(github: GitHubWorld) -> None:
    assert failed(github.forge) == []


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(
            Answer(403, {"message": "Resource not accessible by personal access token"}),
            Refused,
            "needs the permission 'Webhooks: read and write'",
            id="403",
        ),
        pytest.param(Answer(404, {"message": "Not Found"}), Refused, "the permission 'Webhooks: read and", id="404"),
        pytest.param(Answer(401, {"message": "Bad credentials"}), Refused, "forge.token", id="401"),
        pytest.param(Answer(422, {"message": "Validation Failed"}), Refused, "422", id="422"),
        pytest.param(Answer(429, {}, {"Retry-After": "9"}), RateLimited, "rate limit", id="429"),
        pytest.param(Answer(500, raw=b""), Unavailable, "500", id="500"),
        pytest.param(
            Answer(302, raw=b"<html>", headers={"Location": "https://login.example"}), FluxbridgeError, "", id="login"
        ),
        pytest.param(
            Answer(301, {}, {"Location": "https://elsewhere.example/api/v3/"}), Refused, "api_url", id="moved"
        ),
        pytest.param(Answer(200, raw=b"<html>"), FluxbridgeError, "", id="a page"),
        pytest.param(Answer(200, raw=b"\xff"), FluxbridgeError, "", id="binary"),
        pytest.param(Answer(200, raw=b'[{"id":'), FluxbridgeError, "", id="cut off"),
        pytest.param(Answer(200, {"id": 1}), FluxbridgeError, "", id="no list"),
        pytest.param(Answer(200, [3]), FluxbridgeError, "", id="numbers"),
    ],
)
@pytest.mark.parametrize("place", ["/hooks", "/deliveries", "/attempts"])
def test_each_no_says_who_must_act(
    github: GitHubWorld, place: str, answer: Answer, kind: type[FluxbridgeError], words: str
) -> None:
    lost = lost_webhook(github)
    github.server.break_next(answer, path_ending=place)
    with pytest.raises(kind) as raised:
        GitHubWebhooks(github.forge).redeliver(lost) if place == "/attempts" else failed(github.forge)
    assert words in str(raised.value)
    assert "acme/fleet" in str(raised.value)
    assert len(github.server.wait_for_webhooks(1)) == 1


ATTEMPT = {
    "id": 42,
    "guid": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
    "delivered_at": "2026-05-04T12:00:00Z",
    "status_code": 502,
    "event": "push",
}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"id": -1}, id="a number below nothing"),
        pytest.param({"id": "../../x"}, id="a path for a number"),
        pytest.param({"guid": ""}, id="no id"),
        pytest.param({"guid": "x" * 201}, id="an endless id"),
        pytest.param({"delivered_at": "2026-05-04T12:00:00"}, id="a time without a zone"),
        pytest.param({"status_code": None}, id="no status"),
        pytest.param({"event": {"push": 1}}, id="an odd event"),
    ],
)
def test_an_odd_attempt_is_for_later(github: GitHubWorld, change: dict[str, object]) -> None:
    lost_webhook(github)
    github.server.break_next(Answer(200, [ATTEMPT | change]), path_ending="/deliveries")
    with pytest.raises(Unavailable, match="no answer of its API"):
        failed(github.forge)


def test_a_hook_without_an_address_is_passed_over(github: GitHubWorld) -> None:
    hooks = [
        {"id": 1, "active": True, "config": {}},
        {"id": 2, "active": True, "config": {"url": "http://[::1"}},
        {"id": 3, "active": True, "config": {"url": "mailto:x"}},
    ]
    github.server.break_next(Answer(200, hooks), path_ending="/hooks")
    assert failed(github.forge) == []


def test_attempts_that_never_end_are_given_up(github: GitHubWorld) -> None:
    lost_webhook(github)
    body = json.loads(github.server.exchanges[-1].received)
    for _ in range(201):
        again = {"Link": f'<{github.server.api_url}/elsewhere?per_page=100&cursor=v1_{10**7}>; rel="next"'}
        github.server.break_next(Answer(200, body, again), path_ending="/deliveries")
    with pytest.raises(Refused, match=r"was sent more than 20000 times.*fewer kinds of events"):
        failed(github.forge)


def test_a_link_to_another_host_is_read_for_its_cursor_only(github: GitHubWorld) -> None:
    lost = lost_webhook(github)
    body = json.loads(github.server.exchanges[-1].received)
    away = {"Link": f'<https://evil.example/x?cursor=v1_{10**7}>; rel="next", <https://evil.example/y>; rel="last"'}
    github.server.break_next(Answer(200, body, away), path_ending="/deliveries")
    assert failed(github.forge) == [lost]
    assert github.server.exchanges[-1].path.endswith("/deliveries")


def test_a_hidden_repository_is_said_so(github: GitHubWorld) -> None:
    hidden = connect(github.server.api_url, repository="acme/secret")
    with pytest.raises(RepositoryNotVisible):
        failed(hidden)
    with pytest.raises(RepositoryNotVisible):
        GitHubWebhooks(hidden).redeliver(FailedWebhook(1, 2, "x", "push", an_hour_ago()))


def test_what_is_gone_at_github_is_refused(github: GitHubWorld) -> None:
    lost = lost_webhook(github)
    with pytest.raises(Refused):
        GitHubWebhooks(github.forge).redeliver(FailedWebhook(lost.hook, 1, lost.guid, lost.event, lost.at))
    assert github.forge.account() == BOT
