"""Strategies for bodies that no honest sender writes."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

from tests.senders.examples import EXAMPLES, example

_TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**63), max_value=2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    _TEXTS,
    st.sampled_from(["", "\u2028", "../..", "a" * 2000, "-x", "0001-01-01T00:00:00+05:00", "https://[", "sha256:"]),
)

_ODD_BYTES = [
    b"",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"[" * 70,
    b'{"a":' * 70,
    b"\x00",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xef\xbb\xbf",
    b'"action":"push",',
    b'"tag":"9.9.9",',
    b'"type":"PUSH_ARTIFACT",',
    b"9" * 5000,
]


def json_values() -> st.SearchStrategy[Any]:
    """Any JSON value that can be stored."""
    return st.recursive(
        _LEAVES,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
        max_leaves=12,
    )


@st.composite
def torn_examples(draw: st.DrawFn) -> tuple[str, bytes]:
    """One of the examples, and its bytes cut, or with a key again, depth, or what is no JSON put in."""
    file = draw(st.sampled_from(EXAMPLES))
    body = example(file).body
    at = draw(st.integers(min_value=0, max_value=len(body)))
    inserted = draw(st.sampled_from(_ODD_BYTES) | st.binary(max_size=8))
    skipped = draw(st.integers(min_value=0, max_value=len(body) - at) | st.just(0))
    return file, body[:at] + inserted + body[at + skipped :]


@st.composite
def damaged_examples(draw: st.DrawFn) -> tuple[str, bytes]:
    """One of the examples, and its body with up to three parts replaced or removed."""
    file = draw(st.sampled_from(EXAMPLES))
    document = copy.deepcopy(json.loads(example(file).body))
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        place = document
        while place:
            key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
            if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.booleans()):
                place[key] = draw(json_values())
            else:
                del place[key]
            break
    return file, json.dumps(document).encode()
