"""Times as senders write them."""

import re
from datetime import MINYEAR, UTC, datetime

_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)

_OTHER_OFFSETS = re.compile(r"(?P<time>.*[0-9])(?: UTC|(?P<hours>[+-][0-9]{2})(?P<minutes>[0-9]{2}))")


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 time with 0 to 9 fraction digits, cut to microseconds, in UTC.

    Raises ValueError. Go drops trailing zeros, so the count of digits varies from event to event.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:60]!r} is no RFC 3339 time such as 2025-10-09T08:55:23Z")
    date, time, fraction, offset = match.groups()
    iso = f"{date}T{time}.{(fraction or '0')[:6]:0<6}{'+00:00' if offset in 'Zz' else offset}"
    try:
        return datetime.fromisoformat(iso).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:60]!r} names no such time") from None


def parse_moment(value: object) -> datetime | None:
    """Read a time as the registries write them; None for one that was never set, as Go writes it (year 1, 0 seconds).

    RFC 3339, also with `+0000` (Java) or ` UTC` (Ruby) in the place of the offset and a space before the time, or
    seconds since 1970 as a number. Raises ValueError.

    >>> parse_moment("2025-10-09T08:55:19.219+0000") == parse_moment("2025-10-09 08:55:19.219 UTC")
    True
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a time")  # noqa: TRY004 - pydantic turns only ValueError into a reason
    moment = parse_instant(_as_rfc_3339(value)) if isinstance(value, str) else _of_epoch(value)
    return None if moment is None or moment.year == MINYEAR else moment


def _as_rfc_3339(text: str) -> str:
    other = _OTHER_OFFSETS.fullmatch(text)
    if other is None:
        return text
    offset = f"{other['hours']}:{other['minutes']}" if other["hours"] else "Z"
    return f"{other['time'].replace(' ', 'T', 1)}{offset}"


def _of_epoch(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{seconds} seconds since 1970 are no time") from None
