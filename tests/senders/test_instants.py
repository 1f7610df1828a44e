"""RFC 3339 times with any number of fraction digits."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.senders.instants import parse_instant, parse_moment

MOMENT = datetime(2025, 10, 9, 8, 55, 19, tzinfo=UTC)


@pytest.mark.parametrize("digits", range(10))
def test_zero_to_nine_fraction_digits_are_cut_to_microseconds(digits: int) -> None:
    fraction = "." + "123456789"[:digits] if digits else ""
    expected = int("123456"[:digits].ljust(6, "0"))
    assert parse_instant(f"2025-10-09T08:55:19{fraction}Z") == MOMENT.replace(microsecond=expected)


@pytest.mark.parametrize("text", ["2025-10-09T10:55:19+02:00", "2025-10-09t08:55:19z", "2025-10-09T03:25:19.0-05:30"])
def test_offsets_become_utc(text: str) -> None:
    assert parse_instant(text) == MOMENT
    assert parse_instant(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2025-10-09",
        "2025-10-09T08:55:19",
        "2025-10-09 08:55:19Z",
        "2025-10-09T08:55:19+0000",
        "2025-10-09T08:55:19.Z",
        "2025-10-09T08:55:19.1234567890Z",
        "2025-13-09T08:55:19Z",
        "2025-10-09T24:55:19Z",
        "2025-10-09T08:55:60Z",
        "2025-10-09T08:55:19+99:00",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "٢٠٢٥-10-09T08:55:19Z",
        "2025-10-09T08:55:19Z\n",
    ],
)
def test_what_is_no_such_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no RFC 3339 time|no such time"):
        parse_instant(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_that_is_written_out_is_read_back(moment: datetime) -> None:
    assert parse_instant(moment.isoformat()) == moment


@pytest.mark.parametrize(
    "told",
    [
        1760000119,
        1760000119.0,
        "2025-10-09T08:55:19Z",
        "2025-10-09T08:55:19.000+0000",
        "2025-10-09T10:55:19.000+0200",
        "2025-10-09 08:55:19 UTC",
    ],
)
def test_registries_write_one_time_in_many_ways(told: object) -> None:
    assert parse_moment(told) == MOMENT


@pytest.mark.parametrize("told", [0, -62135596800, "0001-01-01T00:00:00Z"])
def test_a_time_that_was_never_set_is_none(told: object) -> None:
    assert parse_moment(told) is None


@pytest.mark.parametrize(
    "told", [True, None, [], "", "soon", "2025-10-09 UTC", "2025-13-09T08:55:19+0000", 10**15, 1e300]
)
def test_what_is_no_time_in_any_of_them_is_refused(told: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_moment(told)
