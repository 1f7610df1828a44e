"""`plan`: from the whole state of a lane to the pull requests that should exist, and why. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.core.promotion.branches import branch_beside, branch_name
from app.core.promotion.consent import in_stage, only_barred_words
from app.core.promotion.gates import GateAnswer, TagState, deciding_build
from app.core.promotion.holds import Hold
from app.core.promotion.leaving import PUSHED, Left, way_back
from app.core.promotion.plans import Closure, Outcome, Plan, Standing
from app.core.promotion.present import other_image, present_tag, why_moved, why_no_tag
from app.core.promotion.proposals import Change, Move, Proposal
from app.core.promotion.rules import Stage
from app.core.promotion.state import FieldState, LaneState, OpenPullRequest, PolicyState
from app.core.promotion.walk import Entry, Passed, Walk, as_written, ask_one, candidates_for, doubt_of, is_there, walk

_THERE = "the base branch has this tag already"


@dataclass(frozen=True, slots=True)
class _Part:
    """The plan of one policy in one stage, before the lane's limits are applied."""

    outcomes: tuple[Outcome, ...]
    proposal: Proposal | None = None
    closure: Closure | None = None
    left: Left | None = None
    look_at: datetime | None = None
    needs_all: bool = False


def plan(state: LaneState, now: datetime, *, build_within: timedelta = timedelta(hours=1)) -> Plan:
    """Work out which pull requests should exist with which content. The same state always gives the same plan."""
    parts: list[_Part] = []
    planned: set[tuple[str, str]] = set()
    unsettled: set[str] = set()
    for policy in state.policies:
        for stage in state.rules.stages:
            fields = [one for one in policy.fields if one.stage == stage.name]
            if fields or stage.name in policy.refused:
                planned.add((stage.name, str(policy.name)))
                entry = Entry(stage=stage, holds=state.holds, now=now, build_within=build_within)
                part = _plan_part(state, in_stage(policy, stage, state.rules), fields, entry)
                parts.append(_without_what_is_theirs(state, part, stage=stage.name, group=str(policy.name)))
                if part.needs_all:
                    unsettled.add(str(policy.name))
    parts += [_orphan(pull) for pull in state.open_pull_requests if (pull.stage, pull.group) not in planned]
    return replace(_within_limits(state, parts), unsettled=frozenset(unsettled))


def _orphan(pull: OpenPullRequest) -> _Part:
    gone = "its policy or its fields are no longer on the base branch"
    if pull.left_because is None:
        return _Part((), closure=Closure(pull.number, gone))
    why = pull.left_because
    step = way_back(why, branch=pull.branch, number=pull.number)
    said = Outcome(stage=pull.stage, policy=pull.group, standing=Standing.LEFT, reason=why, next_step=step)
    outcomes = tuple(replace(said, policy=policy, tag=tag) for policy, tag in sorted(pull.tags.items()))
    left = Left(number=pull.number, stage=pull.stage, group=pull.group, why=why, next_step=step) if outcomes else None
    return _Part(outcomes, left=left)


def _without_what_is_theirs(state: LaneState, part: _Part, *, stage: str, group: str) -> _Part:
    """A place whose branch or pull request a person took over is left to them, whatever was to be done there."""
    open_one = _open_pull_request(state, stage=stage, group=group)
    why = open_one.left_because if open_one is not None else None
    branch = _branch_of(state, stage=stage, group=group)
    if why is None and branch in state.taken:
        why = PUSHED
    is_idle = part.proposal is None and part.closure is None
    if why is None or (is_idle and all(one.standing is Standing.STUCK or one.tag is None for one in part.outcomes)):
        return part
    number = open_one.number if open_one is not None else state.taken.get(branch)
    step = way_back(why, branch=branch, number=number)
    outcomes = [
        replace(one, standing=Standing.LEFT, reason=why, next_step=step) if one.standing is Standing.PROPOSED else one
        for one in part.outcomes
    ]
    carried = open_one.tags.get(group) if open_one is not None else None
    if carried is not None and carried not in {one.tag for one in outcomes}:
        said = replace(outcomes[0], standing=Standing.LEFT, reason=why, next_step=step)
        outcomes.append(replace(said, tag=carried, digest=None, build_id=None))
    is_told = any(one.standing is Standing.LEFT for one in outcomes)
    wanted = f"{part.proposal.move.image}:{part.proposal.move.tag}" if part.proposal is not None else None
    if number is None or not is_told:
        return _Part(tuple(outcomes), look_at=part.look_at)
    left = Left(number=number, stage=stage, group=group, why=why, next_step=step, wanted=wanted)
    return _Part(tuple(outcomes), left=left, look_at=part.look_at)


