"""Policies as a whole: they choose what Flux chooses, and say what became of each tag."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.errors import Invalid
from app.core.policies.selection import (
    InvalidPolicy,
    Selection,
    SelectionError,
    VerdictKind,
    compile_policy,
)
from app.core.policies.spec import Alphabetical, Choice, Numerical, PolicySpec, SemVer, TagFilter

CASES = Path(__file__).parents[2] / "conformance" / "image_policies.jsonl"
BY_TIME = TagFilter(r"^main-[a-f0-9]+-(?P<ts>[0-9]+)", "$ts")


def test_every_answer_of_flux_is_ours() -> None:
    differences = [(case, ours) for case in _cases() if (ours := _answer(case)) != (case["expect"], case["error"])]
    assert differences == []


def test_the_cases_of_flux_are_all_here() -> None:
    assert sum(1 for _ in _cases()) == 3_000


@pytest.mark.parametrize(
    ("choice", "tags", "chosen"),
    [
        pytest.param(SemVer("1.0.x"), "1.0.0 1.0.0.1 1.0.0p 1.0.1 1.2.0 0.1.0", "1.0.1", id="patch-range"),
        pytest.param(SemVer("1.0.x"), "v1.2.3 v1.0.0 v0.1.0", "v1.0.0", id="v-on-the-tag"),
        pytest.param(SemVer("v1.0.x"), "1.0.0 2.0.0 1.0.1 1.2.0", "1.0.1", id="v-on-the-range"),
        pytest.param(SemVer("1.0.x"), "b1.2.3 b1.0.0", None, id="no-versions"),
        pytest.param(SemVer("1.0.x"), "1.2.0", None, id="none-in-range"),
        pytest.param(SemVer(">=1.0.0"), "1.2.3-alpine", None, id="a-suffix-is-a-prerelease"),
        pytest.param(SemVer(">=1.0.0-0 <2.0.0"), "1.9.0 2.0.0-rc.1", "2.0.0-rc.1", id="prerelease-of-the-upper-bound"),
        pytest.param(SemVer(">=1.0.0-0 <2.0.0-0"), "1.9.0 2.0.0-rc.1", "1.9.0", id="upper-bound-with-dash-zero"),
        pytest.param(SemVer("^1.x-0"), "1.2.0 1.3.0-rc.1", "1.3.0-rc.1", id="prereleases-let-in"),
        pytest.param(SemVer("^1.x-0"), "1.3.0 1.3.0-rc.1", "1.3.0", id="release-above-its-prerelease"),
        pytest.param(SemVer("*"), "1.0.0 v1.0.0", "v1.0.0", id="equal-versions-the-last-in-byte-order"),
        pytest.param(Alphabetical(), "16.04 16.04.1 16.10 20.04 20.10", "20.10", id="alphabetical"),
        pytest.param(Alphabetical("Desc"), "16.04 16.04.1 16.10 20.04 20.10", "16.04", id="alphabetical-desc"),
        pytest.param(Alphabetical("asc"), "xenial yakkety zesty artful bionic", "zesty", id="names"),
        pytest.param(Alphabetical(), "1.0.63 1.0.9", "1.0.9", id="bytes-not-numbers"),
        pytest.param(Alphabetical("desc"), "a B", "B", id="capitals-first"),
        pytest.param(Alphabetical(), "", None, id="alphabetical-of-nothing"),
        pytest.param(Numerical(), "-1 2.5 10", "10", id="numerical"),
        pytest.param(Numerical("DESC"), "-1 2.5 10", "-1", id="numerical-desc"),
        pytest.param(Numerical(), "1.0 1 01 1e0", "01", id="equal-numbers-the-first-in-byte-order"),
        pytest.param(Numerical(), "9007199254740993 9007199254740992", "9007199254740992", id="beyond-2^53-is-a-tie"),
        pytest.param(Numerical(), "nan 5 7", "7", id="nan-is-forgotten"),
        pytest.param(Numerical(), "nan inf", "inf", id="inf-after-nan"),
        pytest.param(Numerical(), "nan", "nan", id="nan-alone"),
    ],
)
def test_without_a_filter_the_choice_is_that_of_flux(choice: Choice, tags: str, chosen: str | None) -> None:
    selection = compile_policy(PolicySpec(choice)).select(tags.split())
    assert selection.tag == chosen
    assert not selection.is_tie


@pytest.mark.parametrize(
    ("exclusions", "tags", "eligible"),
    [
        pytest.param(
            (), "0.1.0 0.1.1 0.1.1.sig 1.0.0-alpha 1.0.0.sig", "1.0.0-alpha 0.1.1 0.1.0", id="default-drops-signatures"
        ),
        pytest.param((r"^.*\-alpha$",), "0.1.0 0.1.1.sig 1.0.0-alpha", "0.1.1.sig 0.1.0", id="a-list-replaces-it"),
        pytest.param(("1.0.2",), "11.0.2-x 1.0.3", "1.0.3", id="a-pattern-is-searched-for"),
        pytest.param(("a", "b"), "a b c", "c", id="any-of-several"),
        pytest.param((), "line\nend.sig", "line\nend.sig", id="the-default-takes-no-line-feed"),
        pytest.param((r"^.*\.sig$", "nothing"), "line\nend.sig", "line\nend.sig", id="nor-does-the-pattern-itself"),
    ],
)
def test_excluded_tags_are_never_looked_at(exclusions: tuple[str, ...], tags: str, eligible: str) -> None:
    policy = compile_policy(PolicySpec(Alphabetical(), exclusion_list=exclusions))
    assert policy.select(tags.split(" ")).ranked == tuple(eligible.split(" "))


def test_each_tag_has_one_verdict_with_a_reason() -> None:
    policy = compile_policy(PolicySpec(SemVer("^1.2"), TagFilter("^v?[0-9](.*)")))
    tags = ["1.2.0.sig", "main", "1.2", "1.3.0-rc.1", "2.0.0-rc.1", "2.0.0", "1.2.3", "1.10.0"]
    selection = policy.select(tags)
    assert selection.verdicts.keys() == set(tags)
    assert {tag: verdict.kind for tag, verdict in selection.verdicts.items()} == {
        "1.2.0.sig": VerdictKind.EXCLUDED,
        "main": VerdictKind.NOT_MATCHED,
        "1.2": VerdictKind.NOT_A_VERSION,
        "1.3.0-rc.1": VerdictKind.PRERELEASE,
        "2.0.0-rc.1": VerdictKind.OUTSIDE_RANGE,
        "2.0.0": VerdictKind.OUTSIDE_RANGE,
        "1.2.3": VerdictKind.LOST,
        "1.10.0": VerdictKind.CHOSEN,
    }
    assert r"^.*\\.sig$" in selection.verdicts["1.2.0.sig"].reason
    assert "'^1.2'" in selection.verdicts["2.0.0"].reason
    assert "'1.10.0'" in selection.verdicts["1.2.3"].reason
    assert selection.message == "'1.10.0' is the highest version in the range '^1.2' of 2 eligible tags"


def test_of_tags_with_one_key_the_first_in_byte_order_stands_for_all() -> None:
    policy = compile_policy(PolicySpec(Numerical(), BY_TIME))
    selection = policy.select(["main-ccc-99", "main-bbb-100", "main-aaa-100-arm64", "main-aaa-100"])
    assert selection.ranked == ("main-aaa-100", "main-ccc-99")
    for tag in ("main-bbb-100", "main-aaa-100-arm64"):
        assert selection.verdicts[tag].kind is VerdictKind.SAME_KEY
        assert "main-aaa-100" in selection.verdicts[tag].reason
    assert not selection.is_tie
    assert policy.compare("main-aaa-100", "main-bbb-100") == 0


@pytest.mark.parametrize(
    ("choice", "tags", "chosen", "is_tie"),
    [
        pytest.param(SemVer("*"), "1.0.0 v1.0.0", "1.0.0", True, id="equal-versions"),
        pytest.param(SemVer("*"), "1.0.0 v1.0.0 1.0.1", "1.0.1", False, id="equal-versions-below-the-best"),
        pytest.param(Numerical(), "1 1.0", "1.0", True, id="equal-numbers"),
        pytest.param(Numerical(), "nan 5 7", "nan", True, id="nan"),
        pytest.param(Numerical(), "nan", "nan", False, id="nan-alone"),
        pytest.param(Alphabetical(), "1 1.0", "1.0", False, id="texts-are-never-equal"),
    ],
)
def test_where_flux_is_random_the_choice_is_fixed_and_said_to_be_a_tie(
    *, choice: Choice, tags: str, chosen: str, is_tie: bool
) -> None:
    selection = compile_policy(PolicySpec(choice, TagFilter(".*"))).select(tags.split())
    assert (selection.tag, selection.is_tie) == (chosen, is_tie)


def test_one_key_that_is_no_number_fails_a_numerical_policy() -> None:
    policy = compile_policy(PolicySpec(Numerical()))
    selection = policy.select(["0", "1a", "12"])
    assert selection.error is SelectionError.INVALID_TAG
    assert (selection.tag, selection.ranked) == (None, ())
    assert "'1a'" in selection.message
    assert selection.verdicts["1a"].kind is VerdictKind.NOT_A_NUMBER
    assert selection.verdicts["12"].kind is VerdictKind.LOST
    assert policy.compare("12", "0") == 1
    assert policy.compare("12", "1a") is None


@pytest.mark.parametrize("choice", [SemVer("*"), Alphabetical(), Numerical()])
@pytest.mark.parametrize("tag_filter", [None, TagFilter("^never$", "$1")])
def test_no_eligible_tag_is_no_match(choice: Choice, tag_filter: TagFilter | None) -> None:
    policy = compile_policy(PolicySpec(choice, tag_filter))
    nothing = policy.select([])
    assert (nothing.tag, nothing.error, nothing.message) == (None, SelectionError.NO_MATCH, "no tag is known")
    signatures = policy.select(["1.0.0.sig", "1.sig"])
    assert signatures.error is SelectionError.NO_MATCH
    assert signatures.message == "no tag is eligible: 2 excluded"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param(PolicySpec(SemVer("")), "range ''", id="empty-range"),
        pytest.param(PolicySpec(SemVer("1 || latest")), "at ' latest'", id="bad-group"),
        pytest.param(PolicySpec(Alphabetical("newest")), "order 'newest'", id="alphabetical-order"),
        pytest.param(PolicySpec(Numerical("UP")), "write asc or desc", id="numerical-order"),
        pytest.param(PolicySpec(Alphabetical(), TagFilter("^test-(.*")), "missing \\)|missing closing", id="pattern"),
        pytest.param(PolicySpec(Alphabetical(), TagFilter("x", "$0" * 33)), "more than 32 groups", id="template"),
        pytest.param(PolicySpec(Alphabetical(), TagFilter("x", "y" * 2_000)), "longer than 1000", id="long-template"),
        pytest.param(PolicySpec(Alphabetical(), exclusion_list=("a", "(")), "pattern '\\('", id="exclusion"),
        pytest.param(PolicySpec(Alphabetical(), exclusion_list=("a",) * 26), "26 patterns", id="many-exclusions"),
    ],
)
def test_a_policy_that_flux_refuses_is_refused_with_what_is_wrong(spec: PolicySpec, words: str) -> None:
    with pytest.raises(InvalidPolicy, match=words) as refusal:
        compile_policy(spec)
    assert isinstance(refusal.value, Invalid)


@pytest.mark.parametrize(
    ("choice", "left", "right", "expected"),
    [
        pytest.param(SemVer("^1"), "1.2.0", "1.10.0", -1, id="lower"),
        pytest.param(SemVer("^1"), "1.10.0", "1.2.0", 1, id="higher"),
        pytest.param(SemVer("^1"), "v1.2.0", "1.2.0", 0, id="the-same-version"),
        pytest.param(SemVer("^1"), "1.2.0", "2.0.0", None, id="outside-the-range"),
        pytest.param(SemVer("^1"), "1.2.0", "1.3.0-rc.1", None, id="prerelease"),
        pytest.param(SemVer("^1"), "latest", "1.2.0", None, id="no-version"),
        pytest.param(SemVer("*"), "1.2.0.sig", "1.2.0", None, id="excluded"),
        pytest.param(Alphabetical("desc"), "a", "b", 1, id="alphabetical-desc"),
        pytest.param(Alphabetical(), "a", "b", -1, id="alphabetical"),
        pytest.param(Numerical("desc"), "9", "10", 1, id="numerical-desc"),
        pytest.param(Numerical(), "1e1", "10", 0, id="equal-numbers"),
        pytest.param(Numerical(), "nan", "10", None, id="nan-has-no-place"),
        pytest.param(Numerical(), "nan", "nan", None, id="nan-not-even-beside-itself"),
    ],
)
def test_two_tags_compare_as_the_policy_orders_them(
    choice: Choice, left: str, right: str, expected: int | None
) -> None:
    assert compile_policy(PolicySpec(choice)).compare(left, right) == expected


def test_equal_specs_have_equal_fingerprints() -> None:
    spec = PolicySpec(SemVer("^1"), TagFilter("a", "\ud800"), ("x",))
    assert spec.fingerprint() == PolicySpec(SemVer("^1"), TagFilter("a", "\ud800"), ("x",)).fingerprint()
    others = [PolicySpec(SemVer("^1")), PolicySpec(Alphabetical()), PolicySpec(Numerical())]
    assert len({each.fingerprint() for each in [spec, *others]}) == 4


def _cases() -> Iterator[dict[str, str | list[str] | None]]:
    with CASES.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _answer(case: dict[str, str | list[str] | None]) -> tuple[str | None, str | None]:
    tag_filter = TagFilter(str(case["pattern"]), str(case.get("extract", ""))) if "pattern" in case else None
    try:
        policy = compile_policy(PolicySpec(_choice(case), tag_filter))
    except InvalidPolicy:
        return None, "invalid-policy"
    selection: Selection = policy.select(case["tags"] or ())
    return selection.tag, selection.error


def _choice(case: dict[str, str | list[str] | None]) -> Choice:
    match case["kind"]:
        case "semver":
            return SemVer(str(case["range"]))
        case "alphabetical":
            return Alphabetical(str(case["order"]))
    return Numerical(str(case["order"]))
