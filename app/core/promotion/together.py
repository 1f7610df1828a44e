"""What should become of all that is of one group in one stage: each member by itself, or all of them as one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from app.core.promotion.parts import (
    THERE,
    Member,
    Part,
    held_outcome,
    idle_outcome,
    move_to,
    paced_words,
    plan_member,
    proposed_outcome,
    without_denied,
)
from app.core.promotion.plans import Closure, Outcome, Standing
from app.core.promotion.rules import Group, Together
from app.core.promotion.seats import Answer, Seat
from app.core.promotion.state import LaneState, OpenPullRequest
from app.core.promotion.tag_sets import AskedSet, TagSet, WalkedSets, ask_set, same_build_sets, same_tag_sets, walk_sets
from app.core.promotion.tags import deciding_build
from app.core.promotion.walk import Walk, there

_NO_SET = "what it carries is nothing that its group may move to together"
_SETTLED = {Standing.WAITING, Standing.HELD, Standing.PROPOSED}


def plan_group(state: LaneState, members: Sequence[Member]) -> Sequence[Part]:
    """Plan all that is of one group in one stage, in the order of the members."""
    first = members[0]
    group = state.rules.group_of(first.policy.name, first.entry.stage.name)
    match group.together:
        case Together.ANY:
            parts: Sequence[Part] = [plan_member(state, member) for member in members]
        case Together.SAME_TAG | Together.SAME_BUILD:
            parts = _plan_as_one(state, group, members)
        case _:
            assert_never(group.together)
    by_name = {member.name: member for member in members}
    return [without_denied(by_name[part.policy], part) for part in parts]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """What a group does: the set that it moves to, if any, and why others that would pass have to wait."""

    group: Group
    walked: WalkedSets
    wanted: AskedSet | None
    carried: AskedSet | None
    turn: str
    is_staying: bool = False
    look_at: datetime | None = None


def _plan_as_one(state: LaneState, group: Group, members: Sequence[Member]) -> Sequence[Part]:
    seats = [Seat.of(state, member) for member in sorted(members, key=lambda one: one.name)]
    sets = tuple(_sets_of(state, group, seats))
    walked = walk_sets(seats, sets)
    decided = None if walked.needs_all else _decide(state, group, seats, sets, walked)
    if decided is None:
        return [Part(seat.name, (), needs_all=not seat.is_whole) for seat in seats]
    return [_part(seat, decided) for seat in seats]


def _sets_of(state: LaneState, group: Group, seats: Sequence[Seat]) -> Iterator[TagSet]:
    if group.together is Together.SAME_TAG:
        return same_tag_sets(seats)
    return same_build_sets(seats, state.published)


def _decide(
    state: LaneState, group: Group, seats: Sequence[Seat], sets: Sequence[TagSet], walked: WalkedSets
) -> _Decided | None:
    """What is open stays until better passes, and is not too soon, if it passes still; None: more has to be known."""
    open_one, wanted = seats[0].member.open_one, walked.passed
    decided = _Decided(group=group, walked=walked, wanted=wanted, carried=None, turn=_turn(wanted))
    if open_one is None or not open_one.tags:
        return decided
    carried = _carried(seats, sets, open_one)
    decided = replace(decided, carried=carried)
    is_better = wanted is not None and (carried is None or _is_better(seats, wanted, carried))
    due_at = _due_at(state, open_one, seats[0].member.entry.now) if is_better else None
    if is_better and due_at is None:
        return decided
    if carried is None:
        tags = open_one.tags
        return decided if all(seat.is_whole or tags.get(seat.name) in {None, *seat.tags} for seat in seats) else None
    if carried.standing is Standing.PROPOSED:
        turn = _turn(carried) if due_at is None else paced_words(state, ", ".join({*carried.moves.values()}))
        return replace(decided, wanted=carried, turn=turn, look_at=due_at)
    if carried.standing is Standing.WAITING or any(one.is_blind for one in carried.deciding):
        turn = f"pull request {open_one.number} of the group stays as it is for now"
        return replace(decided, wanted=None, turn=turn, is_staying=True)
    return decided


def _is_better(seats: Sequence[Seat], one: AskedSet, other: AskedSet) -> bool:
    """Whether a set takes a member further than another one that moves it too."""
    shared = [seat for seat in seats if seat.name in one.moves and seat.name in other.moves]
    return any(_place(seat, one) < _place(seat, other) for seat in shared)


def _place(seat: Seat, one: AskedSet) -> int:
    tag = one.tags[seat.name]
    return seat.tags.index(tag) if tag in seat.tags else len(seat.tags)


def _carried(seats: Sequence[Seat], sets: Sequence[TagSet], open_one: OpenPullRequest | None) -> AskedSet | None:
    """The set that is open, as its members stand to it now: of several the first that passes and moves no more."""
    names = {seat.name for seat in seats}
    tags = {(name, tag) for name, tag in open_one.tags.items() if name in names} if open_one is not None else set()
    if not tags:
        return None
    found = [ask_set(seats, one) for one in sets if tags <= one.tags.items()]
    return min(found, key=lambda one: (one.standing is not Standing.PROPOSED, len(one.moves)), default=None)


def _due_at(state: LaneState, open_one: OpenPullRequest | None, now: datetime) -> datetime | None:
    """When what is open may be given another set; None: now."""
    if open_one is None or open_one.given_at is None or open_one.left_because is not None:
        return None
    due_at = open_one.given_at + state.update_every
    return due_at if now < due_at else None


def _turn(wanted: AskedSet | None) -> str:
    if wanted is None:
        return ""
    what = f"what {wanted.build.line} published" if wanted.build is not None else "what is open"
    return f"one release at a time: {what} comes first"


def _part(seat: Seat, decided: _Decided) -> Part:
    """One member's share: its move, or why it has none."""
    told = list(_told(seat, decided))
    looks = [answer.look_at for one in decided.walked.met if (answer := one.answers.get(seat.name)) is not None]
    look_at = min((at for at in (*looks, decided.look_at) if at is not None), default=None)
    wanted = decided.wanted.answers.get(seat.name) if decided.wanted is not None else None
    if wanted is not None and wanted.passed is not None and decided.wanted is not None:
        move = move_to(seat.member, wanted.passed)
        move = replace(move, reasons=(*move.reasons, _why_together(decided.group, decided.wanted)))
        outcomes = [one for one in told if one.tag != move.tag]
        return Part(seat.name, (*outcomes, proposed_outcome(move, seat.member.said)), move=move, look_at=look_at)
    if seat.kept_back is not None and seat.kept_back.outcomes[0].is_blind:
        return replace(seat.kept_back, look_at=look_at)
    closure = _closure(seat, decided)
    if seat.kept_back is not None:
        return replace(seat.kept_back, closure=closure or seat.kept_back.closure, look_at=look_at)
    if not any(one.standing in _SETTLED for one in told):
        told.append(idle_outcome(seat.member, _walk_of(seat, decided.walked)))
    return seat.member.part(*told, closure=closure, look_at=look_at)


