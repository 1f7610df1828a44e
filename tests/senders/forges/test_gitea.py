"""Gitea and Forgejo: what their webhooks say of pull requests and branches, and how they are proven."""

import hmac
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import BranchMoved, PullRequestChanged
from app.senders import SENDERS
from app.senders.sender import Keys, Origin, Unusable, WebhookRequest
from tests.senders.examples import ORIGIN, SIGNED_AT, example, read, with_headers

SENDER = SENDERS["gitea"]
SECRET = "lumen-gitea-secret"
MERGED = example("gitea-pull_request-merged.json")
COMMIT, BEFORE = "5defc707898f873687372dac47ffeda5943a00e9", "1405df66cbe219b0bf6355bc3d60361a8376b6b4"


def push(**changes: object) -> dict[str, Any]:
    whole = {"ref": "refs/heads/main", "before": BEFORE, "after": COMMIT, "repository": {"full_name": "lumen/deploy"}}
    return {**whole, **changes}


def merged(**changes: object) -> dict[str, Any]:
    return {**json.loads(MERGED.body), **changes}


def form(body: bytes) -> WebhookRequest:
    """What Gitea sends where the hook is set to a form: its signature is over the JSON in it."""
    signature = hmac.digest(SECRET.encode(), body, "sha256").hex()
    headers = {"content-type": "application/x-www-form-urlencoded", "x-gitea-signature": signature}
    return WebhookRequest(headers, urlencode({"payload": body.decode()}).encode())


@pytest.mark.parametrize(
    "kind",
    [
        "pull_request",
        "pull_request_sync",
        "pull_request_label",
        "pull_request_review_approved",
        "pull_request_review_rejected",
        "pull_request_review_request",
    ],
)
@pytest.mark.parametrize("header", ["x_gitea_event_type", "x_forgejo_event_type", "x_gitea_event"])
def test_every_event_of_a_pull_request_is_a_hint_to_look_at_it(kind: str, header: str) -> None:
    (fact,) = read("gitea", merged(action="reviewed"), origin=ORIGIN, **{header: kind}).facts
    assert fact == PullRequestChanged(
        repository="lumen/deploy",
        number=88,
        head_branch="promote/parcel-api-1.4.2",
        head_repository="lumen/deploy",
        base_branch="main",
        action="reviewed",
        actor="mira",
    )


def test_the_branch_of_a_head_is_told_when_it_is_gone() -> None:
    pull = merged()["pull_request"]
    pull["head"]["ref"], pull["head"]["repo"] = "refs/pull/88/head", None
    (fact,) = read("gitea", merged(pull_request=pull, sender=None)).facts
    assert isinstance(fact, PullRequestChanged)
    assert (fact.head_branch, fact.head_repository, fact.actor) == ("promote/parcel-api-1.4.2", None, None)


def test_a_moved_and_a_deleted_branch_are_facts() -> None:
    pushes = (push(ref="refs/heads/a/b"), push(ref="refs/heads/a/b", after="0" * 40))
    assert [read("gitea", each, x_gitea_event_type="push").facts for each in pushes] == [
        (BranchMoved(repository="lumen/deploy", branch="a/b", commit=COMMIT),),
        (BranchMoved(repository="lumen/deploy", branch="a/b", commit=None),),
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(push(after=BEFORE), "moves nothing, as the test", id="the test of a webhook"),
        pytest.param(push(ref="refs/tags/v1"), "is no branch", id="a tag"),
        pytest.param(push(ref="refs/heads/"), "is no branch", id="a branch without a name"),
    ],
)
def test_a_push_that_moves_no_branch_is_ignored(body: dict[str, Any], reason: str) -> None:
    parsed = read("gitea", body, x_gitea_event_type="push")
    assert not parsed.facts
    assert reason in parsed.ignored[0]


@pytest.mark.parametrize("event", ["create", "delete", "status", "issue_comment", "x" * 500])
def test_other_events_are_ignored_whatever_their_body(event: str) -> None:
    parsed = read("gitea", b"not even JSON", x_gitea_event_type=event)
    assert not parsed.facts
    assert event[:40] in parsed.ignored[0]


@pytest.mark.parametrize("more", [{}, {"pull_request": merged()["pull_request"]}], ids=["older", "newer"])
def test_a_comment_on_a_pull_request_is_ignored(more: dict[str, Any]) -> None:
    body = {"action": "created", "issue": {"number": 8}, "comment": {"body": "x"}, "is_pull": True, **more}
    parsed = read("gitea", body, x_gitea_event_type="pull_request_comment")
    assert parsed.ignored == ("it is a comment, or about no pull request",)


@pytest.mark.parametrize("body", [merged(), push()], ids=["pull request", "push"])
def test_a_body_without_its_headers_is_read_by_what_is_in_it(body: dict[str, Any]) -> None:
    assert len(read("gitea", body).facts) == 1


def test_a_package_is_ignored_where_no_registry_is_named_with_what_to_do() -> None:
    parsed = SENDER.parse(example("gitea-package-created.json"), Origin("hook"))
    assert not parsed.facts
    assert parsed.ignored == ("a package, and source 'hook' names no registry: add `registry:` to it",)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"number": "88"}, id="number as text"),
        pytest.param({"repository": {"full_name": "lumen"}}, id="no owner"),
        pytest.param({"repository": {"full_name": "../deploy/x"}}, id="too many parts"),
        pytest.param({"pull_request": {}}, id="no branches"),
        pytest.param({"action": "two\nlines"}, id="action of two lines"),
    ],
)
def test_a_pull_request_of_another_shape_is_unusable(changes: dict[str, object]) -> None:
    with pytest.raises(Unusable):
        read("gitea", merged(**changes), x_gitea_event_type="pull_request")


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b"{"])
def test_what_is_no_object_is_unusable(body: bytes) -> None:
    with pytest.raises(Unusable):
        read("gitea", body, x_gitea_event_type="pull_request")


def test_a_form_is_proven_by_the_json_in_it_and_says_the_same() -> None:
    request = form(MERGED.body)
    SENDER.verify(request, Keys(secrets=("next", SECRET)), SIGNED_AT)
    assert SENDER.parse(request, ORIGIN) == SENDER.parse(MERGED, ORIGIN)


@pytest.mark.parametrize("body", [b"payload=%7B%7D", b"payload=1&payload=2", b"\xff", b""])
def test_a_form_with_anything_else_in_it_is_not_proven(body: bytes) -> None:
    with pytest.raises(NotAuthentic, match="matches no key"):
        SENDER.verify(replace(form(MERGED.body), body=body), Keys(secrets=(SECRET,)), SIGNED_AT)


@pytest.mark.parametrize("value", ["sha256=" + "0" * 64, "0" * 40, "g" * 64])
def test_any_other_kind_of_signature_is_refused(value: str) -> None:
    with pytest.raises(NotAuthentic, match="malformed"):
        SENDER.verify(with_headers(MERGED, x_gitea_signature=value), Keys(secrets=(SECRET,)), SIGNED_AT)
