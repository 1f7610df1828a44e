"""Versions are read and compared as Flux does."""

import pytest
import semver
from hypothesis import given
from hypothesis import strategies as st

from app.core.policies.versions import parse_loose_version, parse_version

_NUMBERS = st.integers(min_value=0, max_value=2**64 - 1).map(str)
_IDENTIFIERS = st.one_of(
    st.integers(min_value=0, max_value=2**64 - 1).map(str),
    st.from_regex(r"\A[0-9]{0,3}[A-Za-z-][0-9A-Za-z-]{0,4}\Z"),
)
_PRERELEASES = st.lists(_IDENTIFIERS, min_size=1, max_size=4).map(lambda parts: "-" + ".".join(parts))
_METADATA = st.from_regex(r"\A\+[0-9A-Za-z-]{1,4}(\.[0-9A-Za-z-]{1,4})?\Z")
_NEAR = st.builds(
    lambda core, rest, metadata: core + rest + metadata,
    st.sampled_from(["1.0.0", "1.0.1", "0.9.12", "18446744073709551615.0.0"]),
    st.one_of(st.just(""), _PRERELEASES),
    st.one_of(st.just(""), _METADATA),
)
_ANY = st.builds(
    lambda numbers, rest: ".".join(numbers) + rest,
    st.tuples(_NUMBERS, _NUMBERS, _NUMBERS),
    st.one_of(st.just(""), _PRERELEASES),
)
VERSIONS = st.one_of(_NEAR, _ANY)


@pytest.mark.parametrize(
    ("tag", "same_as"),
    [
        pytest.param("v1.2.3", "1.2.3", id="v"),
        pytest.param("1.2-rc.1", "1.2.0-rc.1", id="two-dots-anywhere"),
        pytest.param("1-a.b.c", "1.0.0-a.b.c", id="dots-of-the-prerelease"),
        pytest.param("1+a.b.c", "1.0.0", id="dots-of-the-metadata"),
        pytest.param("v2025.07.03", "2025.7.3", id="a-date"),
        pytest.param("01.02.03", "1.2.3", id="leading-zeros"),
        pytest.param("1.2.3+meta.01", "1.2.3", id="metadata-does-not-count"),
        pytest.param("1.2.0-x.Y.0+metadata-width-hypen", "1.2.0-x.Y.0", id="both"),
        pytest.param("0" * 200 + "1.2.3", "1.2.3", id="many-leading-zeros"),
    ],
)
def test_a_tag_is_read_as_a_version(tag: str, same_as: str) -> None:
    assert parse_version(tag) is not None
    assert parse_version(tag) == parse_version(same_as)


@pytest.mark.parametrize("tag", ["1.2.3-0a", "1.2.3--1", "1.2.3-alpine3.18", "18446744073709551615.0.0"])
def test_an_odd_tag_is_a_version_all_the_same(tag: str) -> None:
    assert parse_version(tag) is not None


@pytest.mark.parametrize(
    "tag",
    [
        *("V1.2.3", "vv1.2.3", "b1.2.3", "1.2", "v1.0", "v1", "1", "1.2-beta", "v1.2-5", "v1.2-beta5", "1-a.b"),
        *("1.2.3.4", "1.0.0.1", "1.2.3-01", "1.2.3-rc.01", "1.2.3-", "1.2.3+", "1.2.3-rc..1", "1.2.3-rc_1", "1.2.3_1"),
        *(
            "1.0.0p",
            "1.2.x",
            "latest",
            "",
            " 1.2.3",
            "1.2.3\n",
            "\nv1.2",
            "18446744073709551616.0.0",
            "1..3",
            "..",
            "٣.٣.٣",
        ),
        *("1.2.31----RC-SNAPSHOT.12.09.1--.12", "1.2.3-\ud800", "1.2.3\x00"),
        pytest.param("1.2.3-" + "a" * 251, id="257-characters"),
        pytest.param("9" * 5_000 + ".0.0", id="5000-digits"),
    ],
)
def test_a_tag_that_flux_passes_over_is_no_version(tag: str) -> None:
    assert parse_version(tag) is None


def test_a_version_may_have_256_characters() -> None:
    assert parse_version("1.2.3-" + "a" * 250) is not None


@pytest.mark.parametrize(
    "rising",
    [
        pytest.param("1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0", id="specification"),
        pytest.param("1.0.0-rc10 1.0.0-rc2", id="rc-without-a-dot-is-text"),
        pytest.param("1.0.0-rc.2 1.0.0-rc.10", id="rc-with-a-dot-is-a-number"),
        pytest.param("1.0.0-2 1.0.0-10 1.0.0--1 1.0.0-A 1.0.0-a", id="numbers-before-texts"),
        pytest.param("1.0.0-18446744073709551615 1.0.0-18446744073709551616 1.0.0-2a", id="beyond-uint64-is-text"),
    ],
)
def test_versions_rise(rising: str) -> None:
    keys = [key for key in map(parse_version, rising.split()) if key is not None]
    assert len(set(keys)) == len(rising.split())
    assert keys == sorted(keys)


@given(left=VERSIONS, right=VERSIONS)
def test_precedence_is_that_of_the_semver_package(left: str, right: str) -> None:
    left_key, right_key = parse_version(left), parse_version(right)
    assert left_key is not None
    assert right_key is not None
    ours = (left_key > right_key) - (left_key < right_key)
    assert ours == semver.Version.parse(left).compare(right)


@given(st.text(alphabet="0123456789.v-+xa_\n\ud800é", max_size=300))
def test_no_text_crashes_the_reader(text: str) -> None:
    parse_version(text)
    parse_loose_version(text)
