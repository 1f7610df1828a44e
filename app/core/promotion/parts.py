"""What should become of one policy in one stage, before its group and the lane's limits are looked at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.core.promotion.consent import only_barred_words
from app.core.promotion.gates.answers import GateAnswers
from app.core.promotion.holds import Hold
from app.core.promotion.plans import Closure, Outcome, Standing
from app.core.promotion.present import other_image, present_tag, why_moved, why_no_tag
from app.core.promotion.proposals import Move
from app.core.promotion.rules import Rules
from app.core.promotion.state import FieldState, LaneState, OpenPullRequest, PolicyState
from app.core.promotion.tags import TagState, deciding_build
from app.core.promotion.walk import (
    Entry,
    Passed,
    Walk,
    as_written,
    ask_one,
    candidates_for,
    denied_words,
    doubt_of,
    is_there,
    walk,
)

THERE = "the base branch has this tag already"


@dataclass(frozen=True, slots=True)
class Part:
    """The plan of one policy in one stage.

    With neither a move nor a closure, what is open for it keeps what it carries. `must_go` says why the tag that is
    open for it must not stay so, whatever others of its group carry.
    """

    policy: str
    outcomes: tuple[Outcome, ...]
    move: Move | None = None
    closure: Closure | None = None
    look_at: datetime | None = None
    needs_all: bool = False
    must_go: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One policy in one stage, with its fields there and the pull request that is open for its group.

    It is asked as the stage sees it: with tags of change requests where these may enter.
    """

    policy: PolicyState
    fields: Sequence[FieldState]
    entry: Entry
    group: str
    open_one: OpenPullRequest | None

    @property
    def name(self) -> str:
        """The policy's whole name."""
        return str(self.policy.name)

    @property
    def carrying(self) -> OpenPullRequest | None:
        """The open pull request where it carries this policy; one that a person took over carries nothing."""
        is_own = self.open_one is not None and (not self.open_one.tags or self.name in self.open_one.tags)
        return self.open_one if is_own else None

    @property
    def carried(self) -> str | None:
        """The tag that the open pull request brings."""
        return self.open_one.tags.get(self.name) if self.open_one is not None else None

    @property
    def said(self) -> Outcome:
        """What is said of it in any case."""
        return Outcome(
            stage=self.entry.stage.name,
            policy=self.name,
            standing=Standing.STUCK,
            reason="",
            image=self.policy.policy.image_text,
            from_tag=present_tag(self.fields),
        )

    def part(self, *outcomes: Outcome, closure: Closure | None = None, look_at: datetime | None = None) -> Part:
        """A plan that moves nothing."""
        return Part(self.name, outcomes, closure=closure, look_at=look_at)


def without_denied(member: Member, part: Part) -> Part:
    """The same, but a denied tag does not stay open, whatever else stands in the way."""
    tag = member.carried
    denial = _denial_of(member, tag) if member.carrying and tag is not None else None
    if denial is None or member.carrying is None or part.needs_all:
        return part
    why = denied_words(denial)
    if part.move is not None or (part.closure is not None and part.closure.is_in_base):
        return replace(part, must_go=why)
    is_there_too = tag is not None and is_there(member.policy, member.fields, tag)
    closure = Closure(member.carrying.number, THERE if is_there_too else why, is_in_base=is_there_too)
    refused = replace(member.said, standing=Standing.REFUSED, reason=why, tag=tag, next_step=denial.next_step)
    own = next((one for one in part.outcomes if one.tag == tag), refused)
    told = own if own.standing is Standing.REFUSED else replace(refused, request=own.request)
    others = [replace(one, is_blind=False) for one in part.outcomes if one.tag != tag]
    said = others if is_there_too else (told, *others)
    return replace(part, outcomes=tuple(said) or part.outcomes, closure=closure, must_go=why)


def _denial_of(member: Member, tag: str) -> Hold | None:
    policy = member.policy
    unknown = TagState(tag=tag, digest=policy.proposed_digests.get(tag), first_seen_at=member.entry.now)
    written = as_written(policy, member.fields, policy.tags.get(tag, unknown))
    return member.entry.stops(policy).denial_of(written)


def plan_member(state: LaneState, member: Member) -> Part:
    """Plan one policy in one stage by itself."""
    kept_back = kept_back_part(state.rules, member)
    if kept_back is not None:
        return kept_back
    found = walk(member.policy, member.fields, member.entry)
    if found.needs_all:
        return Part(member.name, (), needs_all=True)
    if found.held is not None and found.held_tag is None:
        return member.part(replace(held_outcome(found.held, member.said), is_blind=True), look_at=found.look_at)
    if found.waiting is not None:
        return _waiting_part(member, found.waiting, found)
    if found.passed is not None and found.passed.changes:
        return _paced_part(state, member, found, found.passed) or _moving_part(member, found, found.passed)
    closure = _closure(member, found, member.carrying) if member.carrying else None
    return member.part(*_refusals(member, found), idle_outcome(member, found), closure=closure, look_at=found.look_at)


