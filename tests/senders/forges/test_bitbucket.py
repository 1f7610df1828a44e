"""Bitbucket, Cloud and Data Center: which events are a reason to look, and what each body must have."""

import json
from typing import Any

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import BranchMoved, PullRequestChanged
from app.senders import SENDERS
from app.senders.sender import Keys, Unusable, WebhookRequest
from tests.senders.examples import EXPECTATIONS, ORIGIN, SIGNED_AT, example, read, with_headers

CLOUD, CENTER = "bitbucket-cloud-fulfilled.json", "bitbucket-dc-merged.json"
FILES = {"bitbucket": CLOUD, "bitbucket-dc": CENTER}
COMMIT = "5defc707898f873687372dac47ffeda5943a00e9"
ZEROS = "0" * 40


def branch(name: str, commit: str = COMMIT, kind: str = "branch") -> dict[str, Any]:
    return {"type": kind, "name": name, "target": {"type": "commit", "hash": commit}}


def cloud_push(*changes: object) -> dict[str, Any]:
    return {"push": {"changes": list(changes)}, "repository": {"full_name": "lumen/deploy"}}


def center_change(ref: str, to: str = COMMIT) -> dict[str, Any]:
    return {"ref": {"id": ref}, "fromHash": ZEROS, "toHash": to, "type": "UPDATE"}


def center_push(*changes: object) -> dict[str, Any]:
    repository = {"slug": "deploy", "project": {"key": "LUM"}}
    return {"eventKey": "repo:refs_changed", "repository": repository, "changes": list(changes)}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("value", ["sha256=", "sha1=d8645e458167c557e8136cb2147bcbb9f08c5297", "sha512=" + "0" * 128])
def test_any_other_kind_of_signature_is_refused(kind: str, value: str) -> None:
    request = WebhookRequest(headers={"x-hub-signature": value, "x-hub-signature-256": value}, body=b"{}")
    with pytest.raises(NotAuthentic, match="malformed"):
        SENDERS[kind].verify(request, Keys(secrets=("lumen-bb-secret",)), SIGNED_AT)


@pytest.mark.parametrize(
    ("kind", "event", "action"),
    [
        *(
            pytest.param("bitbucket", f"pullrequest:{key}", action, id=f"cloud {key}")
            for key, action in {
                "created": "created",
                "updated": "updated",
                "push": "push",
                "approved": "approved",
                "unapproved": "unapproved",
                "changes_request_created": "changes_request_created",
                "fulfilled": "closed",
                "rejected": "closed",
            }.items()
        ),
        *(
            pytest.param("bitbucket-dc", f"pr:{key}", action, id=f"data center {key}")
            for key, action in {
                "opened": "opened",
                "from_ref_updated": "from_ref_updated",
                "to_ref_updated": "to_ref_updated",
                "modified": "modified",
                "reopened": "reopened",
                "reviewer:approved": "reviewer:approved",
                "reviewer:needs_work": "reviewer:needs_work",
                "merged": "closed",
                "declined": "closed",
                "deleted": "closed",
            }.items()
        ),
    ],
)
def test_what_happens_to_a_pull_request_is_a_reason_to_look(kind: str, event: str, action: str) -> None:
    (fact,) = SENDERS[kind].parse(with_headers(example(FILES[kind]), x_event_key=event), ORIGIN).facts
    assert isinstance(fact, PullRequestChanged)
    assert (fact.number, fact.action) == (88, action)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("event", ["diagnostics:ping", "pullrequest:comment_created", "pr:comment:added", "x" * 500])
def test_tests_comments_and_other_events_are_ignored_whatever_their_body(kind: str, event: str) -> None:
    parsed = read(kind, b'{"test": true}', x_event_key=event)
    assert not parsed.facts
    assert event[:60] in parsed.ignored[0]


@pytest.mark.parametrize("kind", FILES)
def test_a_request_without_an_event_header_is_unusable(kind: str) -> None:
    with pytest.raises(Unusable, match="X-Event-Key is missing"):
        read(kind, {})


def test_branches_that_moved_are_facts_and_tags_are_none_on_cloud() -> None:
    body = cloud_push(
        {"old": branch("main", ZEROS), "new": branch("main")},
        {"old": None, "new": branch("feature/x", COMMIT[:12], "named_branch")},
        {"old": branch("gone"), "new": None, "closed": True},
        {"old": None, "new": branch("v1", kind="tag")},
    )
    assert read("bitbucket", body, x_event_key="repo:push").facts == (
        BranchMoved(repository="lumen/deploy", branch="main", commit=COMMIT),
        BranchMoved(repository="lumen/deploy", branch="feature/x", commit=COMMIT[:12]),
        BranchMoved(repository="lumen/deploy", branch="gone", commit=None),
    )


def test_branches_that_moved_are_facts_and_tags_are_none_on_data_center() -> None:
    body = center_push(
        center_change("refs/heads/main"),
        center_change("refs/heads/gone", ZEROS),
        center_change("refs/tags/v1"),
        center_change("refs/heads/"),
    )
    assert read("bitbucket-dc", body, x_event_key="repo:refs_changed").facts == (
        BranchMoved(repository="LUM/deploy", branch="main", commit=COMMIT),
        BranchMoved(repository="LUM/deploy", branch="gone", commit=None),
    )


