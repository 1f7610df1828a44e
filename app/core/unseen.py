"""What turns the direction of a text, or cannot be seen in it, and how it is written so that it can."""

import re

UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]+"
)
"""One or more such characters together, control characters and lone surrogates too."""


def printable(text: str) -> str:
    """A text from outside with what cannot be seen in it written out, and what a terminal obeys; tabs only move on.

    >>> print(printable("a" + chr(0x9B) + "b" + chr(0x3164)).replace(chr(92), "/"))
    a/x9bb/u3164
    """
    if text.isprintable() and not UNSEEN.search(text):
        return text
    return "".join(one if _is_shown(one) else one.encode("unicode_escape").decode() for one in text)


def _is_shown(one: str) -> bool:
    return one == "\t" or (one.isprintable() and not UNSEEN.fullmatch(one))
