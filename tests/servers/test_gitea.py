"""Our Gitea answers as a real one did: the same requests, the same statuses, words and shapes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.forges.gitea_worlds import BOT_TOKEN, MIRA_TOKEN
from tests.servers.gitea import GiteaServer, gitea_server
from tests.servers.gitea_bodies import recorded
from tests.servers.rest_answers import Answer, Asked, Body

A, SAME = "fluxbridge/main/prod/a", "fluxbridge/main/prod/same"


@pytest.fixture
def gitea(tmp_path: Path) -> Iterator[GiteaServer]:
    """What the real one had when it was recorded: two branches of the bot's, one of them without a difference."""
    accounts = {"fluxbridge": BOT_TOKEN, "alice": MIRA_TOKEN, "mallory": "gta_mallory", "narrow": "gta_narrow"}
    with gitea_server(tmp_path, accounts) as server:
        server.push("main", {"a.yaml": "tag: 1.0.0\n"}, by="alice")
        server.push(A, {"a.yaml": "tag: 1.0.1\n"}, by="fluxbridge")
        server.repository.git("branch", SAME, "main")
        server.api.scopes["narrow"] = {"read:repository"}
        server.api.readers.add("mallory")
        yield server


def once(method: str, path: str, status: int) -> Body:
    """The first recorded exchange of this kind."""
    return next(one for one in recorded() if (one["method"], one["path"], one["status"]) == (method, path, status))


def ask(server: GiteaServer, one: Body, *, path: str = "", token: str | None = None) -> Answer:
    """Ask as it was asked of the real one, under a path of ours if that differs."""
    place, _, query = (path or one["path"]).partition("?")
    body = json.dumps(one["body"]).encode() if one["body"] is not None else b""
    return server.answer(Asked(one["method"], place, query, body, ""), token or server.accounts[one["who"]])


def shape(value: object) -> object:
    """What a value is made of; null fits anything."""
    match value:
        case dict():
            return {name: shape(inner) for name, inner in value.items()}
        case list():
            return [shape(value[0])] if value else []
        case _:
            return type(value).__name__


def is_like(ours: object, theirs: object) -> bool:
    """Whether ours has all that theirs has, and of the same kind."""
    match ours, theirs:
        case (_, "NoneType") | ("NoneType", _) | ([], list()) | (list(), []):
            return True
        case dict(), dict():
            return theirs.keys() <= ours.keys() and all(is_like(ours[name], theirs[name]) for name in theirs)
        case list(), list():
            return is_like(ours[0], theirs[0])
        case _:
            return ours == theirs


def open_both(server: GiteaServer) -> None:
    for head in (A, SAME):
        server._pulls.open(head=head, base="main", title="Update a to 1.0.1", body="Body", by="fluxbridge")


def nothing(_: GiteaServer) -> None:
    """It is as it is."""


def archived(server: GiteaServer) -> None:
    open_both(server)
    server.archive()


def turned_off(server: GiteaServer) -> None:
    server.turn_off_pull_requests()


def closed(server: GiteaServer) -> None:
    open_both(server)
    server.close(1, by="fluxbridge")


def renamed(server: GiteaServer) -> None:
    server.rename("acme/fleet-two")


def reviewed(server: GiteaServer) -> None:
    open_both(server)
    server.approve(1, by="alice")


def labelled(server: GiteaServer) -> None:
    server.api.labels.append(server._bodies.label(1, "fluxbridge"))
    open_both(server)


FLEET = "/repos/acme/fleet"
PULLS = f"{FLEET}/pulls"