def _moving_part(member: Member, found: Walk, passed: Passed) -> Part:
    move = move_to(member, passed)
    outcomes = (*_refusals(member, found), proposed_outcome(move, member.said))
    return Part(member.name, outcomes, move=move, look_at=found.look_at)


def kept_back_part(rules: Rules, member: Member) -> Part | None:
    """What stands in the way of any tag; where a field cannot be written, also of what is open."""
    policy, said = member.policy, member.said
    claims = [one.name for one in rules.groups_of(policy.name, said.stage)]
    if len(claims) > 1:
        reason = f"the groups {' and '.join(claims)} both claim it: name it in one of them"
        return member.part(replace(said, reason=reason, is_blind=True))
    if policy.problem is not None:
        return member.part(replace(said, reason=policy.problem, is_blind=True))
    why = policy.refused.get(said.stage)
    if why is not None:
        closure = Closure(member.carrying.number, why) if member.carrying else None
        return member.part(replace(said, reason=why), closure=closure)
    stuck = why_no_tag(policy, member.fields)
    if stuck is not None:
        return member.part(replace(said, reason=stuck, is_blind=True))
    if policy.waits_for is not None:
        return member.part(replace(said, standing=Standing.WAITING, reason=policy.waits_for, is_blind=True))
    return None


def _waiting_part(member: Member, waiting: tuple[TagState, GateAnswers], found: Walk) -> Part:
    """While a newer tag waits, an open proposal stays as it is, unless its own tag fails: it never goes down."""
    tag, answers = waiting
    said = replace(
        member.said,
        standing=Standing.WAITING,
        reason=answers.reason,
        tag=tag.tag,
        digest=tag.digest,
        answers=answers,
    )
    outcomes, look_at = (*_refusals(member, found), said), found.look_at
    open_one, present = member.carrying, member.carried
    if open_one is None:
        return member.part(*outcomes, look_at=look_at)
    candidates = candidates_for(member.policy, member.fields)
    if not candidates.knows(present):
        return Part(member.name, (), needs_all=True)
    is_one = present is not None and present in candidates.tags
    kept = ask_one(member.policy, member.fields, member.entry, present) if present and is_one else None
    if isinstance(kept, Passed) and kept.changes:
        move = move_to(member, kept)
        return Part(member.name, (*outcomes, proposed_outcome(move, member.said)), move=move, look_at=look_at)
    if isinstance(kept, Passed):
        waits = replace(said, reason=kept.answers.reason, tag=present, digest=None, answers=kept.answers)
        return member.part(*(outcomes if present == tag.tag else (*outcomes, waits)), look_at=look_at)
    closure = _closure(member, found, open_one)
    if isinstance(kept, Hold) and not closure.is_in_base:
        closure = replace(closure, reason=_held_words(kept))
    return member.part(*outcomes, closure=closure, look_at=look_at)


def _paced_part(state: LaneState, member: Member, found: Walk, passed: Passed) -> Part | None:
    """Shortly after a pull request got its tag it keeps it, unless that fails; None where the newer one is due."""
    open_one, now = member.open_one, member.entry.now
    if open_one is None or open_one.given_at is None or open_one.left_because is not None:
        return None
    present, newer, due_at = member.carried, passed.tag, open_one.given_at + state.update_every
    if present == newer.tag or now >= due_at:
        return None
    got = present or "what others of its group have"
    reason = paced_words(state, got)
    waits = replace(member.said, standing=Standing.WAITING, reason=reason, tag=newer.tag, digest=newer.digest)
    refusals = _refusals(member, found)
    if present is None:
        return member.part(*refusals, waits, look_at=due_at)
    candidates = candidates_for(member.policy, member.fields)
    if not candidates.knows(present):
        return Part(member.name, (), needs_all=True)
    kept = ask_one(member.policy, member.fields, member.entry, present) if present in candidates.tags else None
    if not isinstance(kept, Passed) or not kept.changes:
        return None
    move = move_to(member, kept)
    return Part(member.name, (*refusals, waits, proposed_outcome(move, member.said)), move=move, look_at=due_at)


def paced_words(state: LaneState, got: str) -> str:
    """That a pull request keeps for now what it got."""
    every = f"{state.update_every.total_seconds():g} s"
    return f"its pull request got {got} a moment ago, and a newer tag once in {every} (forge.update_every_s)"


