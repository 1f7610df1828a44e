"""Ranges are read and answered as Masterminds/semver v3.5 does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.policies.semver_ranges import SemVerRange
from app.core.policies.spec import InvalidPolicy
from app.core.policies.versions import parse_loose_version

CANDIDATES = [
    *("0.0.0", "0.0.3", "0.0.4", "0.1.0", "0.2.3", "0.2.9", "0.3.0", "1.0.0-rc.1", "1.0.0", "1.1.0", "1.1.9"),
    *("1.2.0-beta", "1.2.0", "1.2.3-beta.1", "1.2.3", "1.2.4", "1.3.0-rc.1", "1.3.0", "2.0.0-rc.1", "2.0.0", "2.1.0"),
    *("11.0.0", "11.1.0", "11.1.1", "11.2.0", "12.0.0"),
]
STABLE = [tag for tag in CANDIDATES if "-" not in tag]
ONES = [tag for tag in STABLE if tag.startswith("1.")]
ZEROS = [tag for tag in STABLE if tag.startswith("0.")]


def _between(first: str, last: str, *, tags: list[str] = CANDIDATES) -> list[str]:
    return [tag for tag in tags if CANDIDATES.index(first) <= CANDIDATES.index(tag) <= CANDIDATES.index(last)]


@pytest.mark.parametrize(
    ("ranges", "accepted"),
    [
        (["*", "~*", ">=*", "~0.0.0", "x.1.2"], STABLE),
        (["*-0", ">=0.0.0-0", "x.1.2-0", "!=1.2-0", "!=1.2.3-0"], CANDIDATES),
        (["1", "=1", "1.x.3", "~1", "^1"], ONES),
        (["1.2", "=1.2", "1.2.x", "~1.2", "~>1.2"], ["1.2.0", "1.2.3", "1.2.4"]),
        (["1.2.3", "=1.2.3"], ["1.2.3"]),
        (["!=1"], [tag for tag in STABLE if not tag.startswith("1.")]),
        (["!=1.2", "!=1.2.x"], [tag for tag in STABLE if not tag.startswith("1.2.")]),
        (["!=1.2.3"], [tag for tag in STABLE if tag != "1.2.3"]),
        (["!=*", "!=x.1.2", ">*"], STABLE[1:]),
        ([">1"], ["2.0.0", "2.1.0", "11.0.0", "11.1.0", "11.1.1", "11.2.0", "12.0.0"]),
        ([">1.2"], _between("1.3.0", "12.0.0", tags=STABLE)),
        ([">11"], ["12.0.0"]),
        (["<=1", "=<1"], _between("0.0.0", "1.3.0", tags=STABLE)),
        (["<=1.2"], _between("0.0.0", "1.2.4", tags=STABLE)),
        (["<*"], []),
        (["<=*"], ["0.0.0", "0.0.3", "0.0.4"]),
        (["<1.x", "<1.0.0"], ZEROS),
        (["~1.2.3"], ["1.2.3", "1.2.4"]),
        (["^1.2"], ["1.2.0", "1.2.3", "1.2.4", "1.3.0"]),
        (["^1.2.3"], ["1.2.3", "1.2.4", "1.3.0"]),
        (["^0", "~0", "0", "=0", "0.x", "^0.x", "~0.x", "0.x.x"], ZEROS),
        (["^0.2", "^0.2.3"], ["0.2.3", "0.2.9"]),
        (["^0.0", "~0.0", "0.0.x"], ["0.0.0", "0.0.3", "0.0.4"]),
        (["^0.0.0", "^*"], ["0.0.0"]),
        (["^0.0.3"], ["0.0.3"]),
        (["~0.0.3"], ["0.0.3", "0.0.4"]),
        (["^1.x-0"], _between("1.0.0-rc.1", "1.3.0")),
        (["^1.2.3-beta.0"], _between("1.2.3-beta.1", "1.3.0")),
        (["~1.2.3-beta.0"], _between("1.2.3-beta.1", "1.2.4")),
        ([">=1.2.3-0", "=>1.2.3-0"], _between("1.2.3-beta.1", "12.0.0")),
        (["<2.0.0-0"], _between("0.0.0", "1.3.0")),
        ([">=1.0.0 <2.0.0-0"], _between("1.0.0", "1.3.0")),
        ([">=1.0.0-0 <2.0.0"], _between("1.0.0-rc.1", "2.0.0-rc.1")),
        (["1.0 - 2.0", "1.0.0 - 2.0.0"], _between("1.0.0", "2.0.0", tags=STABLE)),
        (["1 - 2", "1.0.0 - 2"], _between("1.0.0", "2.1.0", tags=STABLE)),
        (["1.0.0-0 - 2"], _between("1.0.0-rc.1", "2.1.0")),
        ([">=2.0.0-0 || 1.2"], ["1.2.0", "1.2.3", "1.2.4", *_between("2.0.0-rc.1", "12.0.0")]),
        (["1.2.3-beta.1"], ["1.2.3-beta.1"]),
        (["1.2 - 1.2 || 11.2 - 12"], ["1.2.0", "1.2.3", "1.2.4", "11.2.0", "12.0.0"]),
    ],
)
def test_a_range_accepts_what_flux_accepts(ranges: list[str], accepted: list[str]) -> None:
    for text in ranges:
        assert [tag for tag in CANDIDATES if _accepts(text, tag)] == accepted, text


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        (">0", "0.0.1-alpha", False),
        (">0-0", "0.0.1-alpha", False),
        (">0.0.0-0", "0.0.0-alpha", True),
        (">=0-0", "0.0.0-alpha", True),
        ("<0", "0.0.0-alpha", False),
        ("<0-z", "0.0.0-alpha", True),
        ("!=4.1-alpha", "4.1.0", True),
        ("!=4.1-alpha", "4.1.0-alpha", False),
        ("!=4.1-alpha", "4.1.1-alpha", False),
        ("~1.2.3-beta.2", "1.2.4-beta.2", True),
        ("~1.2.3-beta.2", "1.3.4-beta.2", False),
        ("^1.2.0-alpha.2", "1.2.0-alpha.1", False),
        ("^1.2.x-alpha", "1.1.1-beta1", False),
        (">= 1.0.0  <= 2.0.0-beta || > 3", "3.0.1-beta", False),
        ("1.1-3", "4.3.2", False),
        (">=1.1, <2, !=1.2.3 || > 3", "3.1.2", False),
        (">=1.1, <2, !=1.2.3 || >= 3", "3.0.0", True),
        ("<=11", "11.2.3", True),
        ("<=1.1", "1.1.9", True),
    ],
)
def test_a_pair_is_answered_as_flux_answers_it(*, text: str, version: str, expected: bool) -> None:
    assert _accepts(text, version) is expected


@pytest.mark.parametrize(
    ("text", "comparators"),
    [
        *((text, 2) for text in (">=1,<2", ">=1 ,<2", ">= 1 < 2", "1  ,  2", "12.3.34 ~1.2.3", "1.0 - 2.0", "1\t-\t2")),
        *((text, 1) for text in ("*", "x", "X", "*-0", "=>1", "=<1", "~> 1.2", "^ 1", "^v1.2", "v1.2.x", "1.0-2.0")),
        *(
            (text, 1)
            for text in ("01.2.3", "1.02.x", "1.2.3+meta", "1.*.3", "1.x.1x", "x.1|2", "1.x.99999999999999999999")
        ),
        ("1.2.3 -  2", 2),
        ("1 - 2, 3 - 4", 4),
        ("1 - 2 3 - 4", 4),
        ("1.0.0 - 2.0.0, <=2.0.0", 3),
    ],
)
def test_a_range_that_flux_reads_is_read(text: str, comparators: int) -> None:
    (group,) = SemVerRange.parse(text).groups
    assert len(group.comparators) == comparators


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 ||", "|| 1", "||", "*-*", "1.2.3-*", "1.2.3-", "1.0.0p", "1x", "x1", "-1", "a", "1|2", "1 | 2"),
        *(
            ">=1,,<2",
            ",>=1",
            ">=1,",
            ">=1<2",
            "12.3.34~ 1.2.3",
            "== 1",
            "<>1",
            "! = 1",
            "!1",
            "V1.2",
            "latest",
            "1.2.3.4",
        ),
        *(
            "1.0 -2.0",
            "1.0- 2.0",
            "1 - 2||3 - 4",
            "1 - 2 - 3",
            ">=1 - 2",
            "1.2.3-beta.01",
            "1\v2",
            "1\xa02",
            "18446744073709551616",
        ),
        *("\ud800", "1\x00", "~^1", "1.2.3 - ", "٣"),
        pytest.param("1" * 513, id="513-bytes"),
        pytest.param("||".join(["1"] * 33), id="33-groups"),
    ],
)
def test_a_range_that_flux_refuses_is_refused(text: str) -> None:
    with pytest.raises(InvalidPolicy, match="the range"):
        SemVerRange.parse(text)


def test_a_range_may_have_32_groups() -> None:
    assert len(SemVerRange.parse("||".join(["1"] * 32)).groups) == 32


@given(st.text(alphabet="0123.xX*v-+ ,|<>=!~^ab\t\ud800é", max_size=60))
def test_no_text_crashes_the_reader(text: str) -> None:
    try:
        text_range = SemVerRange.parse(text)
    except InvalidPolicy:
        return
    for version in filter(None, map(parse_loose_version, CANDIDATES)):
        assert text_range.accepts(version) <= text_range.would_accept(version)


def _accepts(text: str, tag: str) -> bool:
    version = parse_loose_version(tag)
    assert version is not None
    return SemVerRange.parse(text).accepts(version)
