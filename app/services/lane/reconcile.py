"""Reconcile a lane: look at its whole present state and make Git agree with the facts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from app.core.errors import FluxbridgeError, Refused
from app.core.facts import US
from app.core.flux.tree import Report
from app.core.promotion.consent import only_barred_words
from app.core.promotion.leaving import MOVED, PUSHED
from app.core.promotion.planning import plan
from app.core.promotion.plans import Plan
from app.core.promotion.requests import RequestState
from app.core.promotion.state import LaneState, OpenPullRequest, PolicyState
from app.db import (
    catalogue,
    fields,
    holds,
    lanes,
    listing_wishes,
    owed_answers,
    policies,
    promotions,
    pull_requests,
    requests,
    selections,
)
from app.db.fields import FieldRow
from app.db.policies import PolicyRow
from app.db.promotions import PromotionRow, PromotionState
from app.db.pull_requests import PullRequestRow
from app.db.requests import RequestRow
from app.services.heads.view import HeadView, view_at
from app.services.lane.expect_flux import held_at, remember_expected
from app.services.lane.follow_flux import follow_flux
from app.services.lane.follow_git import follow_git
from app.services.lane.follow_renames import follow_renames, orphans
from app.services.lane.follow_requests import follow_requests
from app.services.lane.follow_up import Followed, follow_pull_requests
from app.services.lane.hold import note_holds_in_git
from app.services.lane.learn_digests import digests_due_at, learn_digests
from app.services.lane.leave_to_people import tell_left
from app.services.lane.propose import Proposer
from app.services.lane.published import with_published
from app.services.lane.record_plan import record_outcomes, without_undone
from app.services.lane.run import LaneRun, LostLane
from app.services.reading.plans import describe
from app.services.systems import Systems
from app.services.work.backoff import backoff


class NoBaseBranch(Refused):
    """The base branch of a lane is not in its config repository."""

    def __init__(self, repo: str, branch: str) -> None:
        super().__init__(
            f"config repository {repo} has no branch {branch!r}: push it, or mend config_repos.{repo}.branch"
        )


def reconcile(run: LaneRun) -> None:
    """Run the lane once and settle it. Raises LostLane when another worker took it over."""
    heads, followed = _follow(run)
    head = heads[run.claim.branch]
    view = view_at(run.repo.repository, run.scans, head, are_rules_required=run.repo.are_rules_required)
    if view.rules_problem is not None:
        _settle(run, view, None, look_at=None)
        return
    _remember_images(run, view)
    note_holds_in_git(run, view)
    if follow_renames(run, view):
        # What is open, and what it carries, goes by the new names.
        reconcile(run)
        return
    policies_seen = run.judge.by_stored_choice(view, run.lane)
    is_untold = follow_git(run, view, policies_seen) or followed.is_untold
    follow_flux(run, head)
    if learn_digests(run, policies_seen):
        policies_seen = run.judge.by_stored_choice(view, run.lane)
    follow_requests(run, policies_seen)
    state = with_published(run, read_state(run, view, policies_seen, followed))
    planned = plan(state, run.now(), build_within=run.systems.timing.build_within)
    if planned.unsettled:
        state = with_published(run, _with_all_tags(state, run.judge.in_full(view, run.lane, planned.unsettled)))
        planned = plan(state, run.now(), build_within=run.systems.timing.build_within)
    planned, is_settled = _carry_out(run, view, planned, heads, followed)
    looks = [planned.next_look_at, digests_due_at(state.policies, run.now())]
    if not is_settled:
        looks.append(run.now() + backoff(run.claim.attempts))
    if state.open_pull_requests or planned.proposals or followed.lent or is_untold:
        looks.append(run.now() + run.systems.timing.pull_requests_every)
    _remember(run, view, state, planned)
    _drop_unused_selections(run)
    look_at = min(filter(None, looks), default=None)
    noticed = (*view.reports, *orphans(view, state.holds))
    _settle(run, view, planned, look_at=look_at, noticed=noticed, is_settled=is_settled)


def _follow(run: LaneRun) -> tuple[Mapping[str, str], Followed]:
    """The branches as they are now, and how our pull requests stand on just these. Raises NoBaseBranch."""
    while True:
        heads = run.repo.repository.fetch()
        if run.claim.branch not in heads:
            raise NoBaseBranch(run.repo.name, run.claim.branch)
        followed = follow_pull_requests(run, heads)
        if not followed.is_behind:
            return heads, followed


def read_state(run: LaneRun, view: HeadView, seen: tuple[PolicyState, ...], followed: Followed) -> LaneState:
    """Everything that `plan` needs: the policies, and what people and we have open, held or wanted."""
    with run.database.transaction() as connection:
        rows = pull_requests.open_in(connection, run.lane)
        open_ones = promotions.open_in(connection, run.lane)
        held = tuple(holds.active(connection, run.lane))
        asked = requests.open_in(connection, run.lane)
        carried = {row.request for row in rows if row.request is not None}
        ended = {key: row for key in carried if (row := requests.find(connection, key)) is not None}
    return LaneState(
        prefix=run.repo.prefix,
        base=run.claim.branch,
        rules=view.rules,
        policies=_with_proposed_digests(seen, open_ones),
        holds=held,
        requests=tuple(row.request for row in asked),
        open_pull_requests=tuple(_open_one(row, followed, ended) for row in rows if row.number in followed.open),
        began={(row.stage, row.policy, row.tag): row.began_at for row in open_ones},
        taken=_taken(followed),
        lent=followed.lent,
        is_observing=run.repo.is_observing,
        update_every=run.repo.update_every,
    )


def _open_one(row: PullRequestRow, followed: Followed, requested: Mapping[str, RequestRow]) -> OpenPullRequest:
    """What it carries is what its branch's head says, not what was about to be written down of it."""
    head = followed.carried.get(row.branch)
    is_taken = head is None and row.branch in followed.carried
    asked = requested.get(row.request or "")
    is_ended = asked is not None and asked.state is not RequestState.OPEN
    return OpenPullRequest(
        number=row.number,
        stage=row.stage,
        group=row.group,
        tags=head.tags if head is not None and row.tags else row.tags,
        branch=row.branch,
        left_because=MOVED if not row.tags else PUSHED if is_taken else None,
        given_at=head.recorded_at if head is not None else None,
        request=row.request,
        ended=f"{asked.request.asked}; that ended: {asked.ended_why}" if asked is not None and is_ended else None,
    )


