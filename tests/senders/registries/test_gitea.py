"""Gitea: what of a hook's events is about a container, and by what a hook proves itself."""

import json
from typing import Any

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import ImagePushed, TagDeleted
from app.senders import SENDERS
from app.senders.sender import Keys, Unusable
from tests.senders.examples import DIGEST, ORIGIN, SIGNED_AT, example, origin_of, read, without_header

FILE = "gitea-package-created.json"
EVENT = json.loads(example(FILE).body)
ORIGIN_OF = origin_of(FILE)


def told(action: str = "created", **package: object) -> dict[str, Any]:
    return {**EVENT, "action": action, "package": {**EVENT["package"], **package}}


def test_a_deleted_tag_and_a_deleted_digest_are_told_apart() -> None:
    [tag] = read("gitea", told("deleted"), origin=ORIGIN_OF).facts
    [digest] = read("gitea", told("deleted", version=DIGEST), origin=ORIGIN_OF).facts
    assert isinstance(tag, TagDeleted)
    assert isinstance(digest, TagDeleted)
    assert [(one.tag, one.digest) for one in (tag, digest)] == [("1.4.2", None), (None, DIGEST)]


def test_the_owner_is_in_lower_case_and_an_older_gitea_calls_it_username() -> None:
    [fact] = read("gitea", told(owner={"username": "Lumen"}, name="apps/parcel"), origin=ORIGIN_OF).facts
    assert isinstance(fact, ImagePushed)
    assert str(fact.image) == "git.lumen.example/lumen/apps/parcel"


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        pytest.param({"ref": "refs/heads/main"}, {"x_gitea_event_type": "create"}, "'create'", id="a new branch"),
        pytest.param({"ref": "refs/heads/main"}, {"x_forgejo_event": "issues"}, "'issues'", id="of Forgejo"),
        pytest.param({"zen": "…"}, {}, "no package", id="neither header nor package"),
        pytest.param(told("transferred"), {}, "'transferred'", id="another action"),
        pytest.param(told(type="npm"), {}, "'npm'", id="another type"),
        pytest.param(told(version=DIGEST), {}, "names no tag", id="the child of an index"),
        pytest.param(told(version="sha256-" + "4d" * 32 + ".sig"), {}, "signature", id="a signature"),
        pytest.param(told(html_url="https://git.other.example/x"), {}, "git.other.example", id="another Gitea"),
    ],
)
def test_what_is_no_push_of_a_tag_is_ignored_with_the_reason(
    body: dict[str, Any], headers: dict[str, str], reason: str
) -> None:
    parsed = read("gitea", body, origin=ORIGIN_OF, **headers)
    assert (parsed.facts, parsed.problems) == ((), ())
    assert reason in parsed.ignored[0]


@pytest.mark.parametrize("header", ["x_gitea_event", "x_gitea_event_type", "x_forgejo_event_type"])
def test_a_version_that_tells_the_event_in_another_header_is_read(header: str) -> None:
    assert len(read("gitea", EVENT, origin=ORIGIN_OF, **{header: "package"}).facts) == 1


def test_a_package_without_an_owner_is_unusable() -> None:
    with pytest.raises(Unusable, match=r"package\.owner"):
        read("gitea", told(owner={"id": 3}), origin=ORIGIN)


@pytest.mark.parametrize("kind", [["container"], None, {}])
def test_a_package_of_no_type_is_unusable(kind: object) -> None:
    with pytest.raises(Unusable, match="type"):
        read("gitea", told(type=kind), origin=ORIGIN)


def test_a_page_that_is_no_address_names_no_other_host() -> None:
    assert len(read("gitea", told(html_url="https://["), origin=ORIGIN_OF).facts) == 1


def test_a_hook_may_prove_itself_by_its_authorization_instead() -> None:
    keys, sent = Keys(headers={"authorization": ("Bearer a-hook",)}), example(FILE)
    authorized = without_header(sent, "x-gitea-signature")
    authorized = type(sent)({**authorized.headers, "authorization": "Bearer a-hook"}, sent.body)
    SENDERS["gitea"].verify(authorized, keys, SIGNED_AT)
    assert SENDERS["gitea"].prove_head(authorized, keys, SIGNED_AT)
    with pytest.raises(NotAuthentic):
        SENDERS["gitea"].verify(sent, keys, SIGNED_AT)
