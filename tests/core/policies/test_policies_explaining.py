"""Each tag's verdict is told with the very thing that decided, however many tags there are."""

import json
from datetime import timedelta
from time import process_time

import pytest
from hypothesis import given

from app.core.policies.selection import InvalidPolicy, VerdictKind, compile_policy
from app.core.policies.spec import Alphabetical, Choice, Numerical, PolicySpec, SemVer, TagFilter
from app.core.policies.stored import read_spec
from app.core.policies.telling.explaining import MOST_ON_A_SIDE, MOST_UNPLACED, ExplainedSelection, explain
from tests.core.policies.test_policies_warnings import SPECS, TAGS

RANGE = SemVer(">=1.0.0 <2.0.0")


def _explained(spec: PolicySpec, tags: list[str], asked: str | None = None) -> ExplainedSelection:
    return explain(spec, compile_policy(spec).select(tags), asked=asked)


@pytest.mark.parametrize(
    ("spec", "tag", "kind", "reason"),
    [
        pytest.param(
            PolicySpec(RANGE, exclusion_list=("alpha", "beta$")),
            "1.5.0-beta",
            VerdictKind.EXCLUDED,
            "excluded by 'beta$' of the exclusionList",
            id="which exclusion",
        ),
        pytest.param(
            PolicySpec(RANGE),
            "1.5.0.sig",
            VerdictKind.EXCLUDED,
            r"excluded by '^.*\\.sig$' of Flux's default exclusionList",
            id="the default exclusion",
        ),
        pytest.param(
            PolicySpec(RANGE, TagFilter("^v")),
            "1.5.0",
            VerdictKind.NOT_MATCHED,
            "does not match the pattern '^v' of filterTags",
            id="which pattern",
        ),
        pytest.param(
            PolicySpec(RANGE),
            "1.5.0-rc.1",
            VerdictKind.PRERELEASE,
            "kept out by '>=1.0.0', which names none: write '>=1.0.0-0' to let them in",
            id="which comparator bars a prerelease",
        ),
        pytest.param(
            PolicySpec(SemVer("<2.0.0")),
            "1.5.0-rc.1",
            VerdictKind.PRERELEASE,
            "kept out by '<2.0.0', which names none: write '>=0.0.0-0' before it to let them in",
            id="an upper bound alone bars a prerelease",
        ),
        pytest.param(
            PolicySpec(SemVer(">=3.0.0-0 || ^1.2")),
            "1.5.0-rc.1",
            VerdictKind.PRERELEASE,
            "kept out by '^1.2'",
            id="which group bars a prerelease",
        ),
        pytest.param(
            PolicySpec(RANGE),
            "2.0.0",
            VerdictKind.OUTSIDE_RANGE,
            "outside the range '>=1.0.0 <2.0.0': '<2.0.0' refuses it",
            id="which comparator refuses",
        ),
        pytest.param(
            PolicySpec(SemVer("^1 || ^3")),
            "2.0.0",
            VerdictKind.OUTSIDE_RANGE,
            "'^1' and '^3' refuse it",
            id="which comparator of each group refuses",
        ),
        pytest.param(
            PolicySpec(Numerical(), TagFilter("^v(.*)$", "$1")),
            "vx",
            VerdictKind.NOT_A_NUMBER,
            "'x' is no number",
            id="no number",
        ),
    ],
)
def test_a_verdict_names_what_decided(spec: PolicySpec, tag: str, kind: VerdictKind, reason: str) -> None:
    found = _explained(spec, [tag], asked=tag).asked
    assert found is not None
    assert found.kind is kind
    assert reason in found.reason


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        pytest.param("1.2", "two dots", id="two numbers"),
        pytest.param("v1", "two dots", id="one number"),
        pytest.param("1.2-beta5", "two dots", id="two numbers and a prerelease"),
        pytest.param("1.2.3.4", "4 numbers, and Flux takes three", id="four numbers"),
        pytest.param("vv1.2.3", "no more than one small v", id="two v"),
        pytest.param("V1.2.3", "no more than one small v", id="a large V"),
        pytest.param("latest", "does not begin with a number", id="a word"),
        pytest.param("1.2.3-rc.01", "'01' begins with a zero", id="leading zero"),
        pytest.param("1.2.3-rc_1", "'_' may not stand in it", id="underscore in a prerelease"),
        pytest.param("1.2.3-rc..1", "a part between its dots is empty", id="empty part"),
        pytest.param("1.2.3-", "a part between its dots is empty", id="empty prerelease"),
        pytest.param("1.2.3_1", "after its numbers comes '_'", id="underscore"),
        pytest.param("1.0.0p", "after its numbers comes 'p'", id="letter"),
        pytest.param("18446744073709551616.0.0", "above 18446744073709551615", id="too large a number"),
        pytest.param("1.2.3-" + "a" * 300, "longer than 256", id="too long"),
        pytest.param("", "does not begin with a number", id="empty"),
    ],
)
def test_why_a_tag_is_no_version_is_told(tag: str, why: str) -> None:
    found = _explained(PolicySpec(SemVer("*")), [tag], asked=tag).asked
    assert found is not None
    assert found.kind is VerdictKind.NOT_A_VERSION
    assert why in found.reason


def test_a_key_that_is_no_version_is_named() -> None:
    found = _explained(PolicySpec(SemVer("*"), TagFilter("^app-(.*)$", "$1")), ["app-1"], asked="app-1").asked
    assert found is not None
    assert found.reason == "its key '1' is no version: Flux wants two dots in it, as in 1.2.0"