def _taken(followed: Followed) -> Mapping[str, int | None]:
    numbers = {seen.head: number for number, seen in followed.listed.items()}
    return {branch: numbers.get(branch) for branch, head in followed.carried.items() if head is None}


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
    run: LaneRun, view: HeadView, planned: Plan, heads: Mapping[str, str], followed: Followed
) -> tuple[Plan, bool]:
    """Returns the plan without what could not be done, and whether nothing of it has to be tried again."""
    tell_left(run, planned.left)
    ids = record_outcomes(run, planned)
    proposer = Proposer(run, view, heads, followed.open, ids)
    try:
        is_settled = proposer.carry_out(planned)
    except FluxbridgeError as error:
        _keep_plan(run, view, without_undone(run, planned, ids, str(error)))
        raise
    return planned.without(proposer.kept_back, proposer.kept_open), is_settled


def _keep_plan(run: LaneRun, view: HeadView, planned: Plan) -> None:
    """What a run that is broken off would have done: else the plan before it would be shown as if it were still so."""
    described = describe(view.commit, planned, reports=view.reports)
    with run.database.transaction() as connection:
        lanes.keep_plan(connection, run.claim, described.model_dump_json())


def _remember(run: LaneRun, view: HeadView, state: LaneState, planned: Plan) -> None:
    """Keep what this run saw: fields with the spec they came under, policies, the images that make the lane due."""
    held = list(held_at(run, view))
    with run.writing() as connection:
        fields.replace_all(connection, run.lane, _field_rows(state, view, run.now(), run.lane))
        policies.replace_all(connection, run.lane, _policy_rows(state, planned, run.lane, run.systems))
        remember_expected(connection, run.lane, held)
    # Facts of images, not the lane's own: who holds the lane's row must not wait for an image that a delivery holds.
    for one in state.policies:
        if one.is_unlisted and one.policy.image is not None:
            with run.database.transaction() as connection:
                listing_wishes.wish_listing(connection, run.systems.known_as(one.policy.image), run.now())
    _owe_doubted(run, state)


