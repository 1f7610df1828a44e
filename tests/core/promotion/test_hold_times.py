"""When a hold ends is taken in people's words, and said back."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.core.promotion.hold_times import UnreadableTime, in_words, parse_time

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("+90m", "2026-11-30T13:30Z"),
        ("+2d", "2026-12-02T12:00Z"),
        ("+1w", "2026-12-07T12:00Z"),
        ("monday 08:00", "2026-12-07T07:00Z"),
        ("Monday  13:30", "2026-11-30T12:30Z"),
        ("tue 08:00", "2026-12-01T07:00Z"),
        ("today 18:00", "2026-11-30T17:00Z"),
        ("tomorrow 08:00", "2026-12-01T07:00Z"),
        ("2026-12-27 08:00", "2026-12-27T07:00Z"),
        ("2026-12-27T08:00:00Z", "2026-12-27T08:00Z"),
        ("2026-12-27t08:00:00+05:00", "2026-12-27T03:00Z"),
        pytest.param("2027-03-28 02:30", "2027-03-28T01:30Z", id="an-hour-that-there-is-not"),
        pytest.param("2027-10-31 02:30", "2027-10-31T01:30Z", id="an-hour-that-comes-twice-ends-with-the-later"),
    ],
)
def test_a_time_is_understood(text: str, meant: str) -> None:
    assert parse_time(text, now=NOW, zone=BERLIN) == datetime.fromisoformat(meant)


def test_a_weekday_is_that_of_the_zone() -> None:
    late = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)  # Sunday, and Monday in Berlin
    assert parse_time("monday 08:00", now=late, zone=BERLIN) == datetime(2026, 11, 30, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "monday",
        "mond 08:00",
        "monday 25:00",
        "2026-02-30 08:00",
        "+2y",
        "+-2d",
        "+999999d",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31 23:59",
        "someday 08:00",
        "1" * 10_000,
        "٣٠٢٦-12-27 08:00",
    ],
)
def test_what_is_no_time_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UnreadableTime, match="write \\+90m, \\+2d, monday 08:00") as wrong:
        parse_time(text, now=NOW, zone=ZoneInfo("America/New_York"))
    assert len(str(wrong.value)) < 250


def test_what_was_understood_is_said_in_utc_and_in_the_zone() -> None:
    at = parse_time("monday 08:00", now=NOW, zone=BERLIN)
    assert in_words(at, BERLIN) == "Mon 2026-12-07 07:00 UTC (Mon 2026-12-07 08:00 Europe/Berlin)"
    assert in_words(at, ZoneInfo("UTC")) == "Mon 2026-12-07 07:00 UTC"