def _plan_part(state: LaneState, policy: PolicyState, fields: Sequence[FieldState], entry: Entry) -> _Part:
    name, stage = str(policy.name), entry.stage.name
    said = _said(policy, fields, stage)
    open_one = _open_pull_request(state, stage=stage, group=name)
    kept_back = _kept_back(policy, fields, said, open_one)
    if kept_back is not None:
        return kept_back
    found = walk(policy, fields, entry)
    if found.needs_all:
        return _Part((), needs_all=True)
    if found.waiting is not None:
        return _waiting_part(state, policy, fields, entry, found)
    if found.passed is None or not found.passed.changes:
        closure = _closure(policy, fields, found, open_one) if open_one else None
        return _Part((*_refusals(found, said), _idle(policy, fields, found, said)), closure=closure)
    paced = _paced_part(state, policy, fields, entry, found)
    if paced is not None:
        return paced
    proposal = _propose(state, policy, fields, entry.stage, found.passed)
    return _Part((*_refusals(found, said), _proposed(proposal, said)), proposal=proposal)


def _kept_back(
    policy: PolicyState, fields: Sequence[FieldState], said: Outcome, open_one: OpenPullRequest | None
) -> _Part | None:
    """What stands in the way of any tag; where a field cannot be written, also of what is open."""
    if policy.problem is not None:
        return _Part((replace(said, reason=policy.problem, is_blind=True),))
    why = policy.refused.get(said.stage)
    if why is not None:
        closure = Closure(open_one.number, why) if open_one else None
        return _Part((replace(said, reason=why),), closure=closure)
    stuck = why_no_tag(policy, fields)
    if stuck is not None:
        return _Part((replace(said, reason=stuck, is_blind=True),))
    if policy.waits_for is not None:
        return _Part((replace(said, standing=Standing.WAITING, reason=policy.waits_for, is_blind=True),))
    return None


def _said(policy: PolicyState, fields: Sequence[FieldState], stage: str) -> Outcome:
    return Outcome(
        stage=stage,
        policy=str(policy.name),
        standing=Standing.STUCK,
        reason="",
        image=policy.policy.image_text,
        from_tag=present_tag(fields),
    )


def _waiting_part(
    state: LaneState, policy: PolicyState, fields: Sequence[FieldState], entry: Entry, found: Walk
) -> _Part:
    """While a newer tag waits, an open proposal stays as it is, unless its own tag fails: it never goes down."""
    assert found.waiting is not None  # noqa: S101 (the caller has looked)
    tag, answer = found.waiting
    said = replace(
        _said(policy, fields, entry.stage.name),
        standing=Standing.WAITING,
        reason=answer.reason,
        tag=tag.tag,
        digest=tag.digest,
    )
    outcomes = (*_refusals(found, said), said)
    open_one = _open_pull_request(state, stage=said.stage, group=said.policy)
    if open_one is None:
        return _Part(outcomes, look_at=found.look_at)
    present = open_one.tags.get(said.policy)
    candidates = candidates_for(policy, fields)
    if not candidates.knows(present):
        return _Part((), needs_all=True)
    kept = ask_one(policy, fields, entry, present) if present and present in candidates.tags else None
    if isinstance(kept, Passed) and kept.changes:
        proposal = _propose(state, policy, fields, entry.stage, kept)
        return _Part((*outcomes, _proposed(proposal, said)), proposal=proposal, look_at=found.look_at)
    if isinstance(kept, Passed):
        waits = replace(said, reason=kept.answer.reason, tag=present, digest=None)
        return _Part(outcomes if present == tag.tag else (*outcomes, waits), look_at=found.look_at)
    closure = _closure(policy, fields, found, open_one)
    if isinstance(kept, Hold) and not closure.is_in_base:
        closure = replace(closure, reason=_held_words(kept))
    return _Part(outcomes, closure=closure, look_at=found.look_at)