def _owe_doubted(run: LaneRun, state: LaneState) -> None:
    """Have the registry asked what nobody asked it yet.

    That is whether tags in Git that lists lack are gone, and whether chosen tags are there of which only a sender told.
    """
    for one in state.policies:
        there = {place.own_tag for place in one.fields if place.own_tag is not None}
        doubted = {tag: True for tag in there if _is_doubted(one, tag)}
        doubted |= {tag: False for tag in one.chosen_tags if one.tags[tag].unshown is not None}
        if doubted and one.policy.image is not None:
            image = run.systems.known_as(one.policy.image)
            with run.database.transaction() as connection:
                for tag, is_deletion in sorted(doubted.items()):
                    owed_answers.owe_once(connection, image, tag, is_deletion=is_deletion, source=US, now=run.now())


def _is_doubted(one: PolicyState, tag: str) -> bool:
    return tag in one.tags and one.tags[tag].is_unlisted and one.tags[tag].doubt is not None


def _drop_unused_selections(run: LaneRun) -> None:
    with run.database.transaction() as connection:
        unused = selections.images_of_unused(connection)
    for image in unused:
        with run.database.transaction() as connection:
            catalogue.lock(connection, [image], run.now())
            selections.drop_unused(connection, image)


def _remember_images(run: LaneRun, view: HeadView) -> None:
    """Before anything is read: a push that comes while this run works must find the lane."""
    images = {run.systems.known_as(one.image) for one in view.tree.policies if one.image is not None}
    with run.writing() as connection:
        lanes.replace_images(connection, run.lane, images)


def _field_rows(state: LaneState, view: HeadView, now: datetime, lane: str) -> list[FieldRow]:
    """Each field with the spec under which its text came there: the known one while the text is the same."""
    return [
        FieldRow(
            lane=lane,
            stage=place.stage,
            policy=str(one.name),
            image=place.other_image or one.policy.image_text,
            file=place.field.file,
            line=place.field.marked.line,
            text=place.field.marked.text,
            tag=place.tag,
            spec_hash=place.came_under or "",
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
        stages = sorted({place.stage for place in one.fields} | one.refused.keys())
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
                selected_tag=next(reversed(one.chosen_tags), None),
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
    if one.barred_tags and one.with_changes is None:
        return f"barred: {only_barred_words(one.name, one.barred_tags)}"
    if one.selection is not None and not one.chosen_tags:
        return f"no selection: {one.selection.message}"
    return "selected" if one.fields or one.refused else "used by no field"


def _settle(  # noqa: PLR0913 (what the run leaves behind, all named)
    run: LaneRun,
    view: HeadView,
    planned: Plan | None,
    *,
    look_at: datetime | None,
    noticed: Sequence[Report] = (),
    is_settled: bool = True,
) -> None:
    described = describe(view.commit, planned, reports=noticed or view.reports, problem=view.rules_problem)
    with run.database.transaction() as connection:
        is_mine = lanes.settle(
            connection,
            run.claim,
            now=run.now(),
            next_look_at=look_at,
            last_head=view.commit if view.rules_problem is None else run.claim.last_head,
            plan=described.model_dump_json(),
            problem=view.rules_problem or _problem(planned),
            is_settled=is_settled,
        )
    if not is_mine:
        raise LostLane(run.lane)


def _problem(planned: Plan | None) -> str | None:
    """What people should hear of first: how much could not be done, and why the first of it."""
    kept = planned.kept_back if planned is not None else ()
    if not kept:
        return None
    more = f" (and {len(kept) - 1} more: see the plan)" if len(kept) > 1 else ""
    return f"{kept[0][:1000]}{more}"
