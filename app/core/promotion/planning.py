"""`plan`: from the whole state of a lane to the pull requests that should exist, and why. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.core.promotion.consent import in_stage
from app.core.promotion.groups import GroupPlan, compose, put_off
from app.core.promotion.holds import HoldIndex
from app.core.promotion.leaving import Left, way_back
from app.core.promotion.parts import Member
from app.core.promotion.plans import Closure, Outcome, Plan, Standing
from app.core.promotion.proposals import Proposal
from app.core.promotion.rules import Stage
from app.core.promotion.state import LaneState, OpenPullRequest, PolicyState
from app.core.promotion.units import units_of
from app.core.promotion.walk import Entry

_GONE = "its policy or its fields are no longer on the base branch"
_REGROUPED = "its policies are proposed in other groups now"


def plan(state: LaneState, now: datetime, *, build_within: timedelta = timedelta(hours=1)) -> Plan:
    """Work out which pull requests should exist with which content. The same state always gives the same plan."""
    members: dict[tuple[str, str], list[Member]] = {}
    held = HoldIndex(state.holds)
    for policy in state.policies:
        its_holds = held.near(str(policy.name))
        for stage in state.rules.stages:
            entry = Entry(stage=stage, holds=its_holds, now=now, build_within=build_within)
            member = _member(state, policy, entry)
            if member is not None:
                members.setdefault((stage.name, member.group), []).append(member)
    units = {(one.stage, one.group): one for one in units_of(state, members)}
    stages: dict[str, Stage] = {stage.name: stage for stage in state.rules.stages}
    found = [compose(state, stages[one.stage], one, now) for one in units.values()]
    present = {(one.stage, part.policy) for one in units.values() for part in one.parts}
    found += [_orphan(pull, present) for pull in state.open_pull_requests if (pull.stage, pull.group) not in units]
    unsettled = frozenset(policy for one in found for policy in one.unsettled)
    return replace(_within_limits(state, found), unsettled=unsettled)


def _member(state: LaneState, policy: PolicyState, entry: Entry) -> Member | None:
    """A policy in a stage; None where it has nothing there."""
    stage = entry.stage.name
    fields = [one for one in policy.fields if one.stage == stage]
    if not fields and stage not in policy.refused:
        return None
    group = state.rules.group_of(policy.name, stage).name
    return Member(
        policy=in_stage(policy, entry.stage, state.rules),
        fields=fields,
        entry=entry,
        group=group,
        open_one=state.open_pull_request(stage=stage, group=group),
    )


def _orphan(pull: OpenPullRequest, present: set[tuple[str, str]]) -> GroupPlan:
    """One that is open for a group of which nothing is there any more."""
    if pull.left_because is None:
        is_elsewhere = any((pull.stage, policy) in present for policy in pull.tags)
        return GroupPlan((), closure=Closure(pull.number, pull.ended or (_REGROUPED if is_elsewhere else _GONE)))
    why = pull.left_because
    step = way_back(why, branch=pull.branch, number=pull.number)
    said = Outcome(stage=pull.stage, policy=pull.group, standing=Standing.LEFT, reason=why, next_step=step)
    outcomes = tuple(replace(said, policy=policy, tag=tag) for policy, tag in sorted(pull.tags.items()))
    places = tuple((pull.stage, policy) for policy in sorted(pull.tags))
    left = Left(number=pull.number, places=places, why=why, next_step=step) if outcomes else None
    return GroupPlan(outcomes, left=left)


def _within_limits(state: LaneState, groups: Sequence[GroupPlan]) -> Plan:
    """Open at most `limits.open` pull requests at once, those first that were wanted first, and rollbacks always."""
    closing = [one.closure for one in groups if one.closure is not None]
    staying = {pull.number for pull in state.open_pull_requests} - {closure.number for closure in closing}
    new = [one for one in groups if one.proposal is not None and _needs_room(state, one.proposal)]
    room = 0 if state.is_observing else max(0, state.rules.open_limit - len(staying))
    let_in = {id(one) for one in sorted(new, key=lambda one: _age(state, one))[:room]}
    left_out = {id(one) for one in new} - let_in
    word = "mode: observe" if state.is_observing else f"limit: {state.rules.open_limit} pull requests are open"
    step = "set mode: propose" if state.is_observing else "merge or close some, or raise limits.open"
    done = [put_off(one, word, step) if id(one) in left_out else one for one in groups]
    looks = [one.look_at for one in done if one.look_at is not None]
    looks += [request.until for request in state.requests]
    return Plan(
        proposals=tuple(one.proposal for one in done if one.proposal is not None and not state.is_observing),
        put_off=tuple(one.proposal for one in groups if id(one) in left_out and one.proposal is not None),
        closures=() if state.is_observing else tuple(closing),
        kept_open=tuple(replace(one, put_off=word) for one in closing) if state.is_observing else (),
        left=() if state.is_observing else tuple(one.left for one in done if one.left is not None),
        outcomes=tuple(outcome for one in done for outcome in one.outcomes),
        next_look_at=min(looks, default=None),
    )


def _needs_room(state: LaneState, proposal: Proposal) -> bool:
    """One that is to be opened, but for rollbacks; to those who only observe, also one that is to get another tag."""
    if proposal.request is not None and proposal.request.is_rollback and not state.is_observing:
        return False
    open_one = state.open_pull_request(stage=proposal.stage, group=proposal.group)
    if open_one is None or open_one.left_because is not None:
        return True
    if not state.is_observing:
        return False
    return dict(open_one.tags) != dict(proposal.tags)


def _age(state: LaneState, one: GroupPlan) -> tuple[float, str, str]:
    assert one.proposal is not None  # noqa: S101 (only those with a proposal are sorted)
    stage, moves = one.proposal.stage, one.proposal.moves
    began = min(state.began.get((stage, str(move.policy), move.tag), move.decided_at) for move in moves)
    return began.timestamp(), stage, one.proposal.group