@pytest.mark.parametrize(
    ("kind", "event", "body"),
    [
        pytest.param("bitbucket", "repo:push", cloud_push({"new": branch("v1", kind="tag")}), id="a tag on cloud"),
        pytest.param("bitbucket", "repo:push", cloud_push(), id="nothing on cloud"),
        pytest.param("bitbucket-dc", "repo:refs_changed", center_push(center_change("refs/tags/v1")), id="a tag"),
        pytest.param("bitbucket-dc", "repo:refs_changed", center_push(), id="nothing"),
    ],
)
def test_a_push_of_no_branch_is_ignored(kind: str, event: str, body: object) -> None:
    parsed = read(kind, body, x_event_key=event)
    assert (parsed.facts, parsed.ignored) == ((), ("no branch was pushed",))


def test_of_a_push_without_end_a_hundred_branches_count() -> None:
    many = [center_change(f"refs/heads/b{count}") for count in range(1000)]
    assert len(read("bitbucket-dc", center_push(*many), x_event_key="repo:refs_changed").facts) == 100


def test_a_pull_request_from_a_fork_that_is_gone_has_no_head_repository() -> None:
    body = json.loads(example(CLOUD).body)
    body["pullrequest"]["source"] |= {"repository": None, "commit": None}
    (fact,) = read("bitbucket", body | {"actor": None}, x_event_key="pullrequest:updated").facts
    assert isinstance(fact, PullRequestChanged)
    assert (fact.head_repository, fact.actor) == (None, None)


def test_repositories_of_people_and_heads_that_are_tags_are_read() -> None:
    body = json.loads(example(CENTER).body)
    head = body["pullRequest"]["fromRef"]
    head |= {"id": "refs/tags/v1", "repository": {"slug": "deploy", "project": {"key": "~mira"}}}
    (fact,) = read("bitbucket-dc", body, x_event_key="pr:opened").facts
    assert isinstance(fact, PullRequestChanged)
    assert (fact.head_repository, fact.head_branch) == ("~mira/deploy", "refs/tags/v1")


@pytest.mark.parametrize(
    ("kind", "place", "value"),
    [
        pytest.param("bitbucket", ("pullrequest", "id"), "88", id="number as text"),
        pytest.param("bitbucket", ("repository", "full_name"), "lumen", id="no workspace"),
        pytest.param("bitbucket", ("repository", "full_name"), "a/b/c", id="too many parts"),
        pytest.param("bitbucket", ("pullrequest", "source"), {}, id="no branch"),
        pytest.param("bitbucket-dc", ("pullRequest", "id"), 0, id="no number"),
        pytest.param("bitbucket-dc", ("pullRequest", "toRef", "repository", "slug"), "a/b", id="slug with a slash"),
        pytest.param("bitbucket-dc", ("pullRequest", "toRef", "repository", "project", "key"), "~", id="nobody"),
        pytest.param("bitbucket-dc", ("pullRequest", "fromRef", "id"), "two\nlines", id="branch of two lines"),
    ],
)
def test_a_pull_request_of_another_shape_is_unusable(kind: str, place: tuple[str, ...], value: object) -> None:
    body = json.loads(example(FILES[kind]).body)
    inner = body
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(Unusable, match=place[-1]):
        read(kind, body, x_event_key=EXPECTATIONS[FILES[kind]]["headers"]["X-Event-Key"])


@pytest.mark.parametrize("commit", ["", "main", "-x", COMMIT.upper(), COMMIT[:7], None])
def test_a_push_to_no_commit_is_unusable(commit: str | None) -> None:
    with pytest.raises(Unusable):
        read("bitbucket", cloud_push({"new": branch("main") | {"target": {"hash": commit}}}), x_event_key="repo:push")
    change = center_change("refs/heads/main") | {"toHash": commit}
    with pytest.raises(Unusable):
        read("bitbucket-dc", center_push(change), x_event_key="repo:refs_changed")


@pytest.mark.parametrize(("kind", "header"), [("bitbucket", "x_request_uuid"), ("bitbucket-dc", "x_request_id")])
def test_a_delivery_is_called_by_the_id_that_its_repeats_keep(kind: str, header: str) -> None:
    sender, sent = SENDERS[kind], example(FILES[kind])
    assert sender.external_id(sent) == EXPECTATIONS[FILES[kind]]["event_id"]
    for odd in ("", "a b", "x" * 101, "a\n", "é"):
        assert sender.external_id(with_headers(sent, **{header: odd})) is None


@pytest.mark.parametrize("kind", FILES)
def test_what_is_signed_names_a_delivery_and_no_other_header(kind: str) -> None:
    sender, sent = SENDERS[kind], example(FILES[kind])
    assert sender.signed_id is not None
    again = with_headers(sent, x_request_id="2", x_request_uuid="2", x_attempt_number="2")
    assert sender.signed_id(again) == sender.signed_id(sent)
    unread = {sender.signed_id(with_headers(sent, x_event_key=event)) for event in ("", "x", "y" * 500)}
    assert len(unread) == 1
    assert sender.signed_id(sent) not in unread