def _why_together(group: Group, wanted: AskedSet) -> str:
    if wanted.build is None:
        return f"every member of the group {group.name} may have it, or has it"
    return f"{wanted.build.line} published it with all that the group {group.name} moves to"


def _walk_of(seat: Seat, walked: WalkedSets) -> Walk:
    """What a walk of the member alone would have met at its end."""
    failed = [one.answers[seat.name] for one in walked.met if seat.name in one.answers]
    if seat.tags and seat.has(seat.tags[-1]):
        return Walk(passed=there(seat.member.policy.tags[seat.tags[-1]]))
    tags = seat.member.policy.tags
    return Walk(failed=tuple((tags[one.tag], one.answers) for one in failed if one.answers is not None))


def _told(seat: Seat, decided: _Decided) -> Iterator[Outcome]:
    """What is said of each tag of a member that it would have moved to with a set, and does not."""
    told: set[str] = set()
    for one in decided.walked.met:
        own = one.answers.get(seat.name)
        if own is None or own.standing in {Standing.CURRENT, Standing.STUCK} or own.is_missing:
            continue
        if seat.kept_back is not None or own.tag in told:
            continue
        if own.hold is not None:
            yield held_outcome(own.hold, seat.member.said, own.tag)
        else:
            yield _outcome(seat, own, one, decided, is_first=not told)
        told.add(own.tag)


def _outcome(seat: Seat, own: Answer, one: AskedSet, decided: _Decided, *, is_first: bool) -> Outcome:
    known = seat.member.policy.tags[own.tag]
    said = replace(seat.member.said, tag=own.tag, digest=known.digest)
    if own.standing is one.standing and own.standing is not Standing.PROPOSED:
        build = deciding_build(seat.written(own.tag) or known) if own.standing is Standing.REFUSED else None
        build_id = build.build_id if build is not None else None
        return replace(said, standing=own.standing, reason=own.reason, answers=own.answers, build_id=build_id)
    if one.standing is Standing.PROPOSED:
        return replace(said, standing=Standing.WAITING, reason=decided.turn, is_by_group=True)
    first, more = one.deciding[0], len(one.deciding) - 1
    others = f"{first.policy}{f' and {more} more' if more else ''} of the group {decided.group.name}"
    of_it = "" if first.tag == own.tag else f"{first.tag}: "
    is_final = one.standing is Standing.REFUSED and not (first.is_missing and is_first)
    standing = Standing.REFUSED if is_final else Standing.WAITING
    verb = "is kept back by" if is_final else "waits for"
    reason = f"{own.tag} {verb} {others}: {of_it}{first.reason}"
    return replace(said, standing=standing, reason=reason, is_by_group=True)


def _closure(seat: Seat, decided: _Decided) -> Closure | None:
    """Why what is open goes, or goes on without this member; none where it stays as it is."""
    open_one, tag = seat.member.carrying, seat.member.carried
    if open_one is None or decided.is_staying:
        return None
    if tag is not None and seat.has(tag):
        return Closure(open_one.number, THERE, is_in_base=True)
    if decided.carried is None or decided.carried.standing in {Standing.PROPOSED, Standing.CURRENT}:
        return Closure(open_one.number, _NO_SET)
    first = decided.carried.deciding[0]
    return Closure(open_one.number, f"{first.policy}: {first.reason}")