def test_the_chosen_tag_stands_between_those_kept_out_and_those_that_lost() -> None:
    tags = ["1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0", "v1.1.0", "latest", "1.3.0.sig"]
    found = _explained(PolicySpec(RANGE), tags)
    assert found.chosen is not None
    assert (found.tag, found.chosen.kind, found.total) == ("v1.1.0", VerdictKind.CHOSEN, 7)
    assert [one.tag for one in found.above] == ["2.0.0", "1.2.0-rc.1"]
    assert [one.tag for one in found.below] == ["1.1.0", "1.0.0"]
    assert "equal in the policy's order" in found.below[0].reason
    assert found.below[1].reason == "lost to 'v1.1.0'"
    assert {one.tag for one in found.unplaced} == {"latest", "1.3.0.sig"}
    assert [(kind.value, count) for kind, count in found.counts.items()] == [
        ("chosen", 1),
        ("lost", 2),
        ("outside_range", 1),
        ("prerelease", 1),
        ("not_a_version", 1),
        ("excluded", 1),
    ]


@pytest.mark.parametrize(
    ("choice", "best_first"),
    [
        pytest.param(Alphabetical(), ["9", "10", "1"], id="text"),
        pytest.param(Alphabetical("desc"), ["1", "10", "9"], id="text, first"),
        pytest.param(Numerical(), ["10", "9", "1"], id="numbers"),
        pytest.param(Numerical("desc"), ["1", "9", "10"], id="numbers, smallest"),
    ],
)
def test_neighbours_stand_in_the_policy_s_own_order(choice: Choice, best_first: list[str]) -> None:
    found = _explained(PolicySpec(choice), ["9", "10", "1"])
    assert [found.tag, *(one.tag for one in found.below)] == best_first


def test_where_nothing_is_chosen_the_best_are_shown() -> None:
    found = _explained(PolicySpec(RANGE), [f"{major}.0.0" for major in range(2, 40)])
    assert (found.tag, found.chosen, found.above) == (None, None, ())
    assert [one.tag for one in found.below][:2] == ["39.0.0", "38.0.0"]
    assert "38 outside range" in found.message


def test_a_tag_that_was_not_shown_to_the_policy_is_not_explained() -> None:
    assert _explained(PolicySpec(RANGE), ["1.0.0"], asked="1.1.0").asked is None


def test_a_hundred_thousand_tags_are_counted_and_the_nearest_shown() -> None:
    spec = PolicySpec(SemVer("<500.0.0"))
    tags = [f"{number % 1000}.{number // 1000}.0" for number in range(99_000)]
    tags += [f"sha-{number}" for number in range(1_000)]
    selection = compile_policy(spec).select(tags)
    before = process_time()
    found = explain(spec, selection)
    assert timedelta(seconds=process_time() - before) < timedelta(seconds=10)
    assert found.total == 100_000
    assert found.counts == {"chosen": 1, "lost": 49_499, "outside_range": 49_500, "not_a_version": 1_000}
    assert (found.tag, found.above[-1].tag, found.below[0].tag) == ("499.98.0", "500.0.0", "499.97.0")
    assert (len(found.above), len(found.below)) == (MOST_ON_A_SIDE, MOST_ON_A_SIDE)
    assert [one.tag for one in found.unplaced] == ["sha-999", "sha-998", "sha-997", "sha-996", "sha-995"]


@given(spec=SPECS, tags=TAGS)
def test_whatever_the_spec_and_tags_an_explanation_is_whole_and_bounded(spec: PolicySpec, tags: list[str]) -> None:
    try:
        selection = compile_policy(spec).select(tags)
    except InvalidPolicy:
        with pytest.raises(InvalidPolicy):
            explain(spec, compile_policy(PolicySpec(Alphabetical())).select(tags))
        return
    found = explain(spec, selection, asked=tags[0] if tags else None)
    assert sum(found.counts.values()) == found.total == len(set(tags))
    assert found.tag == (found.chosen.tag if found.chosen is not None else None)
    assert len(found.above) <= MOST_ON_A_SIDE
    assert len(found.below) <= MOST_ON_A_SIDE
    assert len(found.unplaced) <= MOST_UNPLACED * len(VerdictKind)
    shown = [*found.above, *filter(None, [found.chosen]), *found.below, *found.unplaced]
    assert len({one.tag for one in shown}) == len(shown)
    assert {one.tag for one in shown} <= set(tags)
    for one in filter(None, [*shown, found.asked]):
        assert one.kind is selection.verdicts[one.tag].kind
        assert one.reason.isprintable()
    if len(set(tags)) <= MOST_UNPLACED:
        assert {one.tag for one in shown} == set(tags)


@given(spec=SPECS)
def test_a_spec_that_was_written_down_is_read_again(spec: PolicySpec) -> None:
    assert read_spec(json.loads(spec.as_json())) == spec


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="empty"),
        pytest.param(None, id="nothing"),
        pytest.param({"kind": "SemVer", "choice": {"order": "asc"}, "filter": None, "exclusion_list": []}, id="choice"),
        pytest.param({"kind": "Other", "choice": {}, "filter": None, "exclusion_list": []}, id="kind"),
        pytest.param({"kind": "SemVer", "choice": {"range": "*"}, "filter": 1, "exclusion_list": []}, id="filter"),
        pytest.param({"kind": "SemVer", "choice": {"range": "*"}, "filter": None, "exclusion_list": [1]}, id="list"),
    ],
)
def test_what_is_no_spec_is_not_taken_for_one(document: object) -> None:
    assert read_spec(document) is None
