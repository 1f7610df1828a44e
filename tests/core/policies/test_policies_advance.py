"""A stored choice that advances with each push is always the one that a full evaluation makes."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.policies.advance import StoredChoice, advance, choice_among, chosen_only, retract
from app.core.policies.selection import CompiledPolicy, SelectionError, compile_policy
from app.core.policies.spec import Alphabetical, Choice, Numerical, PolicySpec, SemVer, TagFilter
from tests.core.policies.test_policies_laws import LISTS, SPECS

CASES = Path(__file__).parents[2] / "conformance" / "image_policies.jsonl"
EVERYTHING = TagFilter(".*")


def _advanced(policy: CompiledPolicy, tags: list[str]) -> StoredChoice:
    """Push tags one by one, evaluating in full only where that is called for."""
    stored_choice = StoredChoice()
    for count, tag in enumerate(tags, start=1):
        stored_choice = advance(policy, stored_choice, tag) or choice_among(policy, tags[:count])
    return stored_choice


@given(spec=SPECS, tags=LISTS)
@example(spec=PolicySpec(SemVer("*"), TagFilter("^v?(.*)$", "$1")), tags=["v1.0.0", "01.0.0", "1.0.0"])
@example(spec=PolicySpec(Numerical(), EVERYTHING), tags=["1", "1.0", "2", "01", "1"])
@example(spec=PolicySpec(Numerical()), tags=["5", "nan", "7", "1a", "nan"])
def test_advancing_push_by_push_is_the_full_evaluation(spec: PolicySpec, tags: list[str]) -> None:
    policy = compile_policy(spec)
    stored_choice = StoredChoice()
    for count, tag in enumerate(tags, start=1):
        full = compile_policy(spec).select(tags[:count])
        stored_choice = advance(policy, stored_choice, tag) or choice_among(policy, tags[:count])
        assert (stored_choice.tag, stored_choice.error, stored_choice.is_tie) == (full.tag, full.error, full.is_tie)


@given(spec=SPECS, tags=LISTS, data=st.data())
def test_the_order_of_arrival_and_repeats_do_not_matter(spec: PolicySpec, tags: list[str], data: st.DataObject) -> None:
    policy = compile_policy(spec)
    assert _advanced(policy, data.draw(st.permutations(tags + tags[:4]))) == _advanced(policy, tags)


@given(spec=SPECS, tags=LISTS, later=LISTS)
def test_pushes_advance_what_a_full_evaluation_found(spec: PolicySpec, tags: list[str], later: list[str]) -> None:
    policy = compile_policy(spec)
    stored_choice: StoredChoice | None = choice_among(policy, tags)
    for tag in later:
        stored_choice = None if stored_choice is None else advance(policy, stored_choice, tag)
    assert stored_choice in {None, choice_among(policy, tags + later)}


@given(spec=SPECS, tags=LISTS)
def test_a_full_evaluation_is_called_for_only_where_a_number_is_nan(spec: PolicySpec, tags: list[str]) -> None:
    policy = compile_policy(spec)
    stored_choice = choice_among(policy, tags)
    if not any("nan" in tag.lower() for tag in tags):
        assert all(advance(policy, stored_choice, tag) == stored_choice for tag in tags)


def test_every_case_of_flux_comes_out_the_same_push_by_push() -> None:
    differences = [case for case in _valid_cases() if _answer(case) != _flux(case)]
    assert differences == []


@pytest.mark.parametrize(
    ("choice", "tag_filter", "pushes", "chosen", "is_tie"),
    [
        pytest.param(SemVer("^1"), None, "1.1.0 1.3.0 1.2.0 2.0.0 latest", "1.3.0", False, id="versions"),
        pytest.param(SemVer("*"), None, "1.0.0 v1.0.0", "v1.0.0", False, id="equal-versions-the-last-in-byte-order"),
        pytest.param(SemVer("*"), EVERYTHING, "v1.0.0 1.0.0", "1.0.0", True, id="equal-versions-under-a-filter"),
        pytest.param(SemVer("*"), EVERYTHING, "v1.0.0 1.0.0 1.0.1", "1.0.1", False, id="a-tie-that-is-surpassed"),
        pytest.param(Numerical("desc"), None, "3 1 2", "1", False, id="numbers"),
        pytest.param(Alphabetical(), TagFilter("^b-(.*)", "$1"), "b-1 a-9 b-3 b-2", "b-3", False, id="filtered"),
        pytest.param(Alphabetical(), TagFilter("-(.*)", "$1"), "b-1 a-1 c-1", "a-1", False, id="one-key"),
    ],
)
def test_pushes_one_by_one(
    *, choice: Choice, tag_filter: TagFilter | None, pushes: str, chosen: str, is_tie: bool
) -> None:
    stored_choice: StoredChoice | None = StoredChoice()
    for tag in pushes.split():
        assert stored_choice is not None
        stored_choice = advance(compile_policy(PolicySpec(choice, tag_filter)), stored_choice, tag)
    assert stored_choice == StoredChoice(tag=chosen, error=None, is_tie=is_tie)


def test_a_key_that_is_no_number_fails_the_policy_until_it_is_evaluated_anew() -> None:
    policy = compile_policy(PolicySpec(Numerical()))
    spoiled = advance(policy, StoredChoice(tag="1", error=None), "1a")
    assert spoiled == StoredChoice(error=SelectionError.INVALID_TAG)
    assert advance(policy, spoiled, "99") == spoiled


def test_after_a_nan_every_push_is_evaluated_in_full() -> None:
    policy = compile_policy(PolicySpec(Numerical()))
    assert advance(policy, StoredChoice(tag="1", error=None), "nan") is None
    unordered = choice_among(policy, {"1", "nan"})
    assert unordered == StoredChoice(tag="1", error=None, is_unordered=True)
    assert advance(policy, unordered, "2") is None
    assert advance(policy, unordered, "2.sig") == unordered


def test_a_choice_of_another_spec_is_evaluated_anew() -> None:
    assert advance(compile_policy(PolicySpec(SemVer("<2"))), StoredChoice(tag="2.0.0", error=None), "1.0.0") is None


@given(spec=SPECS, tags=LISTS)
def test_a_stored_choice_survives_storage(spec: PolicySpec, tags: list[str]) -> None:
    stored_choice = choice_among(compile_policy(spec), tags)
    assert StoredChoice.from_json(stored_choice.as_json()) == stored_choice
    assert json.loads(stored_choice.as_json()) == asdict(stored_choice)


def _valid_cases() -> list[dict[str, Any]]:
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    return [case for case in cases if case["error"] != "invalid-policy"]


def _answer(case: dict[str, Any]) -> tuple[str | None, str | None]:
    tag_filter = TagFilter(case["pattern"], case.get("extract", "")) if "pattern" in case else None
    stored_choice = _advanced(compile_policy(PolicySpec(_choice(case), tag_filter)), case["tags"] or [])
    return stored_choice.tag, stored_choice.error


def _flux(case: dict[str, Any]) -> tuple[str | None, str | None]:
    return case["expect"], case["error"]


def _choice(case: dict[str, Any]) -> Choice:
    match case["kind"]:
        case "semver":
            return SemVer(case["range"])
        case "alphabetical":
            return Alphabetical(case["order"])
    return Numerical(case["order"])


@pytest.mark.parametrize("gone", ["v1.0.0", "1.0.0"])
def test_taking_one_of_two_that_tie_back_calls_for_a_full_evaluation(gone: str) -> None:
    policy = compile_policy(PolicySpec(SemVer("*"), TagFilter("^(.*)$", "$1")))
    stored_choice = choice_among(policy, ["v1.0.0", "1.0.0", "0.9.0"])
    assert stored_choice.is_tie
    assert retract(policy, stored_choice, gone) is None


@given(spec=SPECS, tags=LISTS, data=st.data())
def test_taking_a_tag_back_is_the_full_evaluation_of_the_rest(
    spec: PolicySpec, tags: list[str], data: st.DataObject
) -> None:
    policy = compile_policy(spec)
    gone = data.draw(st.sampled_from(tags) if tags else st.just("1.0.0"))
    rest = [tag for tag in tags if tag != gone]
    assert retract(policy, choice_among(policy, tags), gone) in {None, choice_among(policy, rest)}


@given(spec=SPECS, tags=LISTS, other=st.sampled_from(["0.0.0", "zz", "main-ab-0"]))
def test_taking_back_what_was_not_chosen_calls_for_a_full_evaluation_only_where_it_may_have_decided(
    spec: PolicySpec, tags: list[str], other: str
) -> None:
    policy = compile_policy(spec)
    stored_choice = choice_among(policy, tags)
    if (
        stored_choice.tag != other
        and not stored_choice.is_tie
        and not stored_choice.is_unordered
        and stored_choice.error != "invalid-tag"
    ):
        assert retract(policy, stored_choice, other) == stored_choice


@given(spec=SPECS, tags=LISTS)
def test_a_stored_choice_says_of_its_tag_what_the_full_evaluation_says(spec: PolicySpec, tags: list[str]) -> None:
    policy = compile_policy(spec)
    full, brief = policy.select(tags), chosen_only(policy, choice_among(policy, tags))
    assert (brief.tag, brief.error, brief.is_tie) == (full.tag, full.error, full.is_tie)
    assert all(full.verdicts[tag] == verdict for tag, verdict in brief.verdicts.items())
    assert brief.ranked == full.ranked[:1]
    assert brief.is_whole == (full.tag is None)
