"""Keys as 64-bit floating point numbers, read as Go reads them."""

import math
import re
from dataclasses import dataclass

from app.core.policies.verdicts import TagVerdict, VerdictKind, quoted

_DECIMAL = re.compile(r"[+-]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9][0-9_]*)?")
_HEXADECIMAL = re.compile(
    r"[+-]?0[xX](?:_?[0-9a-fA-F][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?|\.[0-9a-fA-F_]+)[pP][+-]?[0-9][0-9_]*"
)
_SPECIAL = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE | re.ASCII)
# An underscore stands between digits, or between the prefix 0x and a digit.
_STRAY_UNDERSCORE = re.compile(r"(?<![0-9])_|_(?![0-9])")
_STRAY_UNDERSCORE_IN_HEXADECIMAL = re.compile(r"(?<![0-9a-fA-FxX])_|_(?![0-9a-fA-F])")
_NOT_A_NUMBER = "no number, and one such key fails the whole policy: filter it out with filterTags"


def parse_number(text: str) -> float | None:
    """Read a number; None where Go's `strconv.ParseFloat(text, 64)` is an error, as for one that is too large.

    >>> parse_number("1_000"), parse_number(".5"), parse_number("0x1p4"), parse_number("-Inf")
    (1000.0, 0.5, 16.0, -inf)
    >>> [parse_number(text) for text in ("", " 1", "1e999", "0x10", "+nan")]
    [None, None, None, None, None]
    """
    if _DECIMAL.fullmatch(text):
        if "_" in text and _STRAY_UNDERSCORE.search(text):
            return None
        value = float(text.replace("_", ""))
        return None if math.isinf(value) else value
    if _HEXADECIMAL.fullmatch(text):
        return None if _STRAY_UNDERSCORE_IN_HEXADECIMAL.search(text) else _hexadecimal(text.replace("_", ""))
    return float(text) if _SPECIAL.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class NumericalOrder:
    """Puts the largest number first, or with `is_descending` the smallest: Flux's words, whose asc picks the largest.

    Of equal numbers the one that the list has last comes first.
    """

    is_descending: bool
    is_last_first = True

    @property
    def is_largest_first(self) -> bool:
        """Tell whether the largest number is the best."""
        return not self.is_descending

    @property
    def superlative(self) -> str:
        """What the best key is."""
        return f"the {'smallest' if self.is_descending else 'largest'} number"

    def value(self, key: str) -> float | TagVerdict:
        """The number; a key that is none spoils the policy."""
        number = parse_number(key)
        return TagVerdict(VerdictKind.NOT_A_NUMBER, f"{quoted(key)} is {_NOT_A_NUMBER}") if number is None else number

    def compare(self, left: str, right: str) -> int | None:
        """Above 0 where the policy prefers `left`, 0 for equal numbers, None where either is no number or NaN."""
        left_value, right_value = parse_number(left), parse_number(right)
        if left_value is None or right_value is None or math.isnan(left_value) or math.isnan(right_value):
            return None
        difference = (left_value > right_value) - (left_value < right_value)
        return -difference if self.is_descending else difference


def _hexadecimal(text: str) -> float | None:
    try:
        return float.fromhex(text)
    except OverflowError:
        return None
