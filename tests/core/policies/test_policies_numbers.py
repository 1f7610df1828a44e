"""Numbers are read as Go's ParseFloat reads them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.policies.numerical import parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(
            (text, 1.0)
            for text in ("1", "+1", "1.", "01", "1e0", "1E+0", "10e-1", "0x1p0", "0X.8P1", "0x_1p0", "0x8.p-3")
        ),
        ("-1", -1.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("00012", 12.0),
        ("1e3", 1000.0),
        ("1_000", 1000.0),
        ("1_0.0_1e0_1", 100.1),
        ("12e5", 1_200_000.0),
        ("0x1p4", 16.0),
        ("0x1_fp4", 496.0),
        ("9007199254740993", 9007199254740992.0),
        ("20240102150405", 20240102150405.0),
        ("inf", math.inf),
        ("+Inf", math.inf),
        ("-INFINITY", -math.inf),
        ("1e-999", 0.0),
        ("0x1p-99999999999", 0.0),
    ],
)
def test_a_text_is_a_number(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["nan", "NaN", "NAN"])
def test_nan_is_a_number(text: str) -> None:
    value = parse_number(text)
    assert value is not None
    assert math.isnan(value)


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "1\n", "1a", "1e", "1e+", "1,5", "0x10", "0b1", "0o7", "_1", "1_", "1__0", "1_.0", "1._0"),
        *("1e_1", "1e1_", "0x", "0xp1", "0x1p", "0x1p_1", "0x._1p1", "0x1__0p1", "0x.p1", "_0x1p1", "0_x1p1", ".", "+"),
        *(
            "-",
            "e1",
            "+nan",
            "-nan",
            "infin",
            "++1",
            "٣",
            "\uff11",
            "1e999",
            "-1e999",
            "0x1p99999",
            "\u0131nf",
            "\ud800",
            "1\x00",
        ),
    ],
)
def test_a_text_that_go_refuses_is_no_number(text: str) -> None:
    assert parse_number(text) is None


@given(st.floats(allow_nan=False))
def test_a_number_written_out_is_read_back(number: float) -> None:
    assert parse_number(repr(number)) == number
    if math.isfinite(number):
        assert parse_number(number.hex()) == number


@given(st.text(alphabet="0123456789_.eExXpPaf+-in \ud800٣", max_size=200))
def test_no_text_crashes_the_reader(text: str) -> None:
    parse_number(text)
