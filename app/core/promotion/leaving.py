"""Leave to people what they took over: a branch that they pushed to, a pull request that they gave another base."""

from dataclasses import dataclass

PUSHED = "a person pushed to this branch, so it is theirs: Fluxbridge leaves it alone from here on"
MOVED = "a person gave this pull request another base, so it is theirs: Fluxbridge leaves it alone from here on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A pull request that is left to people, who are told so once; `wanted` is what would be proposed there."""

    number: int
    stage: str
    group: str
    why: str
    wanted: str | None = None
