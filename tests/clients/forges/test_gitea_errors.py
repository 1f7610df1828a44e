"""What Gitea refuses, or cannot do now, is told by who must act, whatever is asked; the token is told to nobody."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from app.clients.forges.errors import ForgeUnavailable, TokenNotAccepted
from app.core.errors import FluxbridgeError, Refused, Unavailable
from app.core.ports import Forge
from tests.clients.forges.forge_contract import HEAD, draft, opened
from tests.clients.forges.gitea_worlds import BOT_TOKEN, GiteaWorld, connect, gitea_world
from tests.servers.rest_answers import Answer


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GiteaWorld]:
    """One Gitea for all: nothing here changes what is on it."""
    with gitea_world(tmp_path_factory.mktemp("gitea")) as world:
        yield world


@pytest.fixture
def gitea(shared: GiteaWorld) -> GiteaWorld:
    """The same with a client of its own that knows already what it is."""
    forge = connect(shared.server.api_url, timeout_s=1)
    forge.product()
    return GiteaWorld(shared.server, forge)


@pytest.fixture(scope="module")
def number(shared: GiteaWorld) -> int:
    """An open pull request."""
    return opened(shared).number


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda forge, _: forge.account(), id="account"),
        pytest.param(lambda forge, _: forge.find_pull_requests(head=HEAD), id="find"),
        pytest.param(lambda forge, _: forge.recent_pull_requests(prefix="fluxbridge", limit=9), id="recent"),
        pytest.param(lambda forge, _: forge.open_pull_requests(prefix="fluxbridge"), id="open ones"),
        pytest.param(lambda forge, number: forge.pull_request(number), id="one"),
        pytest.param(lambda forge, _: forge.open_pull_request(draft()), id="open"),
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
        pytest.param(Answer(403, {"message": "no"}), Refused, id="refused"),
        pytest.param(Answer(302, {}, {"Location": "https://login.example/"}), Refused, id="redirected"),
        pytest.param(Answer(401, {"message": "token is expired"}), Refused, id="token expired"),
        pytest.param(Answer(500, raw=b"<html>"), Unavailable, id="broken"),
        pytest.param(Answer(200, raw=b"<html>Sign in"), Unavailable, id="login page"),
        pytest.param(Answer(200, 3), Unavailable, id="odd"),
    ],
)
def test_everything_that_is_asked_tells_its_errors_alike(
    number: int, gitea: GiteaWorld, ask: Callable[[Forge, int], object], answer: Answer, kind: type[FluxbridgeError]
) -> None:
    gitea.server.break_next(answer)
    with pytest.raises(kind, match="acme/fleet"):
        ask(gitea.forge, number)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([{"number": 1}], id="a part of one"),
        pytest.param([{"number": 0}, None], id="none at all"),
        pytest.param({"message": "x"}, id="no list"),
    ],
)
def test_a_list_of_something_else_is_no_answer(gitea: GiteaWorld, body: object) -> None:
    gitea.server.break_next(Answer(200, body), path_ending="/pulls")
    with pytest.raises(ForgeUnavailable, match="no answer of its API"):
        gitea.forge.open_pull_requests(prefix="fluxbridge")


def test_an_answer_that_does_not_come_is_given_up(number: int, gitea: GiteaWorld) -> None:
    gitea.server.break_next("hang")
    with pytest.raises(ForgeUnavailable, match="did not answer within 1 s"):
        gitea.forge.pull_request(number)
    assert gitea.forge.pull_request(number).number == number


def test_an_open_one_that_gitea_tells_of_but_does_not_show_is_looked_for_later(gitea: GiteaWorld) -> None:
    gitea.push("fluxbridge/main/staging/new", {"app.yaml": "tag: 1.2.0\n"})
    told = "pull request already exists for these targets [id: 9, issue_id: 1, head_repo_id: 1, base_repo_id: 1]"
    gitea.server.break_next(Answer(409, {"message": told}), method="POST", path_ending="/pulls")
    with pytest.raises(ForgeUnavailable, match="does not show it"):
        gitea.forge.open_pull_request(draft("fluxbridge/main/staging/new"))


@pytest.mark.parametrize("message", ["something else", "already exists for these targets [issue_id: x]", ""])
def test_another_conflict_is_a_no(gitea: GiteaWorld, message: str) -> None:
    gitea.push("fluxbridge/main/staging/newer", {"app.yaml": "tag: 1.2.0\n"})
    gitea.server.break_next(Answer(409, {"message": message}), method="POST", path_ending="/pulls")
    with pytest.raises(Refused, match="409"):
        gitea.forge.open_pull_request(draft("fluxbridge/main/staging/newer"))


@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 500])
def test_the_token_stands_in_no_url_log_or_error(
    number: int, gitea: GiteaWorld, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    told = ""
    gitea.server.break_next(Answer(status, {}))
    try:
        gitea.forge.pull_request(number)
    except FluxbridgeError as error:
        told = f"{error!r} {error.__cause__!r} {error.__context__!r}"
    urls = "".join(each.path + each.query for each in gitea.server.exchanges)
    assert BOT_TOKEN not in told + urls + caplog.text


def test_a_token_that_fits_no_header_is_refused_without_showing_it(gitea: GiteaWorld) -> None:
    with pytest.raises(TokenNotAccepted, match=r"forge\.token") as raised:
        connect(gitea.server.api_url, token=lambda: f"{BOT_TOKEN}\n").account()
    assert BOT_TOKEN not in repr(raised.value)