@pytest.mark.parametrize(
    ("before", "method", "path", "status", "ours"),
    [
        pytest.param(nothing, "GET", "/version", 200, "", id="version"),
        pytest.param(nothing, "GET", "/user", 200, "", id="account"),
        pytest.param(nothing, "GET", "/user", 403, "", id="a token without the scope"),
        pytest.param(nothing, "GET", f"{FLEET}", 200, "", id="repository"),
        pytest.param(nothing, "GET", "/repos/acme/nothing", 404, "", id="unknown repository"),
        pytest.param(nothing, "POST", PULLS, 201, "", id="open"),
        pytest.param(nothing, "POST", PULLS, 403, "", id="open without the scope"),
        pytest.param(nothing, "POST", PULLS, 404, "", id="open without a branch"),
        pytest.param(open_both, "POST", PULLS, 409, "", id="open twice"),
        pytest.param(nothing, "POST", PULLS, 422, "", id="open without a title"),
        pytest.param(archived, "POST", PULLS, 423, "", id="open in an archive"),
        pytest.param(turned_off, "GET", PULLS, 404, "", id="pull requests turned off"),
        pytest.param(open_both, "GET", f"{PULLS}/1", 200, "", id="one"),
        pytest.param(open_both, "GET", f"{PULLS}/999", 404, "", id="unknown number"),
        pytest.param(open_both, "GET", f"{PULLS}?state=all&sort=recentupdate&limit=1", 200, "", id="list"),
        pytest.param(open_both, "PATCH", f"{PULLS}/1", 201, "", id="edit"),
        pytest.param(archived, "PATCH", f"{PULLS}/15", 201, f"{PULLS}/1", id="edit in an archive"),
        pytest.param(closed, "PATCH", f"{PULLS}/16", 201, f"{PULLS}/1", id="close a closed one"),
        pytest.param(open_both, "PATCH", f"{PULLS}/17", 403, f"{PULLS}/1", id="edit as a reader"),
        pytest.param(reviewed, "GET", f"{PULLS}/2/reviews", 200, f"{PULLS}/1/reviews", id="reviews"),
        pytest.param(closed, "GET", f"{FLEET}/issues/16/timeline", 200, f"{FLEET}/issues/1/timeline", id="timeline"),
        pytest.param(nothing, "POST", f"{FLEET}/labels", 201, "", id="make a label"),
        pytest.param(labelled, "GET", f"{FLEET}/labels", 200, "", id="labels"),
        pytest.param(labelled, "POST", f"{FLEET}/issues/1/labels", 200, "", id="add a label"),
        pytest.param(
            archived, "POST", f"{FLEET}/issues/15/comments", 423, f"{FLEET}/issues/1/comments", id="say in an archive"
        ),
        pytest.param(
            open_both, "POST", f"{FLEET}/issues/2/comments", 422, f"{FLEET}/issues/1/comments", id="say nothing"
        ),
        pytest.param(renamed, "GET", FLEET, 307, "", id="renamed"),
        pytest.param(renamed, "POST", f"{FLEET}/issues/15/comments", 307, "", id="say where it is no longer"),
    ],
)
def test_a_request_is_answered_as_it_was_by_a_real_one(
    gitea: GiteaServer, *, before: Callable[[GiteaServer], None], method: str, path: str, status: int, ours: str
) -> None:
    before(gitea)
    theirs = once(method, path, status)
    answer = ask(gitea, theirs, path=ours)
    assert answer.status == status
    assert answer.headers.get("Location") == theirs.get("location")
    if answer.raw is None:
        told = json.loads(answer.content())
        assert is_like(shape(told), shape(theirs["answer"])), (shape(told), shape(theirs["answer"]))
        if status >= 400 and isinstance(told, dict):
            words = [text["message"].partition(" [id:")[0] for text in (told, theirs["answer"])]
            assert words[0] == words[1]


def test_a_token_that_is_not_known_is_told_so(gitea: GiteaServer) -> None:
    answer = ask(gitea, once("GET", "/user", 401), token="gta_unknown")
    assert (answer.status, json.loads(answer.content())["message"]) == (401, "user does not exist [uid: 0, name: ]")


def test_a_branch_without_a_difference_is_opened(gitea: GiteaServer) -> None:
    [theirs] = [one for one in recorded() if one["status"] == 201 and (one["body"] or {}).get("head") == SAME]
    assert ask(gitea, theirs).status == 201
