"""What GitHub refuses, or cannot do now, is told by who must act; the token is told to nobody."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from app.clients.forges.errors import ForgeUnavailable, RepositoryNotVisible, TokenNotAccepted
from app.core.errors import FluxbridgeError, NotFound, Refused, Unavailable
from app.core.ports import Forge, RateLimited
from tests.clients.forges.forge_contract import HEAD, draft, opened
from tests.clients.forges.github_worlds import BOT, BOT_TOKEN, GitHubWorld, acquainted, connect, github_world
from tests.servers.rest_answers import Answer, Body

DATE = {"Date": "Mon, 04 May 2026 12:00:00 GMT"}
RESET = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1777896090"}  # 90 s after DATE


def no(message: str, **field: str) -> Body:
    """What GitHub says where it does not do it; `field` and `code` tell which field is wrong."""
    return {"message": message, "documentation_url": "https://docs.github.com/rest", "errors": [field] if field else []}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHubWorld]:
    """One GitHub for all: nothing here changes what is on it."""
    with github_world(tmp_path_factory.mktemp("github")) as world:
        yield world


@pytest.fixture
def github(shared: GitHubWorld) -> GitHubWorld:
    """The same with a client of its own, which no answer to another test told to wait."""
    return GitHubWorld(shared.server, acquainted(shared.server))


@pytest.fixture(scope="module")
def number(shared: GitHubWorld) -> int:
    """An open pull request."""
    return opened(shared).number


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(Answer(401, no("Bad credentials")), Refused, "forge.token", id="token expired"),
        pytest.param(
            Answer(403, no("Resource not accessible by personal access token"), {"X-RateLimit-Remaining": "9"}),
            Refused,
            "not accessible by personal access token'; the token needs the permission 'Pull requests: read and write'",
            id="no permission",
        ),
        pytest.param(Answer(403, []), Refused, "403, without a reason", id="forbidden by something else"),
        pytest.param(Answer(410, no("Gone")), Refused, "410, 'Gone'", id="gone"),
        pytest.param(
            Answer(422, no("Validation Failed", field="base", code="invalid")),
            Refused,
            "422, 'base is invalid'",
            id="invalid",
        ),
        pytest.param(Answer(404, raw=b"<html>"), Refused, "404, without a reason", id="404 of a proxy"),
        pytest.param(Answer(500, raw=b""), Unavailable, "answered 500", id="broken"),
        pytest.param(Answer(502, raw=b"<html>Bad Gateway"), Unavailable, "answered 502", id="gateway"),
        pytest.param(Answer(503, no("No server is available")), Unavailable, "answered 503", id="maintenance"),
        pytest.param(
            Answer(301, {}, {"Location": "https://elsewhere.example/api/v3/"}), Refused, "forge.api_url", id="elsewhere"
        ),
        pytest.param(
            Answer(302, {}, {"Location": "https://login.example/"}), Unavailable, "no answer", id="login page"
        ),
        pytest.param(Answer(200, raw=b"<html>Sign in"), Unavailable, "no answer of its API", id="html"),
        pytest.param(Answer(200, raw=b'{"number":'), Unavailable, "no answer of its API", id="cut off"),
        pytest.param(Answer(200, raw=b"\xff\xfe"), Unavailable, "no answer of its API", id="binary"),
        pytest.param(Answer(200, raw=b""), Unavailable, "no answer of its API", id="empty"),
        pytest.param(Answer(200, 3), Unavailable, "no answer of its API", id="a number"),
        pytest.param(Answer(200, [{"head": None}]), Unavailable, "no answer of its API", id="a list"),
        pytest.param(Answer(200, {"number": "x", "url": 5}), Unavailable, "no answer of its API", id="wrong types"),
    ],
)
def test_each_no_says_who_must_act(
    number: int, github: GitHubWorld, answer: Answer, kind: type[FluxbridgeError], words: str
) -> None:
    github.server.break_next(answer)
    with pytest.raises(kind) as raised:
        github.forge.pull_request(number)
    assert words in str(raised.value)
    assert "acme/fleet" in str(raised.value)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda forge, _: forge.account(), id="account"),
        pytest.param(lambda forge, _: forge.find_pull_requests(head=HEAD), id="find"),
        pytest.param(lambda forge, _: forge.recent_pull_requests(prefix="fluxbridge", limit=9), id="recent"),
        pytest.param(lambda forge, _: forge.open_pull_requests(prefix="fluxbridge"), id="open ones"),
        pytest.param(lambda forge, _: forge.open_pull_request(draft()), id="open"),
        pytest.param(lambda forge, number: forge.comment(number, "Hello."), id="comment"),
        pytest.param(
            lambda forge, number: forge.own_comments(number, since=datetime(2026, 1, 1, tzinfo=UTC)), id="own comments"
        ),
        pytest.param(lambda forge, number: forge.edit_pull_request(number, title="t", body="b"), id="edit"),
        pytest.param(lambda forge, number: forge.close_pull_request(number), id="close"),
    ],
)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(Answer(403, no("Resource not accessible")), Refused, id="refused"),
        pytest.param(Answer(500, raw=b""), Unavailable, id="broken"),
        pytest.param(Answer(200, 3), Unavailable, id="odd"),
    ],
)
def test_everything_that_is_asked_tells_its_errors_alike(
    number: int, github: GitHubWorld, ask: Callable[[Forge, int], object], answer: Answer, kind: type[FluxbridgeError]
) -> None:
    github.server.break_next(answer)
    with pytest.raises(kind):
        ask(github.forge, number)


@pytest.mark.parametrize(
    ("answer", "pause_s"),
    [
        pytest.param(Answer(429, no("Too many"), {"Retry-After": "7"}), 7, id="429 names its pause"),
        pytest.param(Answer(429, raw=b""), 60, id="429 names none"),
        pytest.param(
            Answer(403, no("You have exceeded a secondary rate limit."), {"Retry-After": "30"}), 30, id="second"
        ),
        pytest.param(Answer(403, no("You have exceeded a secondary rate limit.")), 60, id="second, no pause named"),
        pytest.param(Answer(403, no("API rate limit exceeded for user"), DATE | RESET), 90, id="reset by their clock"),
        pytest.param(
            Answer(403, no("API rate limit exceeded"), {"Date": "Mon, 04 May 2026 13:00:00 GMT"} | RESET),
            1,
            id="reset is past",
        ),
        pytest.param(Answer(403, raw=b"", headers=RESET | {"Date": "soon"}), 60, id="unreadable date"),
        pytest.param(Answer(429, raw=b"", headers={"Retry-After": "9" * 30}), 3600, id="absurd pause"),
        pytest.param(
            Answer(429, raw=b"", headers=DATE | RESET | {"X-RateLimit-Reset": "9" * 30}), 60, id="absurd reset"
        ),
    ],
)
def test_a_rate_limit_says_when_to_come_back(number: int, github: GitHubWorld, answer: Answer, pause_s: int) -> None:
    github.server.break_next(answer)
    with pytest.raises(RateLimited, match="rate limit") as raised:
        github.forge.pull_request(number)
    assert raised.value.retry_after == timedelta(seconds=pause_s)


def test_nothing_is_repeated_by_the_client_itself(number: int, github: GitHubWorld) -> None:
    before = len(github.server.exchanges)
    github.server.break_next(Answer(503, raw=b"", headers={"Retry-After": "1"}))
    with pytest.raises(ForgeUnavailable):
        github.forge.pull_request(number)
    assert len(github.server.exchanges) == before + 1


def test_a_missing_pull_request_differs_from_a_repository_that_we_may_not_see(github: GitHubWorld) -> None:
    with pytest.raises(NotFound, match="acme/fleet has no pull request 4711"):
        github.forge.comment(4711, "Hello?")
    hidden = connect(github.server.api_url, repository="acme/secret")
    for ask in (lambda: hidden.pull_request(1), lambda: hidden.find_pull_requests(head=HEAD)):
        with pytest.raises(RepositoryNotVisible, match=r"acme/secret .*correct forge.repository, or give the token"):
            ask()


def test_a_token_that_may_only_read_is_told_so(number: int, github: GitHubWorld) -> None:
    github.server.break_next(Answer(404, no("Not Found")), method="POST")
    with pytest.raises(Refused, match="may read the repository, but not this"):
        github.forge.open_pull_request(draft("fluxbridge/main/staging/new"))
    assert github.forge.pull_request(number).number == number


@pytest.mark.parametrize(
    "token",
    [pytest.param("", id="empty"), pytest.param(f"{BOT_TOKEN}\n", id="newline"), pytest.param("gh\u200bp", id="odd")],
)
def test_a_token_that_fits_no_header_is_refused_without_showing_it(github: GitHubWorld, token: str) -> None:
    with pytest.raises(TokenNotAccepted, match=r"forge\.token") as raised:
        connect(github.server.api_url, token=lambda: token).account()
    assert_is_untold(raised.value)
    assert github.forge.account() == BOT


@pytest.mark.parametrize(
    "answer",
    [pytest.param(None, id="all is well"), pytest.param(Answer(401, no("Bad credentials")), id="401")]
    + [pytest.param(Answer(status, raw=b""), id=str(status)) for status in (403, 404, 429, 500)],
)
def test_the_token_stands_in_no_url_log_or_error(
    number: int, github: GitHubWorld, caplog: pytest.LogCaptureFixture, answer: Answer | None
) -> None:
    caplog.set_level(logging.DEBUG)
    if answer:
        github.server.break_next(answer)
        with pytest.raises(FluxbridgeError) as raised:
            github.forge.pull_request(number)
        assert_is_untold(raised.value)
    github.forge.pull_request(number)
    assert "/pulls/" in caplog.text
    assert BOT_TOKEN not in caplog.text
    assert BOT_TOKEN not in "".join(each.path + each.query + each.sent.decode() for each in github.server.exchanges)


def test_an_answer_that_does_not_come_is_given_up(github: GitHubWorld) -> None:
    number = opened(github).number
    github.server.break_next("hang")
    with pytest.raises(ForgeUnavailable, match="did not answer within 1 s"):
        connect(github.server.api_url, timeout_s=1).pull_request(number)
    assert github.forge.pull_request(number).number == number


def test_a_dropped_connection_is_unavailable_and_the_next_call_works(number: int, github: GitHubWorld) -> None:
    github.server.break_next("lose")
    with pytest.raises(ForgeUnavailable, match="cannot be reached"):
        github.forge.pull_request(number)
    assert github.forge.pull_request(number).number == number


def test_a_host_where_nobody_listens_is_unavailable() -> None:
    with pytest.raises(ForgeUnavailable, match="cannot be reached: ConnectionError"):
        connect("http://127.0.0.1:1/api/v3").account()


def test_the_proxy_of_the_settings_is_asked() -> None:
    with recording_proxy() as (url, asked):
        with pytest.raises(ForgeUnavailable, match="502"):
            connect("http://github.acme.example/api/v3", proxy=url).account()
        assert asked == ["GET http://github.acme.example:80/api/v3/meta HTTP/1.1"]


def test_the_proxy_of_the_environment_is_not_asked(github: GitHubWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert github.forge.account() == BOT


def assert_is_untold(error: BaseException | None) -> None:
    """Look through an error and those that caused it."""
    while error is not None:
        assert BOT_TOKEN not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__


@contextmanager
def recording_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that lets nothing through."""
    asked: list[str] = []

    class Recording(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.requestline)
            self.send_response(502)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing on the terminal."""

    listening = HTTPServer(("127.0.0.1", 0), Recording)
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}", asked
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
