"""Each example request is proven and read as expected, and refused once anything about it is wrong."""

from dataclasses import replace
from datetime import datetime

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import BuildFinished, BuildMentioned, ImagePushed, PullRequestChanged, RevisionApplied
from app.senders import SENDERS
from app.senders.sender import Keys
from tests.senders.examples import (
    EXAMPLES,
    EXPECTATIONS,
    KEYS,
    ORIGIN,
    PROOFS,
    SIGNED_AT,
    example,
    origin_of,
    sender_of,
    with_headers,
    without_header,
)

PROVEN_BY_HEADER = [file for file in EXAMPLES if PROOFS[sender_of(file).kind].header]
SIGNED = [file for file in EXAMPLES if PROOFS[sender_of(file).kind].scheme == "hmac"]
PROVEN_BY_URL = [file for file in EXAMPLES if PROOFS[sender_of(file).kind].scheme == "url-token"]
UNINTERESTING = {
    "github-check_suite-completed.json",
    "github-installation-created.json",
    "github-pull_request_review-submitted.json",
    *(file for file in EXAMPLES if not EXPECTATIONS[file].get("act", True)),
}


def test_every_sender_has_an_example_and_every_example_an_expectation() -> None:
    assert set(EXAMPLES) == set(EXPECTATIONS)
    assert {sender_of(file).kind for file in EXAMPLES} == set(SENDERS)


@pytest.mark.parametrize("file", EXAMPLES)
def test_an_example_is_proven(file: str) -> None:
    sender = sender_of(file)
    sender.verify(example(file), KEYS[sender.kind], SIGNED_AT)


@pytest.mark.parametrize("file", EXAMPLES)
def test_another_key_beside_the_right_one_changes_nothing(file: str) -> None:
    sender, keys = sender_of(file), KEYS[sender_of(file).kind]
    rotating = Keys(
        secrets=(*(["new-secret"] if keys.secrets else []), *keys.secrets),
        url_tokens=(*(["new-token"] if keys.url_tokens else []), *keys.url_tokens),
        headers={name: ("Bearer new", *values) for name, values in keys.headers.items()},
        id_tokens=keys.id_tokens,
    )
    sender.verify(example(file), rotating, SIGNED_AT)


@pytest.mark.parametrize("file", SIGNED)
@pytest.mark.parametrize("position", [0, 60, -1])
def test_one_changed_byte_is_refused(file: str, position: int) -> None:
    sender, request = sender_of(file), example(file)
    body = bytearray(request.body)
    body[position] ^= 1
    with pytest.raises(NotAuthentic, match="matches no key"):
        sender.verify(replace(request, body=bytes(body)), KEYS[sender.kind], SIGNED_AT)


@pytest.mark.parametrize("file", PROVEN_BY_HEADER)
def test_a_missing_or_empty_proof_is_refused(file: str) -> None:
    sender, name = sender_of(file), PROOFS[sender_of(file).kind].header
    empty = with_headers(example(file), **{name.replace("-", "_"): ""})
    for request in (without_header(example(file), name), empty):
        with pytest.raises(NotAuthentic, match="is missing or empty"):
            sender.verify(request, KEYS[sender.kind], SIGNED_AT)


@pytest.mark.parametrize("file", PROVEN_BY_HEADER)
@pytest.mark.parametrize("join", [", ", ",", " "])
def test_a_proof_that_was_sent_twice_is_refused(file: str, join: str) -> None:
    sender, name = sender_of(file), PROOFS[sender_of(file).kind].header
    proof = example(file).headers[name]
    twice = with_headers(example(file), **{name.replace("-", "_"): f"{proof}{join}{proof}"})
    with pytest.raises(NotAuthentic, match=r"is malformed|matches no key"):
        sender.verify(twice, KEYS[sender.kind], SIGNED_AT)


@pytest.mark.parametrize("file", PROVEN_BY_URL)
@pytest.mark.parametrize("query", [{}, {"token": ""}, {"Token": "lumen-url-token"}])
def test_a_url_without_its_token_is_refused(file: str, query: dict[str, str]) -> None:
    sender = sender_of(file)
    with pytest.raises(NotAuthentic, match=r"is missing or empty|carries no credentials"):
        sender.verify(replace(example(file), query=query), KEYS[sender.kind], SIGNED_AT)


@pytest.mark.parametrize("file", EXAMPLES)
def test_another_secret_is_refused_without_telling_any(file: str) -> None:
    sender = sender_of(file)
    wrong = PROOFS[sender.kind].keys("other")
    with pytest.raises(NotAuthentic, match="no key of this source") as refusal:
        sender.verify(example(file), wrong, SIGNED_AT)
    assert "other" not in str(refusal.value)
    assert "lumen" not in str(refusal.value)


