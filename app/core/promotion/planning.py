"""`plan`: from the whole state of a lane to the pull requests that should exist, and why. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.core.promotion.branches import branch_name
from app.core.promotion.downward import downward_to
from app.core.promotion.gates import GateAnswer, TagState, Verdict, deciding_build
from app.core.promotion.proposals import Change, Move, Proposal, changes_for
from app.core.promotion.rules import Stage
from app.core.promotion.state import FieldState, LaneState, OpenPullRequest, PolicyState
from app.core.promotion.walk import Entry, Passed, Walk, as_written, ask_gates, candidates_for, walk


class Standing(StrEnum):
    """Where one policy stands in one stage."""

    CURRENT = "current"
    PROPOSED = "proposed"
    WAITING = "waiting"
    REFUSED = "refused"
    HELD = "held"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the plan says of one policy in one stage, about one tag where there is one."""

    stage: str
    policy: str
    standing: Standing
    reason: str
    image: str = ""
    tag: str | None = None
    digest: str | None = None
    from_tag: str | None = None
    build_id: str | None = None


@dataclass(frozen=True, slots=True)
class Closure:
    """A pull request of ours that should no longer be open."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What should be, from a lane's present state: pull requests, closures and where each policy stands.

    `put_off` are proposals that the lane's limit or `mode: observe` keeps back. `unsettled` names the policies of
    which more than the chosen tag has to be known: with them in full the plan is to be made again.
    """

    proposals: tuple[Proposal, ...] = ()
    put_off: tuple[Proposal, ...] = ()
    closures: tuple[Closure, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    next_look_at: datetime | None = None
    unsettled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Part:
    """The plan of one policy in one stage, before the lane's limits are applied."""

    outcomes: tuple[Outcome, ...]
    proposal: Proposal | None = None
    closure: Closure | None = None
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
            if fields:
                planned.add((stage.name, str(policy.name)))
                entry = Entry(stage=stage, holds=state.holds, now=now, build_within=build_within)
                part = _plan_part(state, policy, fields, entry)
                parts.append(part)
                if part.needs_all:
                    unsettled.add(str(policy.name))
    orphans = [
        Closure(pull.number, "its policy or its fields are no longer on the base branch")
        for pull in state.open_pull_requests
        if (pull.stage, pull.group) not in planned
    ]
    return replace(_within_limits(state, parts, orphans), unsettled=frozenset(unsettled))


def _plan_part(state: LaneState, policy: PolicyState, fields: Sequence[FieldState], entry: Entry) -> _Part:
    name, stage = str(policy.name), entry.stage.name
    said = _said(policy, fields, stage)
    if policy.problem is not None:
        return _Part((replace(said, reason=policy.problem),))
    if policy.waits_for is not None:
        return _Part((replace(said, standing=Standing.WAITING, reason=policy.waits_for),))
    found = walk(policy, fields, entry)
    if found.needs_all:
        return _Part((), needs_all=True)
    open_one = _open_pull_request(state, stage=stage, group=name)
    if found.waiting is not None:
        return _waiting_part(state, policy, fields, entry, found)
    if found.passed is None or not found.passed.changes:
        closure = Closure(open_one.number, _why_closed(found, open_one.tags.get(name))) if open_one else None
        return _Part((*_refusals(found, said), _idle(policy, found, said)), closure=closure)
    proposal = _propose(state, policy, fields, entry.stage, found.passed)
    return _Part((*_refusals(found, said), _proposed(proposal, said)), proposal=proposal)


def _said(policy: PolicyState, fields: Sequence[FieldState], stage: str) -> Outcome:
    return Outcome(
        stage=stage,
        policy=str(policy.name),
        standing=Standing.STUCK,
        reason="",
        image=policy.policy.image_text,
        from_tag=_present(fields),
    )


def _waiting_part(
    state: LaneState, policy: PolicyState, fields: Sequence[FieldState], entry: Entry, found: Walk
) -> _Part:
    """While a newer tag waits, an open proposal whose own tag still passes stays as it is."""
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
    if present not in candidates.tags and not candidates.is_whole:
        return _Part((), needs_all=True)
    kept = _still_passing(policy, fields, entry, present) if present in candidates.tags else None
    if kept is None:
        closure = Closure(open_one.number, "its tag no longer passes the gates")
        return _Part(outcomes, closure=closure, look_at=found.look_at)
    proposal = _propose(state, policy, fields, entry.stage, kept)
    return _Part((*outcomes, _proposed(proposal, said)), proposal=proposal, look_at=found.look_at)


def _still_passing(policy: PolicyState, fields: Sequence[FieldState], entry: Entry, tag: str | None) -> Passed | None:
    if tag is None or tag not in policy.tags:
        return None
    known = policy.tags[tag]
    answer = ask_gates(as_written(policy, fields, known), entry)
    changes = changes_for(policy, fields, known)
    if answer.verdict is not Verdict.PASS or not isinstance(changes, tuple) or not changes:
        return None
    return Passed(known, answer, changes, downward_to(tag, fields, compiled=policy.compiled, tags=policy.tags))


def _propose(
    state: LaneState, policy: PolicyState, fields: Sequence[FieldState], stage: Stage, passed: Passed
) -> Proposal:
    group = str(policy.name)
    return Proposal(
        stage=stage.name,
        group=group,
        branch=branch_name(prefix=state.prefix, base=state.base, stage=stage.name, group=group),
        move=Move(
            policy=policy.name,
            image=policy.policy.image_text,
            from_tag=_present(fields),
            tag=passed.tag.tag,
            digest=as_written(policy, fields, passed.tag).digest,
            reasons=_reasons(policy, passed),
            build=deciding_build(as_written(policy, fields, passed.tag)),
            is_gated_on_build=passed.answer.build_id is not None,
            decided_at=_decided_at(passed.tag, passed.answer),
            downward=passed.downward,
        ),
        changes=_in_file_order(passed.changes),
        labels=stage.labels,
    )


def _reasons(policy: PolicyState, passed: Passed) -> tuple[str, ...]:
    """Why this tag; a move down says so first."""
    down = () if passed.downward is None else (str(passed.downward),)
    return (*down, _chosen_words(policy, passed.tag), passed.answer.reason)


def _chosen_words(policy: PolicyState, tag: TagState) -> str:
    assert policy.selection is not None  # noqa: S101 (a policy without a selection proposes nothing)
    verdict = policy.selection.verdicts.get(tag.tag)
    return verdict.reason if verdict is not None else f"{tag.tag} is in the policy's order"


def _decided_at(tag: TagState, answer: GateAnswer) -> datetime:
    recorded = [report.recorded_at for report in tag.reports if report.build_id == answer.build_id]
    return max([tag.first_seen_at, *recorded])


def _in_file_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda change: (change.field.file, change.field.marked.start)))


