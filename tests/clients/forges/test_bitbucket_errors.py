"""What either Bitbucket refuses, or cannot do now, is told by who must act; the token is told to nobody."""

import base64
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.clients.forges.errors import ForgeUnavailable, TokenNotAccepted
from app.core.errors import FluxbridgeError, NotFound, Refused, Unavailable
from app.core.ports import Forge, RateLimited
from tests.clients.forges import bitbucket_dc_worlds, bitbucket_worlds
from tests.clients.forges.bitbucket_dc_worlds import BitbucketDCWorld
from tests.clients.forges.bitbucket_worlds import BitbucketWorld
from tests.clients.forges.forge_contract import HEAD, draft, opened
from tests.servers.rest_answers import Answer

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
TOKENS = (bitbucket_worlds.BOT_TOKEN, bitbucket_dc_worlds.BOT_TOKEN)


@dataclass(frozen=True, slots=True)
class Here:
    """One Bitbucket with an open pull request, and the bot's view of it."""

    world: BitbucketWorld | BitbucketDCWorld
    number: int

    @property
    def forge(self) -> Forge:
        return self.world.forge

    def connect(self, *, token: str | None = None, timeout_s: float = 10) -> Forge:
        """Another view of it."""
        url, shown = self.world.server.api_url, token
        if isinstance(self.world, BitbucketWorld):
            return bitbucket_worlds.connect(url, token=lambda: shown or "", timeout_s=timeout_s)
        return bitbucket_dc_worlds.connect(url, token=lambda: shown or "", timeout_s=timeout_s)

    @property
    def token(self) -> str:
        """The bot's."""
        return next(iter(self.world.server.accounts.values()))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Here]]:
    """One server of each kind for all: nothing here changes what is on it."""
    folder: Path = tmp_path_factory.mktemp("bitbucket")
    with ExitStack() as stack:
        cloud = stack.enter_context(bitbucket_worlds.bitbucket_world(folder / "cloud"))
        center = stack.enter_context(bitbucket_dc_worlds.bitbucket_dc_world(folder / "center"))
        yield {"cloud": Here(cloud, opened(cloud).number), "center": Here(center, opened(center).number)}


@pytest.fixture(params=["cloud", "center"])
def here(both: dict[str, Here], request: pytest.FixtureRequest) -> Here:
    return both[request.param]


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(Answer(403, []), Refused, "403, without a reason", id="forbidden by something else"),
        pytest.param(Answer(410, {"message": "Gone"}), Refused, "410, 'Gone'", id="gone"),
        pytest.param(Answer(500, raw=b""), Unavailable, "answered 500", id="broken"),
        pytest.param(Answer(502, raw=b"<html>Bad Gateway"), Unavailable, "answered 502", id="gateway"),
        pytest.param(Answer(555, raw=b""), Unavailable, "answered 555", id="took too long"),
        pytest.param(
            Answer(302, {}, {"Location": "https://login.example/?next=x"}), Refused, "redirects to", id="redirect"
        ),
        pytest.param(Answer(200, raw=b"<html>Sign in"), Unavailable, "no answer of its API", id="login page"),
        pytest.param(Answer(200, raw=b'{"id":'), Unavailable, "no answer of its API", id="cut off"),
        pytest.param(Answer(200, raw=b"\xff\xfe"), Unavailable, "no answer of its API", id="binary"),
        pytest.param(Answer(200, raw=b""), Unavailable, "no answer of its API", id="empty"),
        pytest.param(Answer(200, 3), Unavailable, "no answer of its API", id="a number"),
        pytest.param(Answer(200, [{"id": None}]), Unavailable, "no answer of its API", id="a list"),
        pytest.param(Answer(200, {"id": "x", "title": 5}), Unavailable, "no answer of its API", id="wrong types"),
    ],
)
def test_each_no_says_who_must_act(here: Here, answer: Answer, kind: type[FluxbridgeError], words: str) -> None:
    here.world.server.break_next(answer)
    with pytest.raises(kind) as raised:
        here.forge.pull_request(here.number)
    assert words in str(raised.value)
    assert "/fleet" in str(raised.value)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda forge, _: forge.find_pull_requests(head=HEAD), id="find"),
        pytest.param(lambda forge, _: forge.recent_pull_requests(prefix="fluxbridge", limit=9), id="recent"),
        pytest.param(lambda forge, _: forge.open_pull_requests(prefix="fluxbridge"), id="open ones"),
        pytest.param(lambda forge, _: forge.open_pull_request(draft()), id="open"),
        pytest.param(lambda forge, number: forge.own_comments(number, since=LONG_AGO), id="own comments"),
        pytest.param(lambda forge, number: forge.edit_pull_request(number, title="t", body="b"), id="edit"),
        pytest.param(lambda forge, number: forge.close_pull_request(number), id="close"),
    ],
)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(Answer(403, {"message": "No"}), Refused, id="refused"),
        pytest.param(Answer(500, raw=b""), Unavailable, id="broken"),
        pytest.param(Answer(200, 3), Unavailable, id="odd"),
    ],
)
def test_everything_that_is_asked_tells_its_errors_alike(
    here: Here, ask: Callable[[Forge, int], object], answer: Answer, kind: type[FluxbridgeError]
) -> None:
    here.world.server.break_next(answer)
    with pytest.raises(kind):
        ask(here.forge, here.number)


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        pytest.param({"Retry-After": "7"}, 7, id="names its pause"),
        pytest.param({}, 60, id="names none"),
        pytest.param({"X-RateLimit-Limit": "1000", "X-RateLimit-NearLimit": "true"}, 60, id="names its limit"),
        pytest.param({"Retry-After": "9" * 30}, 3600, id="absurd pause"),
    ],
)
def test_a_rate_limit_says_when_to_come_back(here: Here, headers: dict[str, str], pause_s: int) -> None:
    here.world.server.break_next(Answer(429, raw=b"", headers=headers))
    with pytest.raises(RateLimited, match="rate limit") as raised:
        here.forge.pull_request(here.number)
    assert raised.value.retry_after == timedelta(seconds=pause_s)


