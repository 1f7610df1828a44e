"""Texts of a config repository in a file of rules, where they can be nothing but text."""

from app.core.manifests.text.quoting import write_double_quoted, write_plain
from app.core.unseen import printable

LONGEST_PATH = 1000
LONGEST_TOLD = 200
_CONTROLS = frozenset(map(chr, range(0x20)))


def quoted(text: str) -> str:
    """A text as YAML and as the rest of a comment, with nothing in it that breaks a line or cannot be seen.

    >>> print(quoted("apps/prod"), quoted("apps/*/prod"), quoted("a" + chr(0x2028) + "b").replace(chr(92), "/"))
    apps/prod "apps/*/prod" "a/u2028b"
    """
    if write_plain(text) == text:
        return text
    return printable(write_double_quoted(text))


def told(text: str) -> str:
    """A text for a comment, cut off where it is long."""
    return quoted(text if len(text) <= LONGEST_TOLD else f"{text[:LONGEST_TOLD]}…")


def can_be_written(path: str) -> bool:
    """Tell whether the rules take this text as a path, or a variable's value, once they have read it."""
    is_text = not any("\ud800" <= one <= "\udfff" for one in path)
    return is_text and _CONTROLS.isdisjoint(path)
