"""A stored choice that advances with each push is always the one that a full evaluation makes."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.policies.advance import Standing, advance, chosen_only, retract, standing_among
from app.core.policies.selection import CompiledPolicy, SelectionError, compile_policy
from app.core.policies.spec import Alphabetical, Choice, Numerical, PolicySpec, SemVer, TagFilter
from tests.core.policies.test_policies_laws import LISTS, SPECS

CASES = Path(__file__).parents[2] / "conformance" / "image_policies.jsonl"
EVERYTHING = TagFilter(".*")


def _advanced(policy: CompiledPolicy, tags: list[str]) -> Standing:
    """Push tags one by one, evaluating in full only where that is called for."""
    standing = Standing()
    for count, tag in enumerate(tags, start=1):
        standing = advance(policy, standing, tag) or standing_among(policy, tags[:count])
    return standing


@given(spec=SPECS, tags=LISTS)
@example(spec=PolicySpec(SemVer("*"), TagFilter("^v?(.*)$", "$1")), tags=["v1.0.0", "01.0.0", "1.0.0"])
@example(spec=PolicySpec(Numerical(), EVERYTHING), tags=["1", "1.0", "2", "01", "1"])
@example(spec=PolicySpec(Numerical()), tags=["5", "nan", "7", "1a", "nan"])
def test_advancing_push_by_push_is_the_full_evaluation(spec: PolicySpec, tags: list[str]) -> None:
    policy = compile_policy(spec)
    standing = Standing()
    for count, tag in enumerate(tags, start=1):
        full = compile_policy(spec).select(tags[:count])
        standing = advance(policy, standing, tag) or standing_among(policy, tags[:count])
        assert (standing.tag, standing.error, standing.is_tie) == (full.tag, full.error, full.is_tie)


@given(spec=SPECS, tags=LISTS, data=st.data())
def test_the_order_of_arrival_and_repeats_do_not_matter(spec: PolicySpec, tags: list[str], data: st.DataObject) -> None:
    policy = compile_policy(spec)
    assert _advanced(policy, data.draw(st.permutations(tags + tags[:4]))) == _advanced(policy, tags)


@given(spec=SPECS, tags=LISTS, later=LISTS)
def test_pushes_advance_what_a_full_evaluation_found(spec: PolicySpec, tags: list[str], later: list[str]) -> None:
    policy = compile_policy(spec)
    standing: Standing | None = standing_among(policy, tags)
    for tag in later:
        standing = None if standing is None else advance(policy, standing, tag)
    assert standing in {None, standing_among(policy, tags + later)}


@given(spec=SPECS, tags=LISTS)
def test_a_full_evaluation_is_called_for_only_where_a_number_is_nan(spec: PolicySpec, tags: list[str]) -> None:
    policy = compile_policy(spec)
    standing = standing_among(policy, tags)
    if not any("nan" in tag.lower() for tag in tags):
        assert all(advance(policy, standing, tag) == standing for tag in tags)


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
    standing: Standing | None = Standing()
    for tag in pushes.split():
        assert standing is not None
        standing = advance(compile_policy(PolicySpec(choice, tag_filter)), standing, tag)
    assert standing == Standing(tag=chosen, error=None, is_tie=is_tie)


def test_a_key_that_is_no_number_fails_the_policy_until_it_is_evaluated_anew() -> None:
    policy = compile_policy(PolicySpec(Numerical()))
    spoiled = advance(policy, Standing(tag="1", error=None), "1a")
    assert spoiled == Standing(error=SelectionError.INVALID_TAG)
    assert advance(policy, spoiled, "99") == spoiled


def test_after_a_nan_every_push_is_evaluated_in_full() -> None:
    policy = compile_policy(PolicySpec(Numerical()))
    assert advance(policy, Standing(tag="1", error=None), "nan") is None
    unordered = standing_among(policy, {"1", "nan"})
    assert unordered == Standing(tag="1", error=None, is_unordered=True)
    assert advance(policy, unordered, "2") is None
    assert advance(policy, unordered, "2.sig") == unordered


def test_a_choice_of_another_spec_is_evaluated_anew() -> None:
    assert advance(compile_policy(PolicySpec(SemVer("<2"))), Standing(tag="2.0.0", error=None), "1.0.0") is None


@given(spec=SPECS, tags=LISTS)
def test_a_standing_survives_storage(spec: PolicySpec, tags: list[str]) -> None:
    standing = standing_among(compile_policy(spec), tags)
    assert Standing.from_json(standing.as_json()) == standing
    assert json.loads(standing.as_json()) == asdict(standing)


def _valid_cases() -> list[dict[str, Any]]:
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    return [case for case in cases if case["error"] != "invalid-policy"]


def _answer(case: dict[str, Any]) -> tuple[str | None, str | None]:
    tag_filter = TagFilter(case["pattern"], case.get("extract", "")) if "pattern" in case else None
    standing = _advanced(compile_policy(PolicySpec(_choice(case), tag_filter)), case["tags"] or [])
    return standing.tag, standing.error


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
    standing = standing_among(policy, ["v1.0.0", "1.0.0", "0.9.0"])
    assert standing.is_tie
    assert retract(policy, standing, gone) is None


@given(spec=SPECS, tags=LISTS, data=st.data())
def test_taking_a_tag_back_is_the_full_evaluation_of_the_rest(
    spec: PolicySpec, tags: list[str], data: st.DataObject
) -> None:
    policy = compile_policy(spec)
    gone = data.draw(st.sampled_from(tags) if tags else st.just("1.0.0"))
    rest = [tag for tag in tags if tag != gone]
    assert retract(policy, standing_among(policy, tags), gone) in {None, standing_among(policy, rest)}


@given(spec=SPECS, tags=LISTS, other=st.sampled_from(["0.0.0", "zz", "main-ab-0"]))
def test_taking_back_what_was_not_chosen_calls_for_a_full_evaluation_only_where_it_may_have_decided(
    spec: PolicySpec, tags: list[str], other: str
) -> None:
    policy = compile_policy(spec)
    standing = standing_among(policy, tags)
    if standing.tag != other and not standing.is_tie and not standing.is_unordered and standing.error != "invalid-tag":
        assert retract(policy, standing, other) == standing


@given(spec=SPECS, tags=LISTS)
def test_a_stored_choice_says_of_its_tag_what_the_full_evaluation_says(spec: PolicySpec, tags: list[str]) -> None:
    policy = compile_policy(spec)
    full, brief = policy.select(tags), chosen_only(policy, standing_among(policy, tags))
    assert (brief.tag, brief.error, brief.is_tie) == (full.tag, full.error, full.is_tie)
    assert all(full.verdicts[tag] == verdict for tag, verdict in brief.verdicts.items())
    assert brief.ranked == full.ranked[:1]
    assert brief.is_whole == (full.tag is None)
