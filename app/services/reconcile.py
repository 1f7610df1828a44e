"""Reconcile a lane: look at its whole present state and make Git agree with the facts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from app.core.errors import Refused
from app.core.ports import PullRequestSeen
from app.core.promotion.planning import Plan, plan
from app.core.promotion.state import LaneState, OpenPullRequest, PolicyState
from app.db import catalogue, fields, holds, lanes, owed_looks, policies, promotions, pull_requests, selections
from app.db.fields import FieldRow
from app.db.policies import PolicyRow
from app.db.promotions import PromotionRow, PromotionState
from app.services.backoff import backoff
from app.services.describe_plan import describe
from app.services.follow_flux import follow_flux
from app.services.follow_git import follow_git
from app.services.follow_up import follow_pull_requests
from app.services.judge_policies import NOT_LISTED, spec_hash
from app.services.lane_run import US, LaneRun, LostLane
from app.services.learn_digests import learn_digests, next_look_at_digests
from app.services.propose import Proposer
from app.services.read_lane import LaneView, view_at
from app.services.record_plan import record_outcomes
from app.services.systems import Systems


class NoBaseBranch(Refused):
    """The base branch of a lane is not in its config repository."""

    def __init__(self, repo: str, branch: str) -> None:
        super().__init__(
            f"config repository {repo} has no branch {branch!r}: push it, or mend config_repos.{repo}.branch"
        )


def reconcile(run: LaneRun) -> None:
    """Run the lane once and settle it. Raises LostLane when another worker took it over."""
    heads = run.repo.repository.fetch()
    open_pulls, is_behind = follow_pull_requests(run, heads)
    while is_behind:
        heads = run.repo.repository.fetch()
        open_pulls, is_behind = follow_pull_requests(run, heads)
    head = heads.get(run.claim.branch)
    if head is None:
        raise NoBaseBranch(run.repo.name, run.claim.branch)
    view = view_at(run.repo.repository, run.scans, head, are_rules_required=run.repo.are_rules_required)
    if view.rules_problem is not None:
        _settle(run, view, None, look_at=None)
        return
    _remember_images(run, view)
    policies_seen = run.judge.by_stored_choice(view, run.lane)
    follow_git(run, view, policies_seen)
    follow_flux(run, head)
    if learn_digests(run, policies_seen):
        policies_seen = run.judge.by_stored_choice(view, run.lane)
    state = read_state(run, view, policies_seen)
    planned = plan(state, run.now(), build_within=run.systems.timing.build_within)
    if planned.unsettled:
        state = _with_all_tags(state, run.judge.in_full(view, run.lane, planned.unsettled))
        planned = plan(state, run.now(), build_within=run.systems.timing.build_within)
    is_settled = _carry_out(run, view, planned, heads, open_pulls)
    looks = [planned.next_look_at, next_look_at_digests(state.policies, run.now())]
    if not is_settled:
        looks.append(run.now() + backoff(run.claim.attempts))
    if state.open_pull_requests or state.holds or planned.proposals:
        looks.append(run.now() + run.systems.timing.look_at_pull_requests)
    _remember(run, view, state, planned)
    _drop_unused_selections(run)
    _settle(run, view, planned, look_at=min(filter(None, looks), default=None), is_settled=is_settled)


def read_state(run: LaneRun, view: LaneView, seen: tuple[PolicyState, ...]) -> LaneState:
    """Everything that `plan` needs: the policies, and what people and we have open, held or wanted."""
    with run.database.transaction() as connection:
        pulls = [
            OpenPullRequest(number=row.number, stage=row.stage, group=row.group, tags=row.tags)
            for row in pull_requests.open_in(connection, run.lane)
        ]
        open_ones = promotions.open_in(connection, run.lane)
        held = tuple(holds.active(connection, run.lane))
    return LaneState(
        prefix=run.repo.prefix,
        base=run.claim.branch,
        rules=view.rules,
        policies=_with_proposed_digests(seen, open_ones),
        holds=held,
        open_pull_requests=tuple(pulls),
        began={(row.stage, row.policy, row.tag): row.began_at for row in open_ones},
        is_observing=run.repo.is_observing,
    )


def _with_proposed_digests(seen: Iterable[PolicyState], open_ones: Iterable[PromotionRow]) -> tuple[PolicyState, ...]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in open_ones:
        if row.state is PromotionState.PROPOSED and row.digest is not None:
            found[row.policy][row.tag] = row.digest
    return tuple(replace(one, proposed_digests=found.get(str(one.name), {})) for one in seen)


def _with_all_tags(state: LaneState, known_in_full: Iterable[PolicyState]) -> LaneState:
    """The state with these policies in place of those of their names."""
    in_full = {one.name: one for one in known_in_full}
    policies = (
        replace(in_full[one.name], proposed_digests=one.proposed_digests) if one.name in in_full else one
        for one in state.policies
    )
    return replace(state, policies=tuple(policies))


def _carry_out(
    run: LaneRun, view: LaneView, planned: Plan, heads: Mapping[str, str], open_pulls: Mapping[int, PullRequestSeen]
) -> bool:
    ids = record_outcomes(run, planned)
    return Proposer(run, view, heads, open_pulls).carry_out(planned, ids)


def _remember(run: LaneRun, view: LaneView, state: LaneState, planned: Plan) -> None:
    """Keep what this run saw: fields with the spec they came under, policies, the images that make the lane due."""
    with run.writing() as connection:
        fields.replace_all(connection, run.lane, _field_rows(state, view, run.now(), run.lane))
        policies.replace_all(connection, run.lane, _policy_rows(state, planned, run.lane, run.systems))
    # Facts of images, not the lane's own: who holds the lane's row must not wait for an image that a delivery holds.
    for one in state.policies:
        if one.waits_for is not None and one.waits_for.startswith(NOT_LISTED) and one.policy.image is not None:
            with run.database.transaction() as connection:
                catalogue.wish_listing(connection, run.systems.known_as(one.policy.image), run.now())
    _owe_doubted(run, state)


def _owe_doubted(run: LaneRun, state: LaneState) -> None:
    """Have the registry asked what nobody asked it yet.

    That is whether tags in Git that lists lack are gone, and whether chosen tags are there of which only a sender told.
    """
    for one in state.policies:
        chosen = one.selection.tag if one.selection is not None else None
        doubted = {place.tag: True for place in one.fields if place.tag is not None and _is_doubted(one, place.tag)}
        if chosen is not None and one.tags[chosen].unshown is not None:
            doubted[chosen] = False
        if doubted and one.policy.image is not None:
            image = run.systems.known_as(one.policy.image)
            with run.database.transaction() as connection:
                for tag, is_deletion in sorted(doubted.items()):
                    owed_looks.owe_once(connection, image, tag, is_deletion=is_deletion, source=US, now=run.now())


def _is_doubted(one: PolicyState, tag: str) -> bool:
    return tag in one.tags and one.tags[tag].is_unlisted and one.tags[tag].doubt is not None


def _drop_unused_selections(run: LaneRun) -> None:
    with run.database.transaction() as connection:
        unused = selections.images_of_unused(connection)
    for image in unused:
        with run.database.transaction() as connection:
            catalogue.lock(connection, [image], run.now())
            selections.drop_unused(connection, image)


def _remember_images(run: LaneRun, view: LaneView) -> None:
    """Before anything is read: a push that comes while this run works must find the lane."""
    images = {run.systems.known_as(one.image) for one in view.tree.policies if one.image is not None}
    with run.writing() as connection:
        lanes.replace_images(connection, run.lane, images)


def _field_rows(state: LaneState, view: LaneView, now: datetime, lane: str) -> list[FieldRow]:
    """Each field with the spec under which its text came there: the known one while the text is the same."""
    return [
        FieldRow(
            lane=lane,
            stage=place.stage,
            policy=str(one.name),
            image=one.policy.image_text,
            file=place.field.file,
            line=place.field.marked.line,
            text=place.field.marked.text,
            tag=place.tag,
            spec_hash=place.came_under or spec_hash(one.policy),
            commit=view.commit,
            seen_at=now,
        )
        for one in state.policies
        for place in one.fields
    ]


def _policy_rows(state: LaneState, planned: Plan, lane: str, systems: Systems) -> list[PolicyRow]:
    outcomes = {(one.policy, one.stage): one for one in planned.outcomes}
    rows: list[PolicyRow] = []
    for one in state.policies:
        name = str(one.name)
        stages = sorted({place.stage for place in one.fields})
        said = [outcomes[name, stage] for stage in stages if (name, stage) in outcomes]
        rows.append(
            PolicyRow(
                lane=lane,
                root=one.name.root,
                namespace=one.name.namespace,
                name=one.name.name,
                file=one.policy.file,
                image=str(one.policy.image) if one.policy.image is not None else one.policy.image_text,
                repository=str(systems.known_as(one.policy.image)) if one.policy.image is not None else None,
                spec=one.policy.spec.as_json() if one.policy.spec is not None else "{}",
                stages=stages,
                selected_tag=one.selection.tag if one.selection is not None else None,
                status=_status(one),
                reason="; ".join(f"{outcome.stage}: {outcome.standing}, {outcome.reason}" for outcome in said),
            )
        )
    return rows


def _status(one: PolicyState) -> str:
    if one.problem is not None:
        return f"problem: {one.problem}"
    if one.waits_for is not None:
        return f"waiting: {one.waits_for}"
    if one.selection is not None and one.selection.tag is None:
        return f"no selection: {one.selection.message}"
    return "selected" if one.fields else "used by no field"


def _settle(
    run: LaneRun, view: LaneView, planned: Plan | None, *, look_at: datetime | None, is_settled: bool = True
) -> None:
    described = describe(view.commit, planned, reports=view.reports, problem=view.rules_problem)
    timing = run.systems.timing
    with run.database.transaction() as connection:
        is_mine = lanes.settle(
            connection,
            run.claim,
            now=run.now(),
            quiet=timing.quiet,
            next_look_at=look_at,
            last_head=view.commit if view.rules_problem is None else run.claim.last_head,
            plan=described.model_dump_json(),
            is_settled=is_settled,
        )
    if not is_mine:
        raise LostLane(run.lane)