def _paced_part(
    state: LaneState, policy: PolicyState, fields: Sequence[FieldState], entry: Entry, found: Walk
) -> _Part | None:
    """Shortly after a pull request got its tag it keeps it, unless that fails; None where the newer one is due."""
    said = _said(policy, fields, entry.stage.name)
    open_one = _open_pull_request(state, stage=said.stage, group=said.policy)
    if open_one is None or open_one.given_at is None or open_one.left_because is not None or found.passed is None:
        return None
    present, newer, due_at = open_one.tags.get(said.policy), found.passed.tag, open_one.given_at + state.update_every
    if present == newer.tag or entry.now >= due_at:
        return None
    candidates = candidates_for(policy, fields)
    if not candidates.knows(present):
        return _Part((), needs_all=True)
    kept = ask_one(policy, fields, entry, present) if present and present in candidates.tags else None
    if not isinstance(kept, Passed) or not kept.changes:
        return None
    every = f"{state.update_every.total_seconds():g} s"
    reason = f"its pull request got {present} a moment ago, and a newer tag once in {every} (forge.update_every_s)"
    waits = replace(said, standing=Standing.WAITING, reason=reason, tag=newer.tag, digest=newer.digest)
    proposal = _propose(state, policy, fields, entry.stage, kept)
    return _Part((*_refusals(found, said), waits, _proposed(proposal, said)), proposal=proposal, look_at=due_at)


def _held_words(hold: Hold) -> str:
    return f"held: {hold.why}, by {hold.who}"


def _propose(
    state: LaneState, policy: PolicyState, fields: Sequence[FieldState], stage: Stage, passed: Passed
) -> Proposal:
    group = str(policy.name)
    return Proposal(
        stage=stage.name,
        group=group,
        branch=_branch_of(state, stage=stage.name, group=group),
        move=Move(
            policy=policy.name,
            image=policy.policy.image_text,
            from_tag=present_tag(fields),
            from_image=other_image(fields),
            tag=passed.tag.tag,
            digest=as_written(policy, fields, passed.tag).digest,
            reasons=_reasons(policy, fields, passed),
            build=deciding_build(as_written(policy, fields, passed.tag)),
            is_gated_on_build=passed.answer.build_id is not None,
            decided_at=_decided_at(passed.tag, passed.answer),
            downward=passed.downward,
        ),
        changes=_in_file_order(passed.changes),
        labels=stage.labels,
    )


def _reasons(policy: PolicyState, fields: Sequence[FieldState], passed: Passed) -> tuple[str, ...]:
    """Why this tag; a move down, or away from another image, says so first."""
    moved = why_moved(policy, fields)
    first = [moved] if moved else [str(passed.downward)] if passed.downward is not None else []
    return (*first, _chosen_words(policy, passed.tag), passed.answer.reason)


def _chosen_words(policy: PolicyState, tag: TagState) -> str:
    assert policy.selection is not None  # noqa: S101 (a policy without a selection proposes nothing)
    verdict = policy.selection.verdicts.get(tag.tag)
    return verdict.reason if verdict is not None else f"{tag.tag} is in the policy's order"


def _decided_at(tag: TagState, answer: GateAnswer) -> datetime:
    recorded = [report.recorded_at for report in tag.reports if report.build_id == answer.build_id]
    return max([tag.first_seen_at, *recorded])


def _in_file_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda change: (change.field.file, change.field.marked.start)))


def _open_pull_request(state: LaneState, *, stage: str, group: str) -> OpenPullRequest | None:
    """The one that is open for a place; one that is ours before one that people took over."""
    found = [pull for pull in state.open_pull_requests if (pull.stage, pull.group) == (stage, group)]
    return min(found, key=lambda pull: (pull.left_because is not None, pull.number), default=None)


def _branch_of(state: LaneState, *, stage: str, group: str) -> str:
    """The branch of a place: the one that its pull request is open from, else the one of its name that is free."""
    open_one = _open_pull_request(state, stage=stage, group=group)
    if open_one is not None and open_one.branch:
        return open_one.branch
    branch = branch_name(prefix=state.prefix, base=state.base, stage=stage, group=group)
    while branch in state.lent:
        number = state.lent[branch]
        branch = branch_beside(prefix=state.prefix, base=state.base, stage=stage, group=group, number=number)
    return branch


def _proposed(proposal: Proposal, said: Outcome) -> Outcome:
    move = proposal.move
    return replace(
        said,
        standing=Standing.PROPOSED,
        reason="; ".join(move.reasons),
        tag=move.tag,
        digest=move.digest,
        build_id=move.build.build_id if move.build else None,
    )


def _refusals(found: Walk, said: Outcome) -> tuple[Outcome, ...]:
    return tuple(
        replace(
            said,
            standing=Standing.REFUSED,
            reason=answer.reason,
            tag=tag.tag,
            digest=tag.digest,
            build_id=answer.build_id,
        )
        for tag, answer in found.failed
    )


