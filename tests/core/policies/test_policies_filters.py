"""Patterns and templates of filterTags work as in Go."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.policies.filters import KeyFilter
from app.core.policies.patterns import Pattern
from app.core.policies.spec import InvalidPolicy, PolicyTooLarge, TagFilter

CONFORMANCE = Path(__file__).parents[2] / "conformance"
BUILD = r"^(?P<branch>[a-z]+)-(?P<sha>[a-f0-9]+)-(?P<ts>[0-9]+)"


def _key(pattern: str, extract: str, tag: str) -> str | None:
    return KeyFilter.compile(TagFilter(pattern, extract)).key(tag)


@pytest.mark.parametrize(
    ("template", "key"),
    [
        *((template, "1700000000") for template in ("$ts", "${ts}", "$3", "$1_$3")),
        *(
            (template, "")
            for template in ("$tsx", "$9", "$nope", "$01", "${01}", "$0ts", "$1000000000000", "$999999999")
        ),
        *((template, template) for template in ("$", "${ts", "${}", "${ts-}", "$-1", "const", "$²", "{ts}")),
        ("${ts}x", "1700000000x"),
        ("${1}_$3", "main_1700000000"),
        ("$1-$3", "main-1700000000"),
        ("$3.$1", "1700000000.main"),
        ("$0", "main-abc123-1700000000"),
        ("${0}!", "main-abc123-1700000000!"),
        ("$$1", "$1"),
        ("$$$1", "$main"),
        ("$ts$", "1700000000$"),
        ("$tsé-$é", "-"),
        ("$1٣", ""),
    ],
)
def test_a_template_is_expanded_as_go_expands_it(template: str, key: str) -> None:
    assert _key(BUILD, template, "main-abc123-1700000000-arm64") == key


@pytest.mark.parametrize(
    ("pattern", "extract", "keys"),
    [
        pytest.param(r"ver(\d+)", "$1", {"ver1": "1", "xver2": "2", "rel1": None}, id="searched-for"),
        pytest.param("^ver", "", {"ver1": "ver1", "rel1": None}, id="the-whole-tag-without-extract"),
        pytest.param("", "", {"a": "a", "": ""}, id="an-empty-pattern-matches"),
        pytest.param("", "$1x", {"a": ""}, id="no-groups"),
        pytest.param(r"(?P<y>\d+)_(?P<n>\d+)", "$y_$n", {"2024_7": "7"}, id="the-underscore-trap"),
        pytest.param("^(a|b)?(.*)$", "$1.$2", {"ax": "a.x", "x": ".x"}, id="optional-group"),
        pytest.param(r"(?P<a>\d)(?P<a>\d)", "$a", {"12": "1"}, id="a-name-twice"),
        pytest.param("(?P<n>x)|(?P<n>y)", "$n", {"x": "x", "y": "y"}, id="the-one-that-took-part"),
        pytest.param("(z)?(?P<n>x)|(?<n>y)(?P<m>.)", "$n$m", {"x": "x", "yq": "yq"}, id="names-among-numbers"),
        pytest.param(r"[(?P<n>](?P<n>a)\Q(?P<n>\E(?P<n>b)?", "$n", {"Pa(?P<n>b": "a"}, id="what-only-looks-like-names"),
        pytest.param(r"[]\](?P<q>]+(?P<q>1)(?P<q>2)", "$q", {"P]12": "1"}, id="brackets-in-a-class"),
        pytest.param(r"[[:alpha:](?P<q>]+(?P<q>1)(?P<q>2)", "$q", {"P12": "1"}, id="a-named-class"),
        pytest.param("a|ab", "$0", {"ab": "a"}, id="the-first-alternative"),
        pytest.param("(?i)k", "", {"K": "K", "\u212a": "\u212a"}, id="kelvin"),
        pytest.param(r"\d\w\s", "", {"٣aa": None, "1é ": None, "1a ": "1a "}, id="ascii-classes"),
        pytest.param(r"^a$", "", {"a": "a", "a\n": None, "b\na": None}, id="whole-text"),
        pytest.param(r"a\z", "", {"a": "a", "a\n": None}, id="end-of-text"),
        pytest.param("a{,3}", "", {"aa": None, "a{,3}": "a{,3}"}, id="a-literal-brace"),
        pytest.param(r"^\pL+$", "", {"é": "é", "1": None}, id="unicode-class"),
        pytest.param(r"(?U)a+", "$0", {"aaa": "a"}, id="ungreedy"),
        pytest.param("^.$", "$0", {"\ud800": "\ufffd", "é": "é", "\n": None}, id="one-character"),
        pytest.param("^.*$", "", {"\ud800": "\ud800"}, id="a-surrogate-stays-in-the-tag"),
        pytest.param("a\x00b", "$0", {"xa\x00b": "a\x00b"}, id="nul"),
    ],
)
def test_a_pattern_matches_as_in_go(pattern: str, extract: str, keys: dict[str, str | None]) -> None:
    assert {tag: _key(pattern, extract, tag) for tag in keys} == keys


@pytest.mark.parametrize(
    "pattern",
    [
        *("(?=a)", "(?!a)", "(?<=a)", "(?<!a)", r"(a)\1", r"(?P<n>a)\k<n>", "(?P<n>a)(?P=n)", "(?>a)", "a++", "(?#x)"),
        *("(?x)a", r"\Z", r"\h", r"\e", r"\C", r"\u0041", "a{1001}", "(a{1000}){2}", "**", "a**", "(", ")", "[", "\\"),
        *("^test-(.*", "(?P<n", "(?P<>a)", "(?P<é>a)", "(?P<n m>a)", "\ud800", "[(?P<n>(?P<n>"),
    ],
)
def test_a_pattern_that_is_not_for_us_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPolicy, match="is no regular expression of Flux") as refusal:
        Pattern.compile(pattern)
    assert not isinstance(refusal.value, PolicyTooLarge)


@pytest.mark.parametrize(
    ("pattern", "extract"),
    [
        pytest.param("x" * 5_001, "", id="5001-characters"),
        pytest.param("(.*){900}x", "", id="a-large-program"),
        pytest.param(r"\pL{1000}", "", id="a-huge-program"),
        pytest.param("[" + r"\p{Cn}" * 700 + "]", "", id="many-large-classes"),
        pytest.param("x", "y" * 1_001, id="a-long-template"),
        pytest.param("x", "$0" * 33, id="a-template-of-many-groups"),
    ],
)
def test_what_is_too_large_for_us_is_no_fault_of_the_policy(pattern: str, extract: str) -> None:
    with pytest.raises(PolicyTooLarge, match="that is a limit of Fluxbridge, not of Flux; ") as refusal:
        KeyFilter.compile(TagFilter(pattern, extract))
    assert "no regular expression" not in str(refusal.value)


_CLASSES = [json.loads(line) for line in (CONFORMANCE / "unicode_classes.jsonl").read_text().splitlines()]


def _ascii_of(pattern: str) -> int:
    compiled = Pattern.compile(f"^(?:{pattern})$")
    return sum(1 << code for code in range(128) if compiled.search(chr(code)) is not None)


def test_a_class_of_unicode_takes_of_ascii_what_go_takes() -> None:
    assert [one["pattern"] for one in _CLASSES if _ascii_of(one["pattern"]) != int(one["takes"], 16)] == []


_NAMES = ("LC", "Cased_Letter", "ASCII", "Assigned", "Cn", "Unassigned", "Any", "Lu", "Greek", "Digit")


@given(
    name=st.sampled_from(_NAMES),
    gaps=st.lists(st.sampled_from(["", "_", "-", " "]), min_size=14, max_size=14),
    swaps=st.sets(st.integers(0, 13)),
    flags=st.sampled_from(["", "(?i)"]),
    text=st.characters(exclude_categories=["Cs"]),
)
def test_a_class_and_its_opposite_agree_in_every_spelling(
    name: str, gaps: list[str], swaps: set[int], flags: str, text: str
) -> None:
    letters = [letter.swapcase() if place in swaps else letter for place, letter in enumerate(name)]
    odd = "".join(gap + letter for gap, letter in zip(gaps, letters, strict=False))
    forms = (rf"\p{{{name}}}", rf"\p{{{odd}}}", rf"[\p{{{odd}}}]", rf"[^\P{{{odd}}}]", rf"\P{{^{odd}}}")
    opposites = (rf"\P{{{odd}}}", rf"\p{{^{odd}}}", rf"[\P{{{odd}}}]", rf"[^\p{{{odd}}}]")
    takes = [Pattern.compile(f"{flags}^{form}$").search(text) is not None for form in forms]
    leaves = [Pattern.compile(f"{flags}^{form}$").search(text) is None for form in opposites]
    assert len({*takes, *leaves}) == 1


def test_the_refusal_says_what_is_wrong() -> None:
    with pytest.raises(InvalidPolicy, match=r"'\(\?=main\)' .*invalid perl operator: \(\?="):
        Pattern.compile("(?=main)")


_SCRAPS = st.one_of(
    st.sampled_from(
        ["(?P<n>", "(?P<m>", "(?<n>", "(", ")", "[", "]", "[^", "[:alpha:]", "\\Q", "\\E", "\\", "\\d", "*"]
    ),
    st.sampled_from(["+?", "{2}", "|", "^", "$", ".", "a", "-", "1", "(?i)", "\\pL", "\ud800", "é", "\x00"]),
)
_REFERENCES = st.sampled_from(["$", "{", "}", "n", "$n", "${n}", "$1", "$0", "$$", "_", "é", "x", "\ud800"])


@given(
    pattern=st.lists(_SCRAPS, max_size=8).map("".join),
    extract=st.lists(_REFERENCES, max_size=8).map("".join),
    tag=st.text(max_size=200),
)
def test_no_filter_and_no_tag_crash(pattern: str, extract: str, tag: str) -> None:
    try:
        key_filter = KeyFilter.compile(TagFilter(pattern, extract))
    except InvalidPolicy:
        return
    key_filter.key(tag)
