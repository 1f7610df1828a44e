"""Plans: the pull requests that should exist, those that should not, and where each policy stands."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.core.promotion.gates.answers import GateAnswers
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

    `is_blind` tells that nothing could be decided, so that what is open stays as it is. `next_step` is what a person
    can do where only a person can. `answers` is what each gate said of the tag. `is_by_group` tells that other members
    of its group decided, not the policy itself. `request` is the one that asked for the tag.
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
    next_step: str | None = None
    answers: GateAnswers | None = None
    is_by_group: bool = False
    request: str | None = None


@dataclass(frozen=True, slots=True)
class Closure:
    """A pull request of ours that should no longer be open; `is_in_base`: what it carries is there already.

    `put_off` says why it stays open for now.
    """

    number: int
    reason: str
    is_in_base: bool = False
    put_off: str | None = None


@dataclass(frozen=True, slots=True)
class KeptBack:
    """Why a proposal was not carried out and where its policy stands by that; `is_trouble` if people should hear."""

    reason: str
    standing: Standing = Standing.WAITING
    is_trouble: bool = True
    next_step: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What should be, from a lane's present state: pull requests, closures and where each policy stands.

    `put_off` are proposals that the lane's limit or `mode: observe` keeps back, or that could not be carried out; where
    that is trouble, `kept_back` says why. `kept_open` are closures that are put off likewise. `unsettled` names the
    policies of which more than the chosen tag has to be known: with them in full the plan is to be made again.
    """

    proposals: tuple[Proposal, ...] = ()
    put_off: tuple[Proposal, ...] = ()
    closures: tuple[Closure, ...] = ()
    kept_open: tuple[Closure, ...] = ()
    left: tuple[Left, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    next_look_at: datetime | None = None
    unsettled: frozenset[str] = frozenset()
    kept_back: tuple[str, ...] = ()

    def without(
        self, kept_back: Mapping[tuple[str, str], KeptBack], kept_open: Mapping[int, str] | None = None
    ) -> "Plan":
        """What is left of it once some proposals, by the places of their moves, and closures could not be done."""
        reasons = kept_open or {}
        undone = [one for one in self.proposals if kept_back.keys() & set(one.places)]
        waiting = [
            one
            for one in undone
            if any(kept_back[at].standing is Standing.WAITING for at in one.places if at in kept_back)
        ]
        return replace(
            self,
            proposals=tuple(one for one in self.proposals if one not in undone),
            put_off=(*self.put_off, *waiting),
            closures=tuple(one for one in self.closures if one.number not in reasons),
            kept_open=(
                *self.kept_open,
                *(replace(one, put_off=reasons[one.number]) for one in self.closures if one.number in reasons),
            ),
            outcomes=tuple(_kept(one, kept_back.get((one.stage, one.policy))) for one in self.outcomes),
            kept_back=tuple(dict.fromkeys(one.reason for one in kept_back.values() if one.is_trouble)),
        )


def _kept(outcome: Outcome, why: KeptBack | None) -> Outcome:
    if why is None or outcome.standing is not Standing.PROPOSED:
        return outcome
    return replace(outcome, standing=why.standing, reason=why.reason, next_step=why.next_step)