def _idle(policy: PolicyState, fields: Sequence[FieldState], found: Walk, said: Outcome) -> Outcome:
    if found.held is not None:
        reason = f"{found.held.why}, by {found.held.who}"
        step = found.held.next_step
        return replace(said, standing=Standing.HELD, reason=reason, tag=found.held.tags[0], next_step=step)
    if policy.barred_tags:
        reason = only_barred_words(policy.name, policy.barred_tags)
        return replace(said, standing=Standing.CURRENT, reason=reason, tag=said.from_tag)
    if found.passed is not None:
        doubt = doubt_of(policy, fields, found.passed.tag.tag)
        reason = f"the stage has it; {doubt}" if doubt else "the stage has it"
        return replace(said, standing=Standing.CURRENT, reason=reason, tag=found.passed.tag.tag)
    selection = policy.selection
    why = selection.message if selection is not None and selection.tag is None else _why_nothing(found)
    moved = why_moved(policy, fields)
    if moved is not None:
        return replace(said, standing=Standing.STUCK, reason=f"{moved}; {why}")
    return replace(said, standing=Standing.CURRENT, reason=why, tag=said.from_tag)


def _closure(policy: PolicyState, fields: Sequence[FieldState], found: Walk, open_one: OpenPullRequest) -> Closure:
    """Why one that is open goes; its tag may have come into the base branch by its merge, whatever the walk met."""
    tag = open_one.tags.get(str(policy.name))
    if tag is not None and is_there(policy, fields, tag):
        return Closure(open_one.number, _THERE, is_in_base=True)
    why = next((answer.reason for failed, answer in found.failed if failed.tag == tag), None)
    return Closure(open_one.number, why or _why_nothing(found))


def _why_nothing(found: Walk) -> str:
    if found.held is not None:
        return _held_words(found.held)
    if found.waiting is not None:
        return "its tag no longer passes the gates"
    if found.passed is not None:
        return _THERE
    if found.skipped:
        return f"no candidate passed among the first {len(found.failed)}; {found.skipped} more were not looked at"
    return "no candidate passes" if found.failed else "the policy has no newer candidate"


def _within_limits(state: LaneState, parts: Sequence[_Part]) -> Plan:
    """Open at most `limits.open` pull requests at once, those first that were wanted first."""
    closing = [part.closure for part in parts if part.closure is not None]
    staying = {pull.number for pull in state.open_pull_requests} - {closure.number for closure in closing}
    new = [part for part in parts if part.proposal is not None and _needs_room(state, part.proposal)]
    room = 0 if state.is_observing else max(0, state.rules.open_limit - len(staying))
    let_in = {id(part) for part in sorted(new, key=lambda part: _age(state, part))[:room]}
    left_out = {id(part) for part in new} - let_in
    word = "mode: observe" if state.is_observing else f"limit: {state.rules.open_limit} pull requests are open"
    step = "set mode: propose" if state.is_observing else "merge or close some, or raise limits.open"
    done = [_put_off(part, word, step) if id(part) in left_out else part for part in parts]
    looks = [part.look_at for part in done if part.look_at is not None]
    return Plan(
        proposals=tuple(part.proposal for part in done if part.proposal is not None and not state.is_observing),
        put_off=tuple(part.proposal for part in parts if id(part) in left_out and part.proposal is not None),
        closures=() if state.is_observing else tuple(closing),
        kept_open=tuple(replace(one, put_off=word) for one in closing) if state.is_observing else (),
        left=() if state.is_observing else tuple(part.left for part in done if part.left is not None),
        outcomes=tuple(outcome for part in done for outcome in part.outcomes),
        next_look_at=min(looks, default=None),
    )


def _needs_room(state: LaneState, proposal: Proposal) -> bool:
    """One that is to be opened; to those who only observe, also one that is to get another tag."""
    open_one = _open_pull_request(state, stage=proposal.stage, group=proposal.group)
    if open_one is None or not state.is_observing:
        return open_one is None
    return open_one.tags.get(proposal.group) != proposal.move.tag


def _age(state: LaneState, part: _Part) -> tuple[float, str, str]:
    assert part.proposal is not None  # noqa: S101 (only parts with a proposal are sorted)
    stage, group, move = part.proposal.stage, part.proposal.group, part.proposal.move
    began = state.began.get((stage, group, move.tag), move.decided_at)
    return began.timestamp(), stage, group


def _put_off(part: _Part, reason: str, next_step: str) -> _Part:
    outcomes = tuple(
        replace(one, standing=Standing.WAITING, reason=reason, next_step=next_step)
        if one.standing is Standing.PROPOSED
        else one
        for one in part.outcomes
    )
    return _Part(outcomes, look_at=part.look_at)
