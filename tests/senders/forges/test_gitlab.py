"""GitLab: its two proofs, which events are a reason to look, and what each body must have."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import BranchMoved, PullRequestChanged
from app.senders import SENDERS
from app.senders.sender import Keys, Unusable, WebhookRequest
from tests.senders.examples import ORIGIN, example, read
from tests.servers.gitlab import signature_headers

FILE = "gitlab-merge_request-merge.json"
MERGED, SENDER = example(FILE), SENDERS["gitlab"]
SIGNING_TOKEN = "whsec_iNdtNJOSbDebhtQmimEvTEP/o29GOh0ySMuSrtFp6Nc="
OTHER_TOKEN = f"whsec_{base64.b64encode(bytes(32)).decode()}"
SIGNED_AT = datetime.fromtimestamp(1760002267, UTC)
COMMIT = "5defc707898f873687372dac47ffeda5943a00e9"


def signed(body: bytes = MERGED.body, **headers: str) -> WebhookRequest:
    given = {**MERGED.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return WebhookRequest(headers=given, body=body)


def merge_request(**attributes: object) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(MERGED.body)
    return body | {"object_attributes": body["object_attributes"] | attributes}


def push(ref: str = "refs/heads/main", after: str = COMMIT, **more: object) -> dict[str, Any]:
    return {
        "object_kind": "push",
        "ref": ref,
        "after": after,
        "project": {"path_with_namespace": "lumen/a/deploy"},
        **more,
    }


@pytest.mark.parametrize("tokens", [(SIGNING_TOKEN,), (OTHER_TOKEN, SIGNING_TOKEN)], ids=["one", "rotated"])
def test_what_gitlab_signed_is_authentic_for_five_minutes(tokens: tuple[str, ...]) -> None:
    keys = Keys(secrets=tokens)
    for apart in (timedelta(0), timedelta(minutes=5), -timedelta(minutes=5)):
        SENDER.verify(MERGED, keys, SIGNED_AT + apart)
        assert SENDER.prove_head(MERGED, keys, SIGNED_AT + apart) is False
    for apart in (timedelta(minutes=5, seconds=1), -timedelta(minutes=5, seconds=1)):
        with pytest.raises(NotAuthentic, match="5 minutes"):
            SENDER.prove_head(MERGED, keys, SIGNED_AT + apart)


def test_one_of_several_signatures_is_enough_as_while_a_token_is_rotated() -> None:
    other = signature_headers(OTHER_TOKEN, MERGED.headers["webhook-id"], MERGED.body, at=1760002267)
    both = f"{other['webhook-signature']} {MERGED.headers['webhook-signature']}"
    SENDER.verify(signed(webhook_signature=both), Keys(secrets=(SIGNING_TOKEN,)), SIGNED_AT)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(signed(MERGED.body + b" "), id="one byte more"),
        pytest.param(signed(webhook_id="another"), id="another id"),
        pytest.param(signed(webhook_id=""), id="no id"),
        pytest.param(signed(webhook_timestamp="1760002268"), id="another time"),
        pytest.param(signed(webhook_timestamp="soon"), id="no time"),
        pytest.param(signed(webhook_timestamp="9" * 30), id="a time without end"),
        pytest.param(signed(webhook_signature=""), id="empty"),
        pytest.param(signed(webhook_signature="v1,"), id="version alone"),
        pytest.param(signed(webhook_signature="v2," + "A" * 43 + "="), id="another version"),
        pytest.param(signed(webhook_signature="v1,AAAA"), id="too short"),
        pytest.param(signed(webhook_signature="v1,\u00e4"), id="no base64"),
        pytest.param(signed(webhook_signature=f"{MERGED.headers['webhook-signature']}," * 2), id="doubled"),
    ],
)
def test_anything_else_is_not_authentic(request_: WebhookRequest) -> None:
    with pytest.raises(NotAuthentic):
        SENDER.verify(request_, Keys(secrets=(SIGNING_TOKEN,)), SIGNED_AT)


@pytest.mark.parametrize("token", [OTHER_TOKEN, "whsec_", "whsec_?", "lumen-gitlab-token", "whsec_AAAA"])
def test_another_signing_token_or_none_proves_nothing(token: str) -> None:
    with pytest.raises(NotAuthentic):
        SENDER.verify(MERGED, Keys(secrets=(token,)), SIGNED_AT)


def test_where_it_is_to_be_signed_the_token_alone_proves_nothing() -> None:
    unsigned = replace(
        MERGED, headers={name: value for name, value in MERGED.headers.items() if "webhook-" not in name}
    )
    keys = Keys(secrets=(SIGNING_TOKEN,), headers={"x-gitlab-token": ("lumen-gitlab-token",)})
    with pytest.raises(NotAuthentic, match="Webhook-Id is missing"):
        SENDER.verify(unsigned, keys, SIGNED_AT)


def test_a_delivery_is_named_by_what_stays_when_it_is_sent_again() -> None:
    assert SENDER.external_id(MERGED) == "ce1d5a24-80e0-44a2-a1c1-c7968cc66c13"
    assert SENDER.external_id(signed(idempotency_key="")) == MERGED.headers["webhook-id"]
    assert SENDER.external_id(signed(idempotency_key="../x")) is None


def test_a_merge_is_a_reason_to_look_at_its_project_and_number() -> None:
    assert SENDER.parse(MERGED, ORIGIN).facts == (
        PullRequestChanged(
            repository="lumen/deploy",
            number=88,
            head_branch="promote/parcel-api-1.4.2",
            head_repository="lumen/deploy",
            base_branch="main",
            action="closed",
            actor="mira",
        ),
    )


@pytest.mark.parametrize(
    "action", ["open", "close", "reopen", "update", "approved", "unapproved", "approval", "unapproval"]
)
def test_whatever_happens_to_a_merge_request_is_a_reason_to_look(action: str) -> None:
    (fact,) = read("gitlab", merge_request(action=action)).facts
    assert isinstance(fact, PullRequestChanged)
    assert fact.action == ("closed" if action == "close" else action)


def test_one_from_a_fork_has_no_head_repository() -> None:
    for source in (62, None):
        (fact,) = read("gitlab", merge_request(source_project_id=source)).facts
        assert isinstance(fact, PullRequestChanged)
        assert fact.head_repository is None


def test_a_hook_of_the_whole_server_says_the_same() -> None:
    body = merge_request() | {"event_name": "merge_request"}
    assert read("gitlab", body, x_gitlab_event="System Hook") == SENDER.parse(MERGED, ORIGIN)
    (fact,) = read("gitlab", push(event_name="push"), x_gitlab_event="System Hook").facts
    assert fact == BranchMoved(repository="lumen/a/deploy", branch="main", commit=COMMIT)


def test_branches_that_moved_or_are_gone_are_facts_and_tags_are_none() -> None:
    assert read("gitlab", push()).facts == (BranchMoved(repository="lumen/a/deploy", branch="main", commit=COMMIT),)
    assert read("gitlab", push(after="0" * 40)).facts == (
        BranchMoved(repository="lumen/a/deploy", branch="main", commit=None),
    )
    assert read("gitlab", push("refs/tags/v1")).ignored == ("'refs/tags/v1' is no branch",)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(merge_request(action=None), "a test of the webhook", id="a test"),
        pytest.param({"object_kind": "tag_push"}, "tag_push", id="a tag"),
        pytest.param({"object_kind": "note", "object_attributes": {}}, "note", id="a comment"),
        pytest.param({"event_name": "project_create"}, "project_create", id="an event of the server"),
        pytest.param({"object_kind": "x" * 500}, "x" * 40, id="anything"),
    ],
)
def test_what_says_nothing_of_use_is_ignored(body: dict[str, Any], why: str) -> None:
    parsed = read("gitlab", body)
    assert not parsed.facts
    assert why in parsed.ignored[0]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="no kind"),
        pytest.param(merge_request(iid="88"), id="number as text"),
        pytest.param(merge_request(source_branch=None), id="no branch"),
        pytest.param(push(after="main"), id="no commit"),
        pytest.param(push() | {"project": {"path_with_namespace": "deploy"}}, id="no group"),
        pytest.param(push() | {"project": {"path_with_namespace": "lumen/../x y"}}, id="no path"),
        pytest.param([], id="no object"),
    ],
)
def test_a_body_of_another_shape_is_unusable(body: object) -> None:
    with pytest.raises(Unusable):
        read("gitlab", body)
