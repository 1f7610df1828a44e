"""What answers at `forge.api_url` is proven to be GitHub before anything else is asked of it, or named."""

from collections.abc import Mapping

import pytest

from app.clients.forges.errors import ForgeUnavailable, WrongForge
from app.clients.forges.github.forge import GitHub
from app.core.errors import Unavailable
from app.core.ports import RateLimited
from tests.clients.forges.github_worlds import BOT_TOKEN, connect
from tests.servers.not_github import gitea, other_server

ACTIONS = {
    "account": lambda forge: forge.account(),
    "find": lambda forge: forge.find_pull_requests(head="fluxbridge/main/staging/app"),
    "open ones": lambda forge: forge.open_pull_requests(prefix="fluxbridge"),
    "edit": lambda forge: forge.edit_pull_request(1, title="t", body="b"),
    "comment": lambda forge: forge.comment(1, "Hello."),
}


@pytest.mark.parametrize("action", ACTIONS, ids=str)
def test_a_gitea_is_named_before_anything_is_read_or_written(action: str) -> None:
    with other_server(gitea(), base="/api/v1") as other, pytest.raises(WrongForge) as raised:
        ACTIONS[action](connect(other.url))
    assert f"this is Gitea 1.22.3 ({other.url}); kind: github speaks only to GitHub" in str(raised.value)
    assert other.asked == ["GET /meta", "GET /version"]
    assert BOT_TOKEN not in str(raised.value)


@pytest.mark.parametrize(
    ("answers", "headers", "base", "said"),
    [
        pytest.param(gitea("11.0.1+gitea-1.22.0"), {}, "/api/v1", "Forgejo 11.0.1+gitea-1.22.0", id="Forgejo"),
        pytest.param(
            {"/version": (200, {"version": "17.5.1-ee", "revision": "f3a1"})},
            {},
            "/api/v4",
            "GitLab 17.5.1-ee",
            id="GitLab",
        ),
        pytest.param({}, {"X-Gitlab-Meta": "{}"}, "/api/v4", "GitLab", id="GitLab that hides its version"),
        pytest.param({}, {"X-AREQUESTID": "@1X"}, "/rest/api/1.0", "Bitbucket Data Center", id="Bitbucket"),
        pytest.param(
            {"/meta": (404, b"<html>Not Found")},
            {"X-GitHub-Request-Id": "F1:1"},
            "",
            "GitHub's web pages, not its API",
            id="the pages of GitHub",
        ),
        pytest.param({"/meta": (200, b"<html>Hi")}, {}, "", "it answers 200 to /meta", id="a web site"),
        pytest.param(gitea("1.22\x1b[2J"), {}, "/api/v1", "it answers 404 to /meta", id="no version"),
        pytest.param({"/meta": (200, ["x"]), "/version": (200, 5)}, {}, "", "it answers 200 to /meta", id="odd JSON"),
    ],
)
def test_what_else_answers_is_named_with_what_to_set(
    answers: Mapping[str, tuple[int, object]], headers: Mapping[str, str], base: str, said: str
) -> None:
    with other_server(answers, base=base, headers=headers) as other, pytest.raises(WrongForge) as raised:
        connect(other.url).account()
    assert said in str(raised.value)
    assert "set forge.api_url to https://api.github.com, or to https://HOST/api/v3" in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("meta", "headers", "product"),
    [
        pytest.param(
            {"verifiable_password_authentication": False},
            {"X-GitHub-Media-Type": "github.v3; format=json", "X-GitHub-Api-Version-Selected": "2022-11-28"},
            "GitHub, API 2022-11-28",
            id="github.com",
        ),
        pytest.param(
            {"verifiable_password_authentication": True, "installed_version": "3.14.2"},
            {},
            "GitHub Enterprise Server 3.14.2",
            id="an old Enterprise server behind a proxy that takes headers out",
        ),
    ],
)
def test_github_is_known_by_its_headers_or_by_what_it_says(
    meta: object, headers: Mapping[str, str], product: str
) -> None:
    with other_server({"/meta": (200, meta), "/user": (200, {"login": "bot"})}, base="/api/v3", headers=headers) as one:
        forge = connect(one.url)
        assert forge.product() == product
        assert forge.account() == "bot"
    assert one.asked == ["GET /meta", "GET /user"]


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        pytest.param(502, {}, Unavailable, id="a proxy without anybody behind it"),
        pytest.param(429, {"Retry-After": "7"}, RateLimited, id="too many"),
        pytest.param(403, {"X-GitHub-Request-Id": "F1", "Retry-After": "7"}, RateLimited, id="the secondary limit"),
    ],
)
def test_what_passes_is_not_told_as_wrong(status: int, headers: Mapping[str, str], kind: type[Exception]) -> None:
    meta = {"/meta": (status, {"message": "no"})}
    with other_server(meta, base="/api/v3", headers=headers) as other, pytest.raises(kind):
        connect(other.url).account()


def test_a_forge_that_cannot_be_reached_is_unreachable_and_not_another() -> None:
    with pytest.raises(ForgeUnavailable, match="cannot be reached"):
        connect("http://127.0.0.1:1/api/v3").account()


def test_it_is_asked_anew_until_it_has_answered() -> None:
    with other_server({"/meta": (502, b"")}, base="/api/v3", headers={"X-GitHub-Media-Type": "github.v3"}) as other:
        forge: GitHub = connect(other.url)
        with pytest.raises(Unavailable):
            forge.account()
        other.answers = {"/meta": (200, {}), "/user": (200, {"login": "bot"})}
        assert forge.account() == "bot"
