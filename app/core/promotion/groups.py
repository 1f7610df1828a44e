"""Groups: what moves together in a stage is one branch and one pull request, made of its policies' parts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.core.promotion.branches import branch_beside, branch_name
from app.core.promotion.leaving import PUSHED, Left, way_back
from app.core.promotion.plans import Closure, Outcome, Standing
from app.core.promotion.proposals import Move, Proposal
from app.core.promotion.rules import Stage
from app.core.promotion.state import LaneState
from app.core.promotion.units import Unit


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """The plan of one group in one stage, before the lane's limits are applied."""

    outcomes: tuple[Outcome, ...]
    proposal: Proposal | None = None
    closure: Closure | None = None
    left: Left | None = None
    look_at: datetime | None = None
    unsettled: frozenset[str] = frozenset()


def compose(state: LaneState, stage: Stage, unit: Unit, now: datetime) -> GroupPlan:
    """One pull request carries whatever of a unit moves; it goes on without a member that fails or is held."""
    unsettled = frozenset(part.policy for part in unit.parts if part.needs_all)
    if unsettled:
        return GroupPlan((), unsettled=unsettled)
    found = _together(state, stage, unit)
    looks = [part.look_at for part in unit.parts if part.look_at is not None]
    open_one = state.open_pull_request(stage=stage.name, group=unit.group)
    if unit.request is None and open_one is not None and open_one.ended is not None and open_one.left_because is None:
        reason = f"pull request {open_one.number} is closed first: {open_one.ended}"
        outcomes = _instead(found.outcomes, Standing.WAITING, reason, None)
        found = GroupPlan(outcomes, closure=Closure(open_one.number, open_one.ended))
        looks.append(now)
    theirs = _without_what_is_theirs(state, found, unit)
    return replace(theirs, look_at=min(looks, default=None))


def _together(state: LaneState, stage: Stage, unit: Unit) -> GroupPlan:
    parts = unit.parts
    open_one = state.open_pull_request(stage=stage.name, group=unit.group)
    carried = open_one.tags if open_one is not None else {}
    moves = tuple(part.move for part in parts if part.move is not None)
    staying = [part for part in parts if part.policy in carried and part.move is None and part.closure is None]
    outcomes = tuple(outcome for part in parts for outcome in part.outcomes)
    must_go = "; ".join(dict.fromkeys(part.must_go for part in parts if part.must_go is not None))
    if must_go and staying and open_one is not None:
        # What the others carry is proposed anew, each as it may be by then.
        decided = [replace(one, is_blind=False) for one in outcomes]
        said = _instead(decided, Standing.WAITING, f"pull request {open_one.number} is closed first: {must_go}", None)
        return GroupPlan(said, closure=Closure(open_one.number, must_go))
    if moves and staying and open_one is not None:
        # What the others carry cannot be written anew, nor may it be lost.
        why = staying[0].outcomes[-1].reason if staying[0].outcomes else "something else was asked for it"
        reason = f"pull request {open_one.number} also carries {staying[0].policy}, which has to stay as it is: {why}"
        return GroupPlan(_instead(outcomes, Standing.WAITING, reason, None))
    if moves:
        return GroupPlan(outcomes, proposal=_propose(state, stage, unit, moves))
    closures = [part.closure for part in parts if part.closure is not None]
    if open_one is None or staying or not closures:
        return GroupPlan(outcomes)
    reasons = dict.fromkeys(one.reason for one in closures)
    closure = Closure(open_one.number, "; ".join(reasons), is_in_base=all(one.is_in_base for one in closures))
    return GroupPlan(outcomes, closure=closure)


def _propose(state: LaneState, stage: Stage, unit: Unit, moves: tuple[Move, ...]) -> Proposal:
    return Proposal(
        stage=stage.name,
        group=unit.group,
        branch=_branch_of(state, unit),
        moves=tuple(sorted(moves, key=lambda move: str(move.policy))),
        labels=stage.labels,
        request=unit.request,
    )


def _without_what_is_theirs(state: LaneState, found: GroupPlan, unit: Unit) -> GroupPlan:
    """A place whose branch or pull request a person took over is left to them, whatever was to be done there.

    What was asked for is opened from a branch beside it.
    """
    if unit.request is not None and found.proposal is not None:
        return found
    stage, parts = unit.stage, unit.parts
    open_one = state.open_pull_request(stage=stage, group=unit.group)
    why = open_one.left_because if open_one is not None else None
    branch = _branch_of(state, unit)
    if why is None and branch in state.taken:
        why = PUSHED
    is_idle = found.proposal is None and found.closure is None
    if why is None or (is_idle and all(one.standing is Standing.STUCK or one.tag is None for one in found.outcomes)):
        return found
    number = open_one.number if open_one is not None else state.taken.get(branch)
    step = way_back(why, branch=branch, number=number)
    outcomes = list(_instead(found.outcomes, Standing.LEFT, why, step))
    for part in parts:
        carried = open_one.tags.get(part.policy) if open_one is not None else None
        if part.outcomes and carried is not None and carried not in {one.tag for one in part.outcomes}:
            said = replace(part.outcomes[0], standing=Standing.LEFT, reason=why, next_step=step)
            outcomes.append(replace(said, tag=carried, digest=None, build_id=None, request=None))
    if number is None or not any(one.standing is Standing.LEFT for one in outcomes):
        return GroupPlan(tuple(outcomes))
    moves = found.proposal.moves if found.proposal is not None else ()
    left = Left(
        number=number,
        places=tuple((stage, part.policy) for part in parts),
        why=why,
        next_step=step,
        wanted=tuple(f"{move.image}:{move.tag}" for move in moves),
    )
    return GroupPlan(tuple(outcomes), left=left)


def _instead(
    outcomes: Sequence[Outcome], standing: Standing, reason: str, next_step: str | None
) -> tuple[Outcome, ...]:
    """The same, with what would be proposed standing otherwise."""
    return tuple(
        replace(one, standing=standing, reason=reason, next_step=next_step)
        if one.standing is Standing.PROPOSED
        else one
        for one in outcomes
    )


def _branch_of(state: LaneState, unit: Unit) -> str:
    """The branch of a place: the one that its pull request is open from, else the one of its name that is free.

    A request takes none that a person took over.
    """
    stage, group, request = unit.stage, unit.group, unit.request
    open_one = state.open_pull_request(stage=stage, group=group)
    if open_one is not None and open_one.branch and (request is None or open_one.left_because is None):
        return open_one.branch
    branch = branch_name(prefix=state.prefix, base=state.base, stage=stage, group=group)
    while branch in state.lent or (request is not None and branch in state.taken):
        if branch in state.lent:
            number = state.lent[branch]
            branch = branch_beside(prefix=state.prefix, base=state.base, stage=stage, group=group, number=number)
        elif request is not None:
            group = f"{group} request {request.id}"
            branch = branch_name(prefix=state.prefix, base=state.base, stage=stage, group=group)
    return branch


def put_off(found: GroupPlan, reason: str, next_step: str) -> GroupPlan:
    """The same, with what would be proposed waiting for now."""
    return GroupPlan(_instead(found.outcomes, Standing.WAITING, reason, next_step), look_at=found.look_at)
