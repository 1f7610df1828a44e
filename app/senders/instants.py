"""Times as senders write them."""

import re
from datetime import UTC, datetime

_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


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
