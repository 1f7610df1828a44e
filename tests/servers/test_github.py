"""Our GitHub itself: what it tells by webhook, what it hears from git, and that its exchanges are really checked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote
from app.core.facts import BranchMoved, PullRequestChanged
from app.core.ports import BranchUpdate, CommitDraft, PushOutcome
from app.senders.forges.github import GITHUB
from app.senders.sender import Keys, Origin, WebhookRequest
from tests.clients.forges.forge_contract import HEAD, opened
from tests.clients.forges.github_worlds import BOT, BOT_TOKEN, GitHubWorld, github_world
from tests.clients.forges.served_worlds import MIRA
from tests.clients.git.git_worlds import open_mirror
from tests.parts import require_package
from tests.servers.pulls import Declined
from tests.servers.rest_answers import Asked

SECRET = "It's a Secret to Everybody"
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHubWorld]:
    with github_world(tmp_path / "served") as world:
        yield world


@pytest.fixture
def received(github: GitHubWorld) -> Iterator[list[WebhookRequest]]:
    """What a receiver that GitHub is pointed at gets."""
    requests: list[WebhookRequest] = []
    with receiver(requests) as url:
        github.server.send_webhooks_to(url, SECRET)
        yield requests


def facts_of(request: WebhookRequest) -> tuple[object, ...]:
    """What our own sender reads from a webhook, once it is proven."""
    GITHUB.verify(request, Keys(secrets=(SECRET,)), NOW)
    return GITHUB.parse(request, Origin("github")).facts


def mirror_of(github: GitHubWorld, folder: Path, *, user: str, token: str) -> Mirror:
    return open_mirror(Remote(url=github.server.git_url, credentials=lambda: (user, token)), folder / f"{user}.git")


def change(mirror: Mirror, branch: str, text: str) -> tuple[str, PushOutcome]:
    """Commit on top of main and push that as a new branch, or over main."""
    main = mirror.fetch()["main"]
    commit = mirror.write_commit(CommitDraft(parent=main, files={"app.yaml": text.encode()}, message="Change", at=NOW))
    update = BranchUpdate(branch, commit, main if branch == "main" else None)
    return commit, mirror.push([update])[branch].outcome


def test_a_merge_is_told_as_a_closed_pull_request_and_a_moved_main(
    github: GitHubWorld, received: list[WebhookRequest]
) -> None:
    number = opened(github).number
    commit = github.server.merge(number, by=MIRA)
    github.server.wait_for_webhooks(4)
    told = [fact for request in received for fact in facts_of(request)]
    closed = PullRequestChanged(
        repository="acme/fleet",
        number=number,
        head_branch=HEAD,
        head_repository="acme/fleet",
        base_branch="main",
        action="closed",
        actor=MIRA,
    )
    assert told[1:] == [
        replace(closed, action="opened", actor=BOT),
        closed,
        BranchMoved(repository="acme/fleet", branch="main", commit=commit),
    ]


def test_a_close_and_a_reopening_are_told(github: GitHubWorld, received: list[WebhookRequest]) -> None:
    number = opened(github).number
    github.server.close(number, by=MIRA)
    github.server.close(number, by=MIRA)
    github.server.reopen(number, by="olu")
    github.server.wait_for_webhooks(4)
    bodies = [json.loads(request.body) for request in received[2:]]
    assert [(body["action"], body["sender"]["login"]) for body in bodies] == [("closed", MIRA), ("reopened", "olu")]


def test_what_comes_by_git_is_told_and_moves_the_pull_request(
    github: GitHubWorld, received: list[WebhookRequest], tmp_path: Path
) -> None:
    mirror = mirror_of(github, tmp_path, user="x-access-token", token=BOT_TOKEN)
    commit, outcome = change(mirror, HEAD, "tag: 1.2.0\n")
    assert outcome is PushOutcome.DONE
    github.server.wait_for_webhooks(1)
    assert facts_of(received[0]) == (BranchMoved(repository="acme/fleet", branch=HEAD, commit=commit),)
    assert json.loads(received[0].body)["sender"]["login"] == BOT
    number = opened(github).number
    tip = github.head(HEAD)
    assert mirror.push([BranchUpdate(HEAD, commit, tip)])[HEAD].outcome is PushOutcome.DONE
    assert github.forge.pull_request(number).head_sha == commit


def test_a_protected_main_takes_merges_and_no_pushes(github: GitHubWorld, tmp_path: Path) -> None:
    github.server.protect_main()
    _, outcome = change(mirror_of(github, tmp_path, user=BOT, token=BOT_TOKEN), "main", "tag: 1.2.0\n")
    assert outcome is PushOutcome.REFUSED
    commit = github.server.merge(opened(github).number, by=MIRA)
    assert github.head("main") == commit
    _, outcome = change(mirror_of(github, tmp_path, user="admin", token="root"), "main", "tag: 1.2.0\n")
    assert outcome is PushOutcome.DONE


def test_main_that_is_moved_onto_a_branch_merges_what_was_open_from_it(github: GitHubWorld, tmp_path: Path) -> None:
    before = opened(github)
    mirror = mirror_of(github, tmp_path, user="admin", token="root")
    branches = mirror.fetch()
    mirror.push([BranchUpdate("main", branches[HEAD], branches["main"])])
    shown = github.forge.pull_request(before.number)
    assert (shown.merged_by, shown.merge_commit, shown.head_sha) == ("admin", before.head_sha, before.head_sha)


def test_a_conflict_or_a_closed_one_is_not_merged(github: GitHubWorld) -> None:
    github.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    number = opened(github).number
    main = github.push("main", {"app.yaml": "tag: 9.9.9\n"})
    with pytest.raises(Declined, match="not mergeable"):
        github.server.merge(number, by=MIRA)
    github.server.close(number, by=MIRA)
    with pytest.raises(Declined, match="not mergeable"):
        github.server.merge(number, by=MIRA)
    assert github.head("main") == main


def test_a_redelivery_has_the_same_id_and_a_failed_one_is_not_repeated(
    github: GitHubWorld, received: list[WebhookRequest]
) -> None:
    opened(github)
    first = github.server.wait_for_webhooks(2)[0]
    github.server.send_webhook_again(first)
    assert github.server.wait_for_webhooks(3)[2] == first
    assert GITHUB.external_id(received[2]) == GITHUB.external_id(received[0]) == first.id
    github.server.send_webhooks_to("http://127.0.0.1:1/", SECRET)
    github.push(HEAD, {"app.yaml": "tag: 1.3.0\n"})
    assert [each.status for each in github.server.wait_for_webhooks(5)] == [202, 202, 202, None, None]


def test_pull_requests_are_listed_by_what_changed_last(github: GitHubWorld) -> None:
    numbers = [opened(github, f"fluxbridge/main/staging/{name}").number for name in ("a", "b", "c")]
    github.server.close(numbers[0], by=MIRA)
    for query, expected in (
        ("state=all&sort=updated&direction=desc", [1, 3, 2]),
        ("state=all&sort=updated", [2, 3, 1]),
        ("state=all", [3, 2, 1]),
        ("state=all&per_page=2&page=2", [1]),
    ):
        assert [each["number"] for each in asked_for(github, "GET", "/pulls", query)] == expected


def test_an_hour_has_so_many_requests(github: GitHubWorld) -> None:
    github.server.limit.start_hour(2)
    question_of_me = Asked("GET", "/user", "", b"", "")
    assert [github.server.answer(question_of_me, BOT_TOKEN).status for _ in range(3)] == [200, 200, 403]
    assert github.server.limit.headers()["X-RateLimit-Remaining"] == "0"
    github.server.limit.start_hour(2)
    assert github.forge.account() == BOT


def ask(github: GitHubWorld, method: str, place: str, query: str = "") -> httpx.Response:
    url = httpx.URL(f"{github.server.api_url}/repos/acme/fleet{place}", query=query.encode())
    return httpx.request(method, url, headers={"Authorization": f"Bearer {BOT_TOKEN}"}, trust_env=False)


def asked_for(github: GitHubWorld, method: str, place: str, query: str = "") -> Any:
    return ask(github, method, place, query).raise_for_status().json()


def test_exchanges_that_github_would_not_have_are_found(github: GitHubWorld) -> None:
    github.forge.account()
    opened(github)
    require_package("openapi_core")
    kept = list(github.server.exchanges)
    asked = next(each for each in kept if (each.method, each.path) == ("POST", "/repos/acme/fleet/pulls"))
    for broken, problem in (
        (replace(asked, sent=b'{"title": "No branches"}'), "'head' is a required property"),
        (replace(asked, received=b"{}"), "'url' is a required property"),
        (replace(asked, status=418), "418"),
        (replace(asked, path="/repos/acme/fleet/pull"), "not found"),
    ):
        github.server.exchanges[:] = [broken]
        with pytest.raises(AssertionError, match=problem):
            github.server.check_exchanges()
    github.server.exchanges[:] = kept


@contextmanager
def receiver(requests: list[WebhookRequest]) -> Iterator[str]:
    """Take webhooks and answer 202."""

    class Receiving(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            requests.append(WebhookRequest(headers, self.rfile.read(int(headers["content-length"]))))
            self.send_response(202)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing on the terminal."""

    listening = HTTPServer(("127.0.0.1", 0), Receiving)
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}/webhooks/github"
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
