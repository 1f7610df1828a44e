"""Keys by which teams sort: times and counters, and the one among them that would win for ever."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_DATED = re.compile(
    r"(?P<date>20[0-9]{2}[-.]?[0-9]{2}[-.]?[0-9]{2})(?:[T_.-]?(?P<time>[0-9]{2}(?:[-:.]?[0-9]{2}){0,2})(?:[.][0-9]+)?Z?)?"
)
_PUNCTUATION = re.compile("[-.:]")
_FORMATS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_WITH_MILLISECONDS = re.compile("20[0-9]{15}")
# Seconds, milliseconds, microseconds and nanoseconds since 1970, by how many digits they have from 2001 to 2286.
_UNITS = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A counter grows by one digit now and then; milliseconds among seconds have three more.
_ODD_NUMBER = 3


def time_in(key: str) -> datetime | None:
    """The time that a key is, where it is one that teams use: a date, a date with a time, or a time since 1970.

    >>> for key in ("1700000000", "1700000000000", "20231114", "20231114221320", "2023-11-14T22-13-20Z", "42"):
    ...     print(time_in(key))
    2023-11-14 22:13:20+00:00
    2023-11-14 22:13:20+00:00
    2023-11-14 00:00:00+00:00
    2023-11-14 22:13:20+00:00
    2023-11-14 22:13:20+00:00
    None
    """
    if not key.isascii():
        return None
    if _WITH_MILLISECONDS.fullmatch(key):
        return _dated(key[:14])
    found = _DATED.fullmatch(key)
    dated = _dated(_PUNCTUATION.sub("", found["date"] + (found["time"] or ""))) if found else None
    if dated is None and key.isdigit() and len(key) in _UNITS and key[0] != "0":
        return _EPOCH + timedelta(seconds=int(key) // _UNITS[len(key)])
    return dated


def is_odd_width(key: str, others: Sequence[str], *, is_text: bool) -> bool:
    """Tell whether a number has another length than most of the others, so that it stands before or behind them all.

    As text one digit more or less is enough (`9` comes behind `10`); a number has to be of another magnitude.
    """
    widths = Counter(len(other) for other in others if is_digits(other))
    if not is_digits(key) or not widths:
        return False
    width, count = widths.most_common(1)[0]
    difference = abs(len(key) - width)
    return count > 1 and count * 2 > len(others) and difference >= (1 if is_text else _ODD_NUMBER)


def is_digits(key: str) -> bool:
    """Tell whether a key is a plain whole number."""
    return key.isascii() and key.isdigit()


def _dated(digits: str) -> datetime | None:
    try:
        return datetime.strptime(digits, _FORMATS[len(digits)]).replace(tzinfo=UTC)
    except (KeyError, ValueError):
        return None
