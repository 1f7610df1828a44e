"""Leave to people what they took over: a branch that they pushed to, a pull request that they gave another base."""

from dataclasses import dataclass

PUSHED = "a person pushed to this branch, so it is theirs: Fluxbridge leaves it alone from here on"
MOVED = "a person gave this pull request another base, so it is theirs: Fluxbridge leaves it alone from here on"


def way_back(why: str, *, branch: str, number: int | None) -> str:
    """What a person can do so that something is proposed in this place again."""
    if why == MOVED:
        return f"merge or close pull request {number}"
    return f"delete the branch {branch}" + (f", or merge pull request {number}" if number is not None else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A pull request that is left to people, who are told so once; `wanted` are images that would be proposed there.

    `places` are what it is of: each a stage and a policy; `next_step` is what people can do about it.
    """

    number: int
    places: tuple[tuple[str, str], ...]
    why: str
    next_step: str
    wanted: tuple[str, ...] = ()
