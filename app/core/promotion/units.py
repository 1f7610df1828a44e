"""Units: what is planned together. Each request is one, and so is what is left of each group in each stage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.core.promotion.parts import Member, Part, without_denied
from app.core.promotion.plans import Closure, Standing
from app.core.promotion.requested import plan_request, with_asked_digest
from app.core.promotion.requests import Request, RequestIndex
from app.core.promotion.rules import Together
from app.core.promotion.state import LaneState
from app.core.promotion.together import plan_group


@dataclass(frozen=True, slots=True)
class Unit:
    """What one pull request at most is made of; `request` is what a person asked for, where it is that."""

    stage: str
    group: str
    parts: Sequence[Part]
    request: Request | None = None


def units_of(state: LaneState, members: Mapping[tuple[str, str], Sequence[Member]]) -> Iterator[Unit]:
    """Plan all members, given by stage and group: those that a request is of with it, the others with their group."""
    index = RequestIndex.of(state.requests)
    found: dict[str, Unit] = {}
    for request in state.requests:
        its = [(group, one) for (stage, group), some in members.items() if stage == request.stage for one in some]
        its = [(group, one) for group, one in its if request.target_of(one.name) is not None]
        if its:
            group = _place(request, {group for group, _ in its}, members)
            found[request.id] = _unit(state, request, group, [one for _, one in its])
    yield from found.values()
    for (stage, group), some in members.items():
        requests = index.on(stage, (one.name for one in some))
        if all(found[one.id].group != group for one in requests):
            yield Unit(stage, group, _rest(state, some, index, found))


def _place(request: Request, groups: set[str], members: Mapping[tuple[str, str], Sequence[Member]]) -> str:
    """A request takes a group's place where it is of all its members, else one of its own: others go on beside it."""
    [first, *others] = sorted(groups)
    is_whole = not others and all(request.target_of(one.name) is not None for one in members[request.stage, first])
    return first if is_whole else request.own_place


def _unit(state: LaneState, request: Request, group: str, members: Sequence[Member]) -> Unit:
    open_one = state.open_pull_request(stage=request.stage, group=group)
    asked = [with_asked_digest(one, request.target_of(one.name)) for one in members]
    placed = [replace(one, group=group, open_one=open_one) for one in asked]
    by_name = {one.name: one for one in placed}
    parts = [without_denied(by_name[part.policy], part) for part in plan_request(state, request, placed)]
    if _is_held(parts):
        # What is open for their group stays as it is, and so do the promotions that it carries.
        staying = {one.name for one in members if one.carried is not None}
        parts = [_blind(part) if part.policy in staying else part for part in parts]
    return Unit(request.stage, group, parts, request)


def _is_held(parts: Sequence[Part]) -> bool:
    return any(one.standing is Standing.HELD for part in parts for one in part.outcomes)


def _blind(part: Part) -> Part:
    if part.closure is not None:
        return part
    return replace(part, outcomes=tuple(replace(one, is_blind=True) for one in part.outcomes))


def _rest(
    state: LaneState, members: Sequence[Member], index: RequestIndex, found: Mapping[str, Unit]
) -> Sequence[Part]:
    """What is left of a group, and that its pull request goes on without those of which something else was asked."""
    stage = members[0].entry.stage.name
    rest = [one for one in members if (stage, one.name) not in index.by_place]
    asked = [(one, index.by_place[stage, one.name]) for one in members if (stage, one.name) in index.by_place]
    leaving = [
        without_denied(one, _leaving(one, found[request.id])) for one, request in asked if one.carried is not None
    ]
    if not rest:
        return leaving
    is_bound = state.rules.group_of(rest[0].policy.name, stage).together is not Together.ANY
    if asked and is_bound:
        first = found[asked[0][1].id]
        return [*(without_denied(one, _after(one, first)) for one in rest), *leaving]
    return [*plan_group(state, rest), *leaving]


def _leaving(member: Member, unit: Unit) -> Part:
    """A member leaves what is open for its group; what a rollback takes the place of is not left open for others."""
    closure, request = _closure(member, unit), unit.request
    must_go = closure.reason if closure is not None and request is not None and request.is_rollback else None
    return Part(member.name, (), closure=closure, must_go=must_go)


def _after(member: Member, unit: Unit) -> Part:
    """A member of a group that moves as one waits, and what is open of them goes as a whole."""
    assert unit.request is not None  # noqa: S101 (what is asked of a member is a request's unit)
    closure = _closure(member, unit) if member.carrying is not None else None
    reason = f"its group moves as one, and something else comes first: {unit.request.asked}"
    is_blind = member.carrying is not None and closure is None
    said = replace(member.said, standing=Standing.WAITING, reason=reason, is_by_group=True, is_blind=is_blind)
    return member.part(said, closure=closure)


def _closure(member: Member, unit: Unit) -> Closure | None:
    """Why what is open for a group goes, or goes on without a member; none while what was asked for is held."""
    if _is_held(unit.parts) or member.open_one is None or unit.request is None:
        return None
    return Closure(member.open_one.number, unit.request.taking_words)