def _present(fields: Sequence[FieldState]) -> str | None:
    return next((one.tag for one in fields if one.tag is not None), None)


def _open_pull_request(state: LaneState, *, stage: str, group: str) -> OpenPullRequest | None:
    return next((pull for pull in state.open_pull_requests if (pull.stage, pull.group) == (stage, group)), None)


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


def _idle(policy: PolicyState, found: Walk, said: Outcome) -> Outcome:
    if found.held is not None:
        reason = f"{found.held.why}, by {found.held.who}"
        return replace(said, standing=Standing.HELD, reason=reason, tag=found.held.tags[0])
    if found.passed is not None:
        doubt = found.passed.tag.doubt
        reason = f"the stage has it; {doubt}" if doubt else "the stage has it"
        return replace(said, standing=Standing.CURRENT, reason=reason, tag=found.passed.tag.tag)
    selection = policy.selection
    if selection is not None and selection.tag is None:
        return replace(said, standing=Standing.CURRENT, reason=selection.message, tag=said.from_tag)
    return replace(said, standing=Standing.CURRENT, reason=_why_nothing(found), tag=said.from_tag)


def _why_closed(found: Walk, tag: str | None) -> str:
    return next((answer.reason for failed, answer in found.failed if failed.tag == tag), _why_nothing(found))


def _why_nothing(found: Walk) -> str:
    if found.held is not None:
        return f"held: {found.held.why}, by {found.held.who}"
    if found.passed is not None:
        return "the base branch has this tag already"
    if found.skipped:
        return f"no candidate passed among the first {len(found.failed)}; {found.skipped} more were not looked at"
    return "no candidate passes" if found.failed else "the policy has no newer candidate"


def _within_limits(state: LaneState, parts: Sequence[_Part], orphans: Sequence[Closure]) -> Plan:
    """Open at most `limits.open` pull requests at once, those first that were wanted first."""
    closing = [part.closure for part in parts if part.closure is not None] + list(orphans)
    staying = {pull.number for pull in state.open_pull_requests} - {closure.number for closure in closing}
    new = [part for part in parts if part.proposal is not None and not _is_open(state, part.proposal)]
    room = 0 if state.is_observing else max(0, state.rules.open_limit - len(staying))
    let_in = {id(part) for part in sorted(new, key=lambda part: _age(state, part))[:room]}
    left_out = {id(part) for part in new} - let_in
    word = "mode: observe" if state.is_observing else f"limit: {state.rules.open_limit} pull requests are open"
    done = [_put_off(part, word) if id(part) in left_out else part for part in parts]
    looks = [part.look_at for part in done if part.look_at is not None]
    return Plan(
        proposals=tuple(part.proposal for part in done if part.proposal is not None and not state.is_observing),
        put_off=tuple(part.proposal for part in parts if id(part) in left_out and part.proposal is not None),
        closures=() if state.is_observing else tuple(closing),
        outcomes=tuple(outcome for part in done for outcome in part.outcomes),
        next_look_at=min(looks, default=None),
    )


def _is_open(state: LaneState, proposal: Proposal) -> bool:
    return _open_pull_request(state, stage=proposal.stage, group=proposal.group) is not None


def _age(state: LaneState, part: _Part) -> tuple[float, str, str]:
    assert part.proposal is not None  # noqa: S101 (only parts with a proposal are sorted)
    stage, group, move = part.proposal.stage, part.proposal.group, part.proposal.move
    began = state.began.get((stage, group, move.tag), move.decided_at)
    return began.timestamp(), stage, group


def _put_off(part: _Part, reason: str) -> _Part:
    outcomes = tuple(
        replace(outcome, standing=Standing.WAITING, reason=reason) if outcome.standing is Standing.PROPOSED else outcome
        for outcome in part.outcomes
    )
    return _Part(outcomes, look_at=part.look_at)
