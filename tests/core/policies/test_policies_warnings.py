"""What Flux is silent about is warned of, with the next step, and what is right is not."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.policies.patterns import Pattern
from app.core.policies.selection import InvalidPolicy, compile_policy
from app.core.policies.spec import Alphabetical, Choice, Numerical, PolicySpec, SemVer, TagFilter
from app.core.policies.telling.anchors import Anchors, anchors_of
from app.core.policies.telling.warnings import PolicyWarning, WarningKind, warn
from tests.core.policies.test_policies_laws import LISTS

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BY_TIME = TagFilter("^main-[a-f0-9]+-(?P<ts>[0-9]+)$", "$ts")
SECONDS = ["main-a1-1763700000", "main-b2-1763710000", "main-c3-1763720000"]


def _warnings(
    spec: PolicySpec, tags: Sequence[str] | None = None, digest_reflection: str | None = "Never"
) -> dict[WarningKind, str]:
    seen = None if tags is None else (compile_policy(spec).select(tags), NOW)
    found = warn(spec, place="images/app.yaml", digest_reflection=digest_reflection, seen=seen)
    assert all(one.place == "images/app.yaml" for one in found)
    return {one.kind: one.message for one in found}


@pytest.mark.parametrize(
    ("spec", "kind", "said"),
    [
        pytest.param(
            PolicySpec(SemVer("*"), TagFilter("v(.*)")),
            WarningKind.UNANCHORED_PATTERN,
            "add ^ at its start",
            id="pattern without a start",
        ),
        pytest.param(
            PolicySpec(Alphabetical(), TagFilter("^main-([0-9]+)", "$1")),
            WarningKind.UNANCHORED_PATTERN,
            "add $ at its end",
            id="pattern without an end",
        ),
        pytest.param(
            PolicySpec(Alphabetical(), TagFilter("main", "")),
            WarningKind.UNANCHORED_PATTERN,
            "add ^ at its start and $ at its end",
            id="pattern without either",
        ),
        pytest.param(
            PolicySpec(Alphabetical(), TagFilter("^(?P<ts>[0-9]+)$", "$tsx")),
            WarningKind.UNKNOWN_GROUP,
            "there are ${ts}, ${1}",
            id="unknown group",
        ),
        pytest.param(
            PolicySpec(Alphabetical(), TagFilter("^([0-9]+)_([0-9]+)$", "$1_$2")),
            WarningKind.UNKNOWN_GROUP,
            "names the group '1_'",
            id="underscore that belongs to the name",
        ),
        pytest.param(
            PolicySpec(Alphabetical(), TagFilter("", "$ts")),
            WarningKind.UNKNOWN_GROUP,
            "it has no groups",
            id="extract without a pattern",
        ),
        pytest.param(PolicySpec(Numerical()), WarningKind.NUMERICAL_WITHOUT_FILTER, "filterTags", id="numerical"),
        pytest.param(
            PolicySpec(Numerical(), TagFilter("", "$0")),
            WarningKind.NUMERICAL_WITHOUT_FILTER,
            "filterTags",
            id="numerical with an empty pattern",
        ),
        pytest.param(
            PolicySpec(SemVer(">=1.0.0-rc1")), WarningKind.PRERELEASE_WITHOUT_DOT, "rc.1", id="bound with rc1"
        ),
        pytest.param(
            PolicySpec(SemVer(">=1.0.0-0 <2.0.0")), WarningKind.OPEN_UPPER_BOUND, "write '<2.0.0-0'", id="upper bound"
        ),
        pytest.param(
            PolicySpec(SemVer("1.x || >=3-0, < 4")),
            WarningKind.OPEN_UPPER_BOUND,
            "'< 4-0'",
            id="upper bound in a group",
        ),
        pytest.param(PolicySpec(SemVer("^*")), WarningKind.WILDCARD_BOUND, "0.0.0 only", id="caret"),
        pytest.param(PolicySpec(SemVer("<=x")), WarningKind.WILDCARD_BOUND, "below 0.1.0", id="at most"),
        pytest.param(PolicySpec(SemVer("!=*")), WarningKind.WILDCARD_BOUND, "but 0.0.0", id="not"),
        pytest.param(
            PolicySpec(Alphabetical(), TagFilter("^latest$")),
            WarningKind.FIXED_TAG_WITHOUT_DIGEST,
            "Always",
            id="latest",
        ),
    ],
)
def test_a_spec_that_hardly_means_what_it_says_is_warned_of(spec: PolicySpec, kind: WarningKind, said: str) -> None:
    assert said in _warnings(spec)[kind]


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(PolicySpec(SemVer(">=1.0.0-0 <2.0.0-0")), id="both bounds take prereleases"),
        pytest.param(PolicySpec(SemVer(">=1.0.0 <2.0.0")), id="neither bound takes prereleases"),
        pytest.param(PolicySpec(SemVer(">=1.0.0-rc.1 || <1.0.0")), id="bounds in two groups"),
        pytest.param(PolicySpec(SemVer("*")), id="every version"),
        pytest.param(PolicySpec(SemVer("^1.x")), id="caret with a number"),
        pytest.param(PolicySpec(SemVer("*"), TagFilter("^v(?P<v>.*)$", "$v")), id="pattern with both ends"),
        pytest.param(PolicySpec(SemVer("*"), TagFilter("^(?:a-(.*)|b-(.*))$", "$1$2")), id="alternatives inside"),
        pytest.param(PolicySpec(Numerical(), TagFilter(".*-([0-9]+)$", "${1}")), id="pattern from anywhere"),
        pytest.param(PolicySpec(Alphabetical(), TagFilter("^([0-9]+)$", "$$x-$1")), id="escaped dollar"),
        pytest.param(PolicySpec(SemVer("nonsense")), id="no policy at all"),
        pytest.param(PolicySpec(Alphabetical(), TagFilter("(((")), id="no pattern at all"),
    ],
)
def test_a_spec_that_says_what_it_means_is_not_warned_of(spec: PolicySpec) -> None:
    assert _warnings(spec) == {}


@pytest.mark.parametrize("reflection", [None, "Always"])
def test_a_fixed_tag_is_right_where_its_digest_is_followed_or_unknown(reflection: str | None) -> None:
    assert _warnings(PolicySpec(Alphabetical(), TagFilter("^latest$")), digest_reflection=reflection) == {}


@pytest.mark.parametrize(
    ("choice", "tag_filter", "tags", "kind", "said"),
    [
        pytest.param(
            Numerical(),
            TagFilter("^main-([0-9]+)(?:-arm)?$", "$1"),
            ["main-100", "main-100-arm"],
            WarningKind.SHARED_KEY,
            "'main-100-arm' has the same key '100' as 'main-100'",
            id="two tags with one key",
        ),
        pytest.param(
            Numerical(),
            TagFilter("^([0-9]+)$", "$1"),
            ["20240102150405999", "20240102150405998"],
            WarningKind.LARGE_NUMBER,
            "2^53, where Flux's numbers have lost their last digits and neighbours are equal (2 such tags)",
            id="number above 2^53",
        ),
        pytest.param(
            SemVer(">=1.0.0-0"),
            None,
            ["1.0.0-rc2", "1.0.0-rc10"],
            WarningKind.PRERELEASE_WITHOUT_DOT,
            "rc10 comes before rc2: write it with a dot, rc.2",
            id="rc2",
        ),
        pytest.param(
            SemVer("*"), None, ["1.2", "1.2.3"], WarningKind.TWO_PART_TAGS, "'1.2' has two numbers", id="two parts"
        ),
        pytest.param(
            Alphabetical(),
            BY_TIME,
            [*SECONDS, "main-d4-1863700000"],
            WarningKind.FUTURE_KEY,
            "2029-01-21 ",
            id="wrong clock, as text",
        ),
        pytest.param(
            Numerical("asc"),
            BY_TIME,
            [*SECONDS, "main-d4-1863700000"],
            WarningKind.FUTURE_KEY,
            "still to come",
            id="wrong clock, as a number",
        ),
        pytest.param(
            Alphabetical(),
            None,
            ["2026-01-01T10-00-00Z", "2027-01-01T10-00-00Z"],
            WarningKind.FUTURE_KEY,
            "2027-01-01 10:00 UTC",
            id="date and time to come",
        ),
        pytest.param(
            Alphabetical(),
            None,
            ["20261120", "20270101"],
            WarningKind.FUTURE_KEY,
            "2027-01-01",
            id="day to come",
        ),
        pytest.param(
            Numerical(),
            BY_TIME,
            [*SECONDS, "main-d4-1763700000123"],
            WarningKind.ODD_WIDTH,
            "has 13 digits",
            id="milliseconds among seconds",
        ),
        pytest.param(
            Alphabetical(),
            TagFilter("^build-([0-9]+)$", "$1"),
            ["build-9", "build-10", "build-11", "build-12"],
            WarningKind.ODD_WIDTH,
            "without leading zeros",
            id="counter without leading zeros",
        ),
    ],
)
def test_tags_that_will_surprise_are_warned_of(
    choice: Choice, tag_filter: TagFilter | None, tags: list[str], kind: WarningKind, said: str
) -> None:
    assert said in _warnings(PolicySpec(choice, tag_filter), tags)[kind]


@pytest.mark.parametrize(
    ("spec", "tags"),
    [
        pytest.param(PolicySpec(Numerical(), BY_TIME), SECONDS, id="times that are past"),
        pytest.param(PolicySpec(Numerical(), TagFilter("^([0-9]+)$")), ["98", "99", "100"], id="a counter that grows"),
        pytest.param(PolicySpec(Numerical("desc"), BY_TIME), [*SECONDS, "main-d4-1863700000"], id="the oldest wins"),
        pytest.param(PolicySpec(SemVer("*")), ["1.0.0-rc2", "1.0.0", "latest", "1"], id="rc2 that is not eligible"),
        pytest.param(PolicySpec(Alphabetical()), ["2026111923", "2026112012"], id="hours, not seconds since 1970"),
        pytest.param(PolicySpec(Alphabetical()), [], id="no tags"),
    ],
)
def test_tags_that_sort_as_meant_are_not_warned_of(spec: PolicySpec, tags: list[str]) -> None:
    assert _warnings(spec, tags) == {}


@pytest.mark.parametrize(
    ("pattern", "at_start", "at_end"),
    [
        pytest.param("", False, False, id="empty"),
        pytest.param("^a$|^b$", True, True, id="every alternative"),
        pytest.param("^a|b$", False, False, id="one end each"),
        pytest.param("(?i)(^a)(b$)", True, True, id="flags and groups"),
        pytest.param(r"\Aa\z", True, True, id="the other anchors"),
        pytest.param(r"\^a\$", False, False, id="escaped"),
        pytest.param("[^a$]", False, False, id="in a class"),
        pytest.param(r"\Q^a$\E", False, False, id="quoted"),
        pytest.param("(^a)?b$", False, True, id="optional start"),
        pytest.param(".*a.*", True, True, id="anything around"),
        pytest.param("^a.*?", True, False, id="as little as possible"),
        pytest.param("(?U)^a.*", True, False, id="greed turned round"),
    ],
)
def test_where_a_pattern_is_pinned_down_is_known(pattern: str, *, at_start: bool, at_end: bool) -> None:
    assert anchors_of(pattern) == Anchors(at_start, at_end)


_PIECES = st.sampled_from(
    [
        *"ab1-.^$|*+?()[]",
        ".*",
        ".+?",
        "(?:",
        "(?P<n>",
        "(?i)",
        "(?U)",
        r"\A",
        r"\z",
        r"\Q",
        r"\E",
        "[^a]",
        "{0,2}",
        r"\.",
    ]
)
HOSTILE_TEXTS = st.one_of(st.lists(_PIECES, max_size=12).map("".join), st.text(max_size=40))
_LINES = st.text(st.sampled_from("ab1-.$^|"), max_size=8)


@given(pattern=HOSTILE_TEXTS, text=_LINES)
def test_a_pattern_that_is_pinned_at_both_ends_matches_whole_texts_only(pattern: str, text: str) -> None:
    try:
        compiled = Pattern.compile(pattern)
    except InvalidPolicy:
        return
    if anchors_of(pattern) == Anchors(at_start=True, at_end=True) and (match := compiled.search(text)) is not None:
        assert match.group(0) == text.encode()


_CHOICES = st.one_of(
    st.builds(
        SemVer, st.one_of(st.text(max_size=20), st.from_regex(r"\A[<>=!~^]{0,2} ?[0-9x*](\.[0-9x]){0,2}(-0)?\Z"))
    ),
    st.builds(Alphabetical, st.sampled_from(["", "asc", "desc", "up"])),
    st.builds(Numerical, st.sampled_from(["", "asc", "desc", "up"])),
)
SPECS = st.builds(
    PolicySpec,
    _CHOICES,
    st.none() | st.builds(TagFilter, HOSTILE_TEXTS, st.one_of(st.text(max_size=20), HOSTILE_TEXTS)),
    st.lists(HOSTILE_TEXTS, max_size=3).map(tuple),
)
TAGS = st.one_of(LISTS, st.lists(st.from_regex(r"\A[0-9]{1,22}\Z"), max_size=8))


@given(spec=SPECS, tags=TAGS, now=st.datetimes(timezones=st.just(UTC)))
def test_no_spec_and_no_tags_make_it_stumble(spec: PolicySpec, tags: list[str], now: datetime) -> None:
    try:
        selection = compile_policy(spec).select(tags)
    except InvalidPolicy:
        assert warn(spec, place="p", digest_reflection="Never") == ()
        return
    found = warn(spec, place="p", digest_reflection="Never", seen=(selection, now))
    assert all(isinstance(one, PolicyWarning) and one.message.isprintable() for one in found)
    assert len({one.message for one in found}) == len(found)


def test_a_clock_a_little_ahead_is_not_warned_of() -> None:
    ahead = int((NOW + timedelta(hours=1)).timestamp())
    assert _warnings(PolicySpec(Numerical(), BY_TIME), [*SECONDS, f"main-d4-{ahead}"]) == {}
