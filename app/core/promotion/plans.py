"""Plans: the pull requests that should exist, those that should not, and where each policy stands."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.core.promotion.leaving import Left
from app.core.promotion.proposals import Proposal


class Standing(StrEnum):
    """Where one policy stands in one stage."""

    CURRENT = "current"
    PROPOSED = "proposed"
    WAITING = "waiting"
    REFUSED = "refused"
    HELD = "held"
    STUCK = "stuck"
    LEFT = "left to people"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the plan says of one policy in one stage, about one tag where there is one.

    `is_blind` tells that nothing could be decided, so that what is open stays as it is.
    """

    stage: str
    policy: str
    standing: Standing
    reason: str
    image: str = ""
    tag: str | None = None
    digest: str | None = None
    from_tag: str | None = None
    build_id: str | None = None
    is_blind: bool = False


@dataclass(frozen=True, slots=True)
class Closure:
    """A pull request of ours that should no longer be open; `is_in_base`: what it carries is there already."""

    number: int
    reason: str
    is_in_base: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What should be, from a lane's present state: pull requests, closures and where each policy stands.

    `put_off` are proposals that the lane's limit or `mode: observe` keeps back, or that could not be carried out, which
    `kept_back` says why. `unsettled` names the policies of which more than the chosen tag has to be known: with them in
    full the plan is to be made again.
    """

    proposals: tuple[Proposal, ...] = ()
    put_off: tuple[Proposal, ...] = ()
    closures: tuple[Closure, ...] = ()
    left: tuple[Left, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    next_look_at: datetime | None = None
    unsettled: frozenset[str] = frozenset()
    kept_back: tuple[str, ...] = ()

    def without(self, kept_back: Mapping[tuple[str, str], str]) -> "Plan":
        """What is left of it once some proposals, by stage and group, turned out not to be possible, and why."""
        return replace(
            self,
            proposals=tuple(one for one in self.proposals if (one.stage, one.group) not in kept_back),
            put_off=(*self.put_off, *(one for one in self.proposals if (one.stage, one.group) in kept_back)),
            outcomes=tuple(
                replace(one, standing=Standing.WAITING, reason=kept_back[one.stage, one.policy])
                if one.standing is Standing.PROPOSED and (one.stage, one.policy) in kept_back
                else one
                for one in self.outcomes
            ),
            kept_back=tuple(kept_back.values()),
        )
