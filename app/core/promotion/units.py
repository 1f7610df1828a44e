"""Units: what is planned together. Each request is one, and so is what is left of each group in each stage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.core.promotion.parts import Member, Part, without_denied
from app.core.promotion.plans import Closure, Standing
from app.core.promotion.requested import plan_request
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
    placed = [replace(one, group=group, open_one=open_one) for one in members]
    by_name = {one.name: one for one in placed}
    parts = [without_denied(by_name[part.policy], part) for part in plan_request(state, request, placed)]
    return Unit(request.stage, group, parts, request)


def _rest(
    state: LaneState, members: Sequence[Member], index: RequestIndex, found: Mapping[str, Unit]
) -> Sequence[Part]:
    """What is left of a group, and that its pull request goes on without those of which something else was asked."""
    stage = members[0].entry.stage.name
    rest = [one for one in members if (stage, one.name) not in index.by_place]
    asked = [(one, index.by_place[stage, one.name]) for one in members if (stage, one.name) in index.by_place]
    leaving = [_leaving(one, found[request.id]) for one, request in asked if one.carried is not None]
    if not rest:
        return leaving
    is_bound = state.rules.group_of(rest[0].policy.name, stage).together is not Together.ANY
    if asked and is_bound:
        return [*(_after(one, asked[0][1]) for one in rest), *leaving]
    return [*plan_group(state, rest), *leaving]


def _leaving(member: Member, unit: Unit) -> Part:
    """A member leaves what is open for its group, unless what was asked for is held, under which nothing is closed."""
    is_held = any(one.standing is Standing.HELD for part in unit.parts for one in part.outcomes)
    if is_held or member.open_one is None or unit.request is None:
        return Part(member.name, ())
    return Part(member.name, (), closure=Closure(member.open_one.number, _taken_words(unit.request)))


def _after(member: Member, request: Request) -> Part:
    reason = f"its group moves as one, and something else comes first: {request.asked}"
    return member.part(replace(member.said, standing=Standing.WAITING, reason=reason, is_by_group=True))


def _taken_words(request: Request) -> str:
    return f"something else takes its place: {request.asked}"