def test_an_answer_that_does_not_come_is_given_up(here: Here) -> None:
    here.world.server.break_next("hang")
    with pytest.raises(ForgeUnavailable, match="did not answer within 1 s"):
        here.connect(token=here.token, timeout_s=1).pull_request(here.number)
    assert here.forge.pull_request(here.number).number == here.number


def test_a_dropped_connection_is_unavailable_and_the_next_call_works(here: Here) -> None:
    here.world.server.break_next("lose")
    with pytest.raises(ForgeUnavailable, match="cannot be reached"):
        here.forge.pull_request(here.number)
    assert here.forge.pull_request(here.number).number == here.number


def test_an_answer_that_was_lost_after_acting_leaves_one_pull_request(here: Here) -> None:
    here.world.push(f"{HEAD}-lost", {"lost.yaml": "tag: 1\n"})
    here.world.server.break_next("lose", method="POST")
    with pytest.raises(ForgeUnavailable):
        here.forge.open_pull_request(draft(f"{HEAD}-lost"))
    again = here.forge.open_pull_request(draft(f"{HEAD}-lost"))
    assert [one.number for one in here.forge.find_pull_requests(head=f"{HEAD}-lost")] == [again.number]


def test_what_is_said_of_an_unknown_number_is_not_found(here: Here) -> None:
    for ask in (
        lambda: here.forge.comment(4711, "Hello?"),
        lambda: here.forge.edit_pull_request(4711, title="t", body="b"),
        lambda: here.forge.close_pull_request(4711),
    ):
        with pytest.raises(NotFound, match="has no pull request 4711"):
            ask()


@pytest.mark.parametrize("token", ["", "token\n", "t\u200b", "wr0ng-t0ken"], ids=["empty", "newline", "odd", "wrong"])
def test_a_token_that_is_not_accepted_is_not_shown(here: Here, token: str) -> None:
    with pytest.raises(TokenNotAccepted, match=r"forge\.token") as raised:
        here.connect(token=token).account()
    assert not token or token not in str(raised.value)


@pytest.mark.parametrize("status", [None, 401, 403, 404, 429, 500])
def test_the_token_stands_in_no_url_log_or_error(
    here: Here, caplog: pytest.LogCaptureFixture, status: int | None
) -> None:
    caplog.set_level(logging.DEBUG)
    told = ""
    if status:
        here.world.server.break_next(Answer(status, raw=b""))
        with pytest.raises(FluxbridgeError) as raised:
            here.forge.pull_request(here.number)
        error: BaseException | None = raised.value
        while error is not None:
            told += f"{error} {error!r}"
            error = error.__cause__ or error.__context__
    here.forge.pull_request(here.number)
    told += caplog.text
    told += "".join(each.path + each.query + each.sent.decode() for each in here.world.server.exchanges)
    assert not [one for one in TOKENS if one in told or base64.b64encode(one.encode()).decode() in told]
