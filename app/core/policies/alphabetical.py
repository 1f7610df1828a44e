"""Keys in the order of their UTF-8 bytes: capitals before small letters, `1.0.9` after `1.0.10`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlphabeticalOrder:
    """Puts the last key first, or with `is_descending` the first: Flux's words, whose asc picks the end of the list."""

    is_descending: bool
    is_last_first = False

    @property
    def is_largest_first(self) -> bool:
        """Tell whether the last in byte order is the best."""
        return not self.is_descending

    @property
    def superlative(self) -> str:
        """What the best key is."""
        return f"the {'first' if self.is_descending else 'last'} in byte order"

    def value(self, key: str) -> str:
        """The key itself: Python compares code points, which is the order of the UTF-8 bytes."""
        return key

    def compare(self, left: str, right: str) -> int | None:
        """Above 0 where the policy prefers `left`, 0 for equal keys."""
        difference = (left > right) - (left < right)
        return -difference if self.is_descending else difference
