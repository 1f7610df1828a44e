"""Commits by their ids, which some forges cut short."""

SHORTEST = 12
"""The fewest digits by which a commit counts as named: what Bitbucket gives."""
WHOLE = 40


def is_same_commit(one: str, other: str) -> bool:
    """Whether two ids name one commit, where either may be cut short to twelve digits or more.

    >>> is_same_commit("0123456789ab", "0123456789ab" + "c" * 28), is_same_commit("0123", "0123" + "c" * 36)
    (True, False)
    """
    short, long = sorted((one, other), key=len)
    return one == other or (len(short) >= SHORTEST and long.startswith(short))