@pytest.mark.parametrize("file", EXAMPLES)
@pytest.mark.parametrize(
    "blank",
    [
        pytest.param(Keys(), id="none"),
        pytest.param(
            Keys(secrets=("",), url_tokens=("",), basic=(("ci", ""),), headers={"authorization": ("",)}), id="empty"
        ),
        pytest.param(Keys(secrets=(" \n",), url_tokens=(" ",), headers={"authorization": (" ",)}), id="white space"),
    ],
)
def test_without_a_key_nothing_is_ever_proven(file: str, blank: Keys) -> None:
    sender = sender_of(file)
    assert not any(blank.holds(kind) for kind in sender.needs)
    with pytest.raises(NotAuthentic, match="is configured for this source"):
        sender.verify(example(file), blank, SIGNED_AT)


def test_keys_and_requests_show_no_secret_when_printed() -> None:
    for file in EXAMPLES:
        assert "lumen" not in repr(example(file))
        assert "lumen" not in repr(KEYS[sender_of(file).kind])


@pytest.mark.parametrize("file", sorted(UNINTERESTING))
def test_an_uninteresting_example_is_ignored_with_a_reason(file: str) -> None:
    parsed = sender_of(file).parse(example(file), ORIGIN)
    assert not parsed.facts
    assert not parsed.problems
    assert len(parsed.ignored) == 1


@pytest.mark.parametrize("file", sorted(set(EXAMPLES) - UNINTERESTING))
def test_an_example_says_what_is_expected_of_it(file: str) -> None:
    expected, origin = EXPECTATIONS[file], origin_of(file)
    parsed = sender_of(file).parse(example(file), origin)
    assert not parsed.problems
    assert len(parsed.ignored) == expected.get("ignored_events", 0)
    fact, *others = parsed.facts
    assert not others or {type(one) for one in parsed.facts} == {ImagePushed}
    match fact:
        case ImagePushed():
            pushes = [one for one in parsed.facts if isinstance(one, ImagePushed)]
            assert [(str(one.image), one.tag, one.digest) for one in pushes] == [
                (f"{image['registry_host'] or origin.registry}/{image['repository']}", image["tag"], image["digest"])
                for image in expected["images"]
            ]
            at = expected["occurred_at"] and datetime.fromisoformat(expected["occurred_at"])
            assert {one.at for one in pushes} == {at}
        case BuildMentioned():
            assert (fact.controller, fact.job, fact.number) == ("main", expected["job"], expected["build_number"])
        case BuildFinished():
            assert (fact.controller, fact.job, fact.number) == ("main", expected["job"], expected["build_number"])
            assert (fact.url, fact.result) == (expected["build_url"], expected["result"])
            assert (fact.commit, fact.branch) == (expected["commit"], expected["branch"])
            assert fact.finished_at == datetime.fromisoformat(expected["occurred_at"])
            assert [(str(a.image), a.tag, a.digest) for a in fact.artifacts] == [
                (f"{image['registry_host']}/{image['repository']}", image["tag"], image["digest"])
                for image in expected["images"]
            ]
        case PullRequestChanged():
            pull = expected["pull_request"]
            assert (fact.repository, fact.number) == (pull["repository"], pull["number"])
            assert (fact.head_branch, fact.base_branch) == (pull["head_branch"], pull["base_branch"])
            assert (fact.head_repository, fact.actor) == (pull["repository"], pull["merged_by"])
            assert fact.action == pull.get("action", "closed")
        case RevisionApplied():
            flux = expected["flux"]
            assert (fact.cluster, fact.kind, fact.namespace, fact.name) == (
                "prod-eu",
                flux["kind"],
                flux["namespace"],
                flux["name"],
            )
            assert (fact.revision, fact.commit, fact.reason) == (flux["revision"], expected["commit"], flux["reason"])
            assert fact.is_failure == (expected["result"] == "failure")
            assert fact.at == datetime.fromisoformat(expected["occurred_at"])
        case other:
            pytest.fail(f"nobody expected {other}")


@pytest.mark.parametrize("file", EXAMPLES)
def test_what_is_kept_of_a_request_is_enough_to_read_it_later(file: str) -> None:
    sender, request = sender_of(file), example(file)
    kept = {name: value for name, value in request.headers.items() if name in sender.kept_headers}
    assert sender.parse(replace(request, headers=kept, query={}), ORIGIN) == sender.parse(request, ORIGIN)


@pytest.mark.parametrize("kind", SENDERS)
def test_no_header_that_proves_anything_is_kept(kind: str) -> None:
    proofs = {"authorization", "cookie", "x-hub-signature"} | {one.header for one in PROOFS.values()}
    assert not proofs & set(SENDERS[kind].kept_headers)


@pytest.mark.parametrize("file", [file for file in EXAMPLES if file.startswith("github")])
def test_github_deliveries_are_told_apart_by_their_guid(file: str) -> None:
    assert SENDERS["github"].external_id(example(file)) == EXPECTATIONS[file]["event_id"]
