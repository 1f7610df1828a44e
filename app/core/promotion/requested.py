"""What should become of a request: all its members move at once, asked what a request has to be asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.core.promotion.downward import Downward
from app.core.promotion.gates.answers import Asked, GateAnswer, GateAnswers, Verdict, alone
from app.core.promotion.holds import Hold
from app.core.promotion.parts import THERE, Member, Part, held_outcome, kept_back_part, move_to, proposed_outcome
from app.core.promotion.plans import Closure, Outcome, Standing
from app.core.promotion.requests import Request, Target
from app.core.promotion.rules import Rules, Stage
from app.core.promotion.state import FieldState, LaneState, PolicyState
from app.core.promotion.tags import TagState, is_admissible
from app.core.promotion.walk import Passed, ask, ask_gates, is_there, order_in, there

_CATALOGUE = "registry"


@dataclass(frozen=True, slots=True)
class _Answer:
    """How one member stands to what was asked for it: passing, held, stuck, or with what its gates say."""

    member: Member
    target: Target
    found: Passed | GateAnswers | Hold | Part

    @property
    def is_ready(self) -> bool:
        """Whether nothing is against it: it passes, or is there."""
        return isinstance(self.found, Passed)

    @property
    def weight(self) -> int:
        """What decides for all comes first, as in groups: what stops any tag, a hold, a refusal, what waits."""
        match self.found:
            case Part():
                return 0
            case Hold():
                return 1
            case GateAnswers():
                return 2 if self.found.verdict is Verdict.FAIL else 3
            case Passed():
                return 4

    @property
    def is_final(self) -> bool:
        """Whether it is refused, or cannot be written, and does not only wait."""
        return isinstance(self.found, Part) or (
            isinstance(self.found, GateAnswers) and self.found.verdict is Verdict.FAIL
        )

    @property
    def reason(self) -> str:
        """Why it is not ready."""
        match self.found:
            case Hold():
                return f"held: {self.found.words}"
            case GateAnswers():
                return self.found.reason
            case Part():
                return self.found.outcomes[0].reason
            case Passed():
                return ""


def plan_request(state: LaneState, request: Request, members: Sequence[Member]) -> Sequence[Part]:
    """Plan what was asked for: all of its members, as they are with the digests that were asked for, or none."""
    asked = list(_pairs(request, members))
    lost = sorted(request.policies - {member.name for member, _ in asked})
    if lost:
        return [member.part(_after_lost(request, member, target, lost[0])) for member, target in asked]
    unknown = [member for member, target in asked if _needs_all(member.policy, target)]
    if unknown:
        return [Part(member.name, (), needs_all=member in unknown) for member, _ in asked]
    answers = [_Answer(member, target, answer_of(state.rules, request, member, target)) for member, target in asked]
    against = min((one for one in answers if not one.is_ready), key=lambda one: one.weight, default=None)
    return [_part(request, one, against) for one in answers]


def _pairs(request: Request, members: Sequence[Member]) -> Iterator[tuple[Member, Target]]:
    for member in members:
        target = request.target_of(member.name)
        if target is not None:
            yield member, target


def with_asked_digest(member: Member, target: Target | None) -> Member:
    """The member where the digest that was asked for is written beside the tag."""
    return member if target is None else replace(member, policy=_with_asked(member.policy, target))


def _with_asked(policy: PolicyState, target: Target) -> PolicyState:
    return policy if target.digest is None else replace(policy, asked_digests={target.tag: target.digest})


def _needs_all(policy: PolicyState, target: Target) -> bool:
    """Whether more of its tags have to be known to say anything of what was asked for."""
    is_whole = policy.selection is None or policy.selection.is_whole
    return target.tag not in policy.tags and not is_whole


def answer_of(rules: Rules, request: Request, member: Member, target: Target) -> Passed | GateAnswers | Hold | Part:
    """How a member, with the digest that was asked for, stands to what was asked of it.

    It passes, or has it; else what its gates say, the freeze that it is under, or what stands in the way of any tag.
    """
    policy, entry = member.policy, member.entry
    if request.is_rollback and policy.waits_for is not None:
        # Its manifest was asked for when somebody asked for it: a list that is not there yet says no more.
        policy = replace(policy, waits_for=None)
    kept_back = kept_back_part(rules, replace(member, policy=policy))
    if kept_back is not None:
        return kept_back
    if is_target_there(policy, member.fields, request, target):
        return there(tag_of(policy, request, target))
    freeze = entry.stops(policy).freeze_of(request.id)
    if freeze is not None and not request.is_rollback:
        return freeze
    return ask_for(replace(member, policy=policy), request, target)


def is_target_there(policy: PolicyState, fields: Sequence[FieldState], request: Request, target: Target) -> bool:
    """Tell whether these fields have what was asked for."""
    known = tag_of(policy, request, target)
    asked = _with_asked(replace(policy, tags={**policy.tags, target.tag: known}), target)
    return bool(fields) and is_there(asked, fields, target.tag)


def tag_of(policy: PolicyState, request: Request, target: Target) -> TagState:
    """What is known of the tag that was asked for, with the digest that was asked for."""
    known = policy.tags.get(target.tag) or TagState(tag=target.tag, digest=target.digest, first_seen_at=request.since)
    if request.is_rollback and target.was_there:
        # It was shown when it was asked for; what lists lack since shows in `is_gone`.
        known = replace(known, unshown=None)
    return replace(known, digest=target.digest or known.digest)


def ask_for(member: Member, request: Request, target: Target) -> Passed | GateAnswers:
    """Ask all that has a say about a tag that a person asked for: who denied it, the registry, fields and gates."""
    policy, known = member.policy, tag_of(member.policy, request, target)
    refusal = _refusal(known, request)
    if refusal is not None:
        return alone(_CATALOGUE, GateAnswer(Verdict.FAIL, refusal))
    answers = excused(ask_gates(policy, member.fields, member.entry, known), request, target, member.entry.stage)
    found = ask(policy, member.fields, member.entry, known, answers=answers)
    if isinstance(found, GateAnswers):
        return found
    return replace(found, downward=_downward(member, request, target))


def _refusal(known: TagState, request: Request) -> str | None:
    if known.is_gone and known.doubt is None:
        return f"{known.tag} is gone from the registry"
    if not is_admissible(known) and not request.is_forced:
        return f"only builds of change requests, or of our own branches, made {known.tag}"
    return None


def excused(answers: GateAnswers, request: Request, target: Target, stage: Stage) -> GateAnswers:
    """The answers, where those of gates do not count that a request need not pass: all of a forced one."""
    gates = dict(stage.requires)

    def counts(one: Asked) -> bool:
        gate = gates.get(one.gate)
        if gate is None:
            return True
        is_back = request.is_rollback and target.was_there
        return not request.is_forced and (not is_back or gate.counts_in_rollbacks)

    return GateAnswers(tuple(replace(one, counts=counts(one)) for one in answers.every))


def _downward(member: Member, request: Request, target: Target) -> Downward | None:
    """That it goes below what is in Git, as the policy orders it, because a person asked."""
    order = order_in(member.policy, member.fields)
    above = (one.own_tag for one in member.fields if one.own_tag is not None)
    if order is None:
        return None
    from_tag = next((tag for tag in above if (order.precedence(tag, target.tag) or 0) > 0), None)
    return None if from_tag is None else Downward(from_tag, request.asked)


def _part(request: Request, one: _Answer, against: _Answer | None) -> Part:
    member, target = one.member, one.target
    said = replace(member.said, tag=target.tag, digest=target.digest, request=request.id)
    if isinstance(one.found, Passed) and not one.found.changes:
        outcome = replace(said, standing=Standing.CURRENT, reason=f"the stage has it; {request.asked}")
        is_there_too = member.carrying is not None and member.carried == target.tag
        closure = Closure(member.carrying.number, THERE, is_in_base=True) if member.carrying and is_there_too else None
        return member.part(outcome, closure=closure or _closure(request, one, against))
    if isinstance(one.found, Passed) and against is None:
        return _moving(request, one, one.found, said)
    return member.part(
        _waiting(request, one, against, said), closure=_closure(request, one, against), look_at=_look_at(one)
    )


def _moving(request: Request, one: _Answer, passed: Passed, said: Outcome) -> Part:
    move = move_to(one.member, passed, reasons=(request.asked, *_notes(request, one, passed)))
    move = replace(move, decided_at=max(move.decided_at, request.since), undoes=one.target.undoes)
    return Part(one.member.name, (proposed_outcome(move, said),), move=move)


def _notes(request: Request, one: _Answer, passed: Passed) -> Iterator[str]:
    """What people should know who merge it: what was asked or not, and what it ignores."""
    if request.is_forced:
        yield f"forced by {request.who}: the gates of entering were not asked"
    elif request.is_rollback and one.target.was_there:
        yield "the stage had it before"
    else:
        yield passed.answers.reason
    yield from ignored_by(request, one.member, passed)


def ignored_by(request: Request, member: Member, passed: Passed) -> Iterator[str]:
    """What is against a tag and does not count: gates that are only shown, and a freeze, which stops no rollback."""
    for asked in passed.answers.every:
        if not asked.counts and asked.answer.verdict is not Verdict.PASS:
            yield f"shown only, {asked.gate}: {asked.answer.reason}"
    freeze = member.entry.stops(member.policy).freeze_of(request.id)
    if freeze is not None:
        yield f"rolled back in spite of a hold: {freeze.words}"


def _after_lost(request: Request, member: Member, target: Target, lost: str) -> Outcome:
    """That a member waits for one that is no longer there, for which the request is about to end."""
    reason = f"{request.asked}; it waits for {lost} of the same request: it has no field in {request.stage}"
    said = replace(member.said, standing=Standing.WAITING, reason=reason, is_by_group=True)
    return replace(said, tag=target.tag, digest=target.digest, request=request.id)


def _waiting(request: Request, one: _Answer, against: _Answer | None, said: Outcome) -> Outcome:
    said = replace(said, is_blind=_stays(request, one, against))
    match one.found:
        case Hold():
            held = held_outcome(one.found, said, said.tag)
            return replace(held, reason=f"{request.asked}; held: {held.reason}")
        case GateAnswers():
            is_refused = one.found.verdict is Verdict.FAIL
            standing = Standing.REFUSED if is_refused else Standing.WAITING
            return replace(said, standing=standing, reason=f"{request.asked}; {one.found.reason}", answers=one.found)
        case Part():
            return replace(one.found.outcomes[0], request=request.id)
        case Passed() if against is not None:
            reason = f"{request.asked}; it waits for {against.member.name} of the same request: {against.reason}"
            return replace(said, standing=Standing.WAITING, reason=reason, is_by_group=True)
        case _:
            raise AssertionError("what passes with nothing against it moves")


def _stays(request: Request, one: _Answer, against: _Answer | None) -> bool:
    """Whether what is open stays as it is: under a hold, and where nothing is known; not what another asked for."""
    open_one, found = one.member.carrying, against.found if against is not None else one.found
    is_blind = isinstance(found, Part) and found.outcomes[0].is_blind
    if open_one is None or (open_one.ended is not None and open_one.request != request.id):
        return False
    return is_blind or isinstance(found, Hold)


def _closure(request: Request, one: _Answer, against: _Answer | None) -> Closure | None:
    """What is open gives way to what was asked for, and goes with it where that is refused."""
    open_one = one.member.carrying
    if open_one is None or _stays(request, one, against):
        return None
    if open_one.request != request.id:
        return Closure(open_one.number, open_one.ended or request.taking_words)
    return Closure(open_one.number, against.reason) if against is not None and against.is_final else None


def _look_at(one: _Answer) -> datetime | None:
    match one.found:
        case Hold():
            return one.found.until
        case GateAnswers():
            return one.found.look_at
        case _:
            return None