def _held_words(hold: Hold) -> str:
    return f"held: {hold.words}"


def move_to(member: Member, passed: Passed, *, reasons: tuple[str, ...] | None = None) -> Move:
    """The move of a member to a tag that passed, for these reasons or those of the walk."""
    policy, fields = member.policy, member.fields
    decided = [passed.tag.first_seen_at, passed.answers.decided_at]
    return Move(
        policy=policy.name,
        image=policy.policy.image_text,
        from_tag=present_tag(fields),
        from_image=other_image(fields),
        known=as_written(policy, fields, passed.tag),
        reasons=_reasons(policy, fields, passed) if reasons is None else reasons,
        answers=passed.answers,
        decided_at=max(at for at in decided if at is not None),
        changes=passed.changes,
        downward=passed.downward,
    )


def _reasons(policy: PolicyState, fields: Sequence[FieldState], passed: Passed) -> tuple[str, ...]:
    """Why this tag; a move down, or away from another image, says so first."""
    moved = why_moved(policy, fields)
    first = [moved] if moved else [str(passed.downward)] if passed.downward is not None else []
    return (*first, _chosen_words(policy, passed.tag), passed.answers.reason)


def _chosen_words(policy: PolicyState, tag: TagState) -> str:
    assert policy.selection is not None  # noqa: S101 (a policy without a selection proposes nothing)
    verdict = policy.selection.verdicts.get(tag.tag)
    return verdict.reason if verdict is not None else f"{tag.tag} is in the policy's order"


def proposed_outcome(move: Move, said: Outcome) -> Outcome:
    """That a move is proposed, and why."""
    return replace(
        said,
        standing=Standing.PROPOSED,
        reason="; ".join(move.reasons),
        tag=move.tag,
        digest=move.digest,
        build_id=move.build.build_id if move.build else None,
        answers=move.answers,
    )


def _refusals(member: Member, found: Walk) -> tuple[Outcome, ...]:
    builds = {tag.tag: deciding_build(as_written(member.policy, member.fields, tag)) for tag, _ in found.failed}
    return tuple(
        replace(
            member.said,
            standing=Standing.REFUSED,
            reason=answers.reason,
            tag=tag.tag,
            digest=tag.digest,
            build_id=build.build_id if (build := builds[tag.tag]) is not None else None,
            answers=answers,
        )
        for tag, answers in found.failed
    )


def held_outcome(hold: Hold, said: Outcome, tag: str | None = None) -> Outcome:
    """That a person stops it, at a tag or altogether."""
    return replace(said, standing=Standing.HELD, reason=hold.words, tag=tag, next_step=hold.next_step)


def idle_outcome(member: Member, found: Walk) -> Outcome:
    """What is said of a policy that nothing is to be done for."""
    policy, fields, said = member.policy, member.fields, member.said
    if found.held is not None:
        return held_outcome(found.held, said, found.held_tag)
    if policy.barred_tags:
        reason = only_barred_words(policy.name, policy.barred_tags)
        return replace(said, standing=Standing.CURRENT, reason=reason, tag=said.from_tag)
    if found.passed is not None:
        doubt = doubt_of(policy, fields, member.entry, found.passed.tag.tag)
        reason = f"the stage has it; {doubt}" if doubt else "the stage has it"
        step = f"go back: fluxbridge rollback {said.policy} --stage {said.stage}" if doubt else None
        return replace(said, standing=Standing.CURRENT, reason=reason, tag=found.passed.tag.tag, next_step=step)
    selection = policy.selection
    why = selection.message if selection is not None and selection.tag is None else _why_nothing(found)
    moved = why_moved(policy, fields)
    if moved is not None:
        return replace(said, standing=Standing.STUCK, reason=f"{moved}; {why}")
    return replace(said, standing=Standing.CURRENT, reason=why, tag=said.from_tag)


def _closure(member: Member, found: Walk, open_one: OpenPullRequest) -> Closure:
    """Why one that is open goes; its tag may have come into the base branch by its merge, whatever the walk met."""
    tag = member.carried
    if tag is not None and is_there(member.policy, member.fields, tag):
        return Closure(open_one.number, THERE, is_in_base=True)
    why = next((answers.reason for failed, answers in found.failed if failed.tag == tag), None)
    return Closure(open_one.number, why or _why_nothing(found))


def _why_nothing(found: Walk) -> str:
    if found.held is not None:
        return _held_words(found.held)
    if found.waiting is not None:
        return "its tag no longer passes the gates"
    if found.passed is not None:
        return THERE
    if found.skipped:
        return f"no candidate passed among the first {len(found.failed)}; {found.skipped} more were not looked at"
    return "no candidate passes" if found.failed else "the policy has no newer candidate"
