"""Bodies that Python's JSON reader would let pass are refused with the reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.senders.sender import Unusable
from app.senders.strict_json import read_json
from tests.senders.hostile import json_values


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"{", "not JSON", id="cut off"),
        pytest.param(b"{} {}", "not JSON", id="two values"),
        pytest.param(b"\xef\xbb\xbf{}", "not JSON", id="byte order mark"),
        pytest.param(b'"\xff"', "not UTF-8 at byte 1", id="not UTF-8"),
        pytest.param(b'{"a": 1, "a": 1}', "'a' stands twice", id="duplicate key"),
        pytest.param(b'[{"b": {"a": 1, "\\u0061": 2}}]', "'a' stands twice", id="duplicate key within, escaped"),
        pytest.param(b"[NaN]", "NaN", id="NaN"),
        pytest.param(b"-Infinity", "-Infinity", id="infinity"),
        pytest.param(b"1e999", "1e999 is too large", id="a float beyond all"),
        pytest.param(b"1" * 5000, "is too large", id="an integer of 5000 digits"),
        pytest.param(b"[" * 65 + b"]" * 65, "deeper than 64", id="65 arrays"),
        pytest.param(b'{"a":' * 65 + b"1" + b"}" * 65, "deeper than 64", id="65 objects"),
        pytest.param(b"[" * 200_000, "deeper than 64", id="200000 arrays"),
        pytest.param(b'"\\ud800"', "half a surrogate", id="lone surrogate"),
        pytest.param(b'{"\\udc00": 1}', "half a surrogate", id="lone surrogate in a key"),
        pytest.param(b'[["a\\u0000b"]]', "U+0000", id="U+0000"),
        pytest.param(b'"' + b"x" * 1000 + b'"', "1002 bytes, and at most 1000", id="too large"),
    ],
)
def test_a_body_that_could_mean_two_things_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(Unusable) as error:
        read_json(body, most_bytes=1000 if b"x" in body else 1_000_000)
    assert problem in str(error.value)
    str(error.value).encode()


def test_what_is_just_within_the_limits_is_read() -> None:
    assert read_json(b"[" * 64 + b"]" * 64, most_bytes=128) is not None
    assert read_json(b'"\\ud83d\\ude80"', most_bytes=14) == "🚀"


@given(json_values())
def test_any_value_that_can_be_stored_is_read_back(value: object) -> None:
    assert read_json(json.dumps(value).encode(), most_bytes=10_000_000) == value


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        read_json(body, most_bytes=100)
    except Unusable as error:
        assert str(error)  # noqa: PT017 - both outcomes are right
