"""What became of each tag that a policy was shown, and why."""

from dataclasses import dataclass
from enum import StrEnum


class VerdictKind(StrEnum):
    """The step of the evaluation at which a tag was decided."""

    EXCLUDED = "excluded"
    NOT_MATCHED = "not_matched"
    NOT_A_VERSION = "not_a_version"
    PRERELEASE = "prerelease"
    OUTSIDE_RANGE = "outside_range"
    NOT_A_NUMBER = "not_a_number"
    SAME_KEY = "same_key"
    LOST = "lost"
    CHOSEN = "chosen"


@dataclass(frozen=True, slots=True)
class TagVerdict:
    """What became of one tag, with a reason for people."""

    kind: VerdictKind
    reason: str


def quoted(text: str) -> str:
    r"""Show text from outside within a sentence: on one line, printable and not too long.

    >>> quoted("1.2.3"), quoted("a\nb")
    ("'1.2.3'", "'a\\nb'")
    """
    return repr(text) if len(text) <= _LONGEST_QUOTE else repr(text[:_LONGEST_QUOTE]) + "…"


_LONGEST_QUOTE = 128
