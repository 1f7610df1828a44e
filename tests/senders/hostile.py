"""Strategies for bodies that no honest sender writes."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

from tests.senders.examples import EXAMPLES, example, sender_of

_TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**63), max_value=2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    _TEXTS,
    st.sampled_from(["", "\u2028", "../..", "a" * 2000, "-x", "0001-01-01T00:00:00+05:00", "https://[", "sha256:"]),
)


def json_values() -> st.SearchStrategy[Any]:
    """Any JSON value that can be stored."""
    return st.recursive(
        _LEAVES,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
        max_leaves=12,
    )


@st.composite
def damaged_examples(draw: st.DrawFn) -> tuple[str, bytes]:
    """The kind of a sender and one of its examples with up to three parts replaced or removed."""
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
    return sender_of(file).kind, json.dumps(document).encode()
