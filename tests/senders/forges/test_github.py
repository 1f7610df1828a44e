"""GitHub: pull requests, branches and GitHub's own signature vector."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import BranchMoved, PullRequestChanged
from app.senders import SENDERS
from app.senders.sender import Keys, Unusable, WebhookRequest
from tests.senders.examples import ORIGIN, SIGNED_AT, example, read

SENDER = SENDERS["github"]
MERGED = example("github-pull_request-merged.json")
COMMIT = "5defc707898f873687372dac47ffeda5943a00e9"


def push(**changes: object) -> dict[str, Any]:
    whole = {"ref": "refs/heads/main", "after": COMMIT, "repository": {"full_name": "lumen-freight/deploy"}}
    return {**whole, **changes}


def merged(**changes: object) -> dict[str, Any]:
    return {**json.loads(MERGED.body), **changes}


def test_githubs_published_vector_is_proven() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    hello = WebhookRequest(headers={"x-hub-signature-256": signature}, body=b"Hello, World!")
    SENDER.verify(hello, Keys(secrets=("It's a Secret to Everybody",)), SIGNED_AT)


@pytest.mark.parametrize("value", ["sha256=", "sha1=d8645e458167c557e8136cb2147bcbb9f08c5297", "sha512=" + "0" * 128])
def test_any_other_kind_of_signature_is_refused(value: str) -> None:
    request = WebhookRequest(headers={"x-hub-signature-256": value, "x-hub-signature": value}, body=b"{}")
    with pytest.raises(NotAuthentic, match="malformed"):
        SENDER.verify(request, Keys(secrets=("lumen-gh-secret",)), SIGNED_AT)


def test_a_form_says_the_same_as_json() -> None:
    form = urlencode({"payload": MERGED.body.decode()}).encode()
    parsed = read("github", form, content_type="application/x-www-form-urlencoded", x_github_event="pull_request")
    assert parsed == SENDER.parse(MERGED, ORIGIN)


@pytest.mark.parametrize(
    "form", [b"", b"payload=", b"other=1", b"payload=1&payload=2", b"payload=%FF", b"\xff", b"&" * 99]
)
def test_a_form_without_one_payload_is_unusable(form: bytes) -> None:
    with pytest.raises(Unusable):
        read("github", form, content_type="application/x-www-form-urlencoded; charset=utf-8", x_github_event="push")


def test_a_moved_branch_is_a_fact() -> None:
    assert read("github", push(ref="refs/heads/feature/x"), x_github_event="push").facts == (
        BranchMoved(repository="lumen-freight/deploy", branch="feature/x", commit=COMMIT),
    )


@pytest.mark.parametrize("changes", [{"deleted": True}, {"after": "0" * 40}, {"deleted": True, "after": "0" * 40}])
def test_a_deleted_branch_points_nowhere(changes: dict[str, object]) -> None:
    (fact,) = read("github", push(**changes), x_github_event="push").facts
    assert isinstance(fact, BranchMoved)
    assert fact.commit is None


@pytest.mark.parametrize("ref", ["refs/tags/v1", "refs/pull/1/head", "main", "refs/heads/"])
def test_a_push_of_anything_but_a_branch_is_ignored(ref: str) -> None:
    parsed = read("github", push(ref=ref), x_github_event="push")
    assert not parsed.facts
    assert "is no branch" in parsed.ignored[0]


@pytest.mark.parametrize("event", ["ping", "workflow_run", "check_suite", "x" * 500])
def test_other_events_are_ignored_whatever_their_body(event: str) -> None:
    parsed = read("github", b"not even JSON", x_github_event=event)
    assert not parsed.facts
    assert event[:40] in parsed.ignored[0]


def test_a_request_without_an_event_header_is_unusable() -> None:
    with pytest.raises(Unusable, match="X-GitHub-Event is missing"):
        read("github", push())


def test_a_pull_request_from_a_fork_that_is_gone_has_no_head_repository() -> None:
    pull = merged()["pull_request"]
    pull["head"]["repo"] = None
    (fact,) = read("github", merged(pull_request=pull, sender=None), x_github_event="pull_request").facts
    assert isinstance(fact, PullRequestChanged)
    assert (fact.head_repository, fact.actor) == (None, None)
    assert fact.head_branch == "promote/parcel-api-1.4.2"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"number": "88"}, id="number as text"),
        pytest.param({"repository": {"full_name": "lumen-freight"}}, id="no owner"),
        pytest.param({"repository": {"full_name": "a/b/c"}}, id="too many parts"),
        pytest.param({"repository": None}, id="no repository"),
        pytest.param({"pull_request": {}}, id="no branches"),
        pytest.param({"action": "two\nlines"}, id="action of two lines"),
    ],
)
def test_a_pull_request_of_another_shape_is_unusable(changes: dict[str, object]) -> None:
    with pytest.raises(Unusable):
        read("github", merged(**changes), x_github_event="pull_request")


@pytest.mark.parametrize("after", ["", "main", COMMIT[:12], COMMIT.upper(), None])
def test_a_push_to_no_commit_is_unusable(after: str | None) -> None:
    with pytest.raises(Unusable):
        read("github", push(after=after), x_github_event="push")


@pytest.mark.parametrize("delivery", ["", "a b", "x" * 101, "a\n", "é"])
def test_a_delivery_header_that_is_no_guid_is_no_id(delivery: str) -> None:
    assert SENDER.external_id(WebhookRequest(headers={"x-github-delivery": delivery}, body=b"")) is None
