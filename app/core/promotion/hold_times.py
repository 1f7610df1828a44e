"""When a hold ends, in the words that people write: an instant, so long from now, or a day and a time in a zone."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from app.core.errors import Invalid

_LONGEST = 64
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_FROM_NOW = re.compile(r"\+(?P<count>[0-9]{1,5})(?P<unit>[mhdw])")
_AT = re.compile(
    r"(?P<day>[a-z]+|[0-9]{4}-[0-9]{2}-[0-9]{2})[ t](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?"
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class UnreadableTime(Invalid):
    """A time is written in none of the ways in which times are taken."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:_LONGEST]!r} is no time that is understood here: write +90m, +2d, monday 08:00, tomorrow 08:00, "
            "2026-12-27 08:00 or 2026-12-27T08:00:00Z"
        )


def parse_time(text: str, *, now: datetime, zone: tzinfo) -> datetime:
    """The instant, in UTC, that a text means: days and times without an offset are those of the zone.

    A weekday is the next one whose time is still to come. Raises UnreadableTime.

    >>> now = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    >>> [f"{parse_time(text, now=now, zone=UTC):%a %d %H:%M}" for text in ("+2d", "monday 08:00", "monday 13:00")]
    ['Wed 02 12:00', 'Mon 07 08:00', 'Mon 30 13:00']
    """
    words = " ".join(text.split()).lower()
    if len(words) > _LONGEST:
        raise UnreadableTime(text)
    try:
        found = _from_now(words, now) or _at(words, now.astimezone(zone)) or _instant(words)
        return found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UnreadableTime(text) from error


def _from_now(words: str, now: datetime) -> datetime | None:
    found = _FROM_NOW.fullmatch(words)
    return now + int(found["count"]) * _UNITS[found["unit"]] if found else None


def _at(words: str, here: datetime) -> datetime | None:
    """A day and a time; where clocks are put forward or back, the later of both that it may be."""
    found = _AT.fullmatch(words)
    if found is None:
        return None
    at = time(int(found["hour"]), int(found["minute"]), int(found["second"] or 0))
    today, day = here.date(), found["day"]
    if day in {"today", "tomorrow"}:
        return _joined(today + timedelta(days=day == "tomorrow"), at, here)
    if day[0].isdigit():
        return _joined(date.fromisoformat(day), at, here)
    number = [name[:3] for name in _DAYS].index(day if day not in _DAYS else day[:3])
    next_one = today + timedelta(days=(number - today.weekday()) % 7)
    found_at = _joined(next_one, at, here)
    return found_at if found_at > here.astimezone(UTC) else _joined(next_one + timedelta(days=7), at, here)


def _joined(day: date, at: time, here: datetime) -> datetime:
    both = (datetime.combine(day, at.replace(fold=fold), tzinfo=here.tzinfo).astimezone(UTC) for fold in (0, 1))
    return max(both)


def _instant(words: str) -> datetime:
    found = datetime.fromisoformat(words.upper())
    if found.tzinfo is None:
        raise ValueError(words)
    return found


def in_words(at: datetime, zone: tzinfo) -> str:
    """An instant in UTC and, where that is another, in a zone.

    >>> in_words(datetime(2026, 12, 7, 7, 0, tzinfo=UTC), UTC)
    'Mon 2026-12-07 07:00 UTC'
    """
    told = f"{at.astimezone(UTC):%a %Y-%m-%d %H:%M} UTC"
    here = at.astimezone(zone)
    return told if zone is UTC or str(zone) == "UTC" else f"{told} ({here:%a %Y-%m-%d %H:%M} {zone})"
