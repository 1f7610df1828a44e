"""What may have been meant by a name that there is not: names are compared for likeness here and nowhere else."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

_LONGEST_NAME = 200
_LIKE = 0.55
_MOST_NAMED = 20
_LAST_PART = re.compile(r"[^/:]*$")


def nearest(name: str, known: Iterable[str], *, most: int = 1) -> list[str]:
    """The names most like one, best first. Their last parts count, for the folders before them are mostly alike.

    >>> nearest("flux-system/wbe", ["flux-system/web", "flux-system/api"])
    ['flux-system/web']
    >>> nearest("flux-system/db", ["flux-system/web", "flux-system/api"])
    []
    """
    by_last: dict[str, list[str]] = {}
    for one in known:
        by_last.setdefault(_last(one), []).append(one)
    close = get_close_matches(_last(name), by_last, n=most, cutoff=_LIKE)
    return [get_close_matches(name[:_LONGEST_NAME], by_last[last], n=1, cutoff=0)[0] for last in close]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The question, or nothing where no name is like it.

    >>> did_you_mean("prod", ["production", "staging"]), did_you_mean("x", ["production"])
    ("did you mean 'production'?", '')
    """
    close = nearest(name, known)
    return f"did you mean {close[0]!r}?" if close else ""


def among(name: str, known: Collection[str]) -> str:
    """The question where there is one, and what there is.

    >>> among("prod", ["production", "staging"])
    "did you mean 'production'? There are: production, staging"
    >>> among("x", [])
    'there are none'
    """
    return among_all(did_you_mean(name, known), known)


def among_all(meant: str, known: Collection[str]) -> str:
    """The same where the question was found elsewhere."""
    if not known:
        return "there are none"
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    there = f"{', '.join(list(known)[:_MOST_NAMED])}{more}"
    return f"{meant} There are: {there}" if meant else f"there are: {there}"


def _last(name: str) -> str:
    found = _LAST_PART.search(name)
    return found[0][:_LONGEST_NAME] if found else ""
