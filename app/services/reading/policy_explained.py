"""Explain a policy: the verdict on each tag that matters, what gates and holds add, and what Flux is silent about."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection

from app.core.errors import Conflict, FluxbridgeError, Invalid
from app.core.flux.objects import Policy, PolicyName
from app.core.flux.tree import assemble
from app.core.flux.warnings import warn_of_markers, warn_of_second_writers, warn_of_use
from app.core.images import ImageName, ImageReference, InvalidImage, named_in_texts
from app.core.policies.selection import compile_policy
from app.core.policies.stored import read_spec
from app.core.policies.telling.explaining import MOST_ON_A_SIDE, explain
from app.core.policies.telling.warnings import PolicyWarning, warn
from app.core.promotion.consent import in_stage, only_barred_words
from app.core.promotion.explained_stage import StepKind, explain_stage
from app.core.promotion.plans import Standing
from app.core.promotion.rules import Rules
from app.core.promotion.state import FieldState, PolicyState
from app.core.promotion.tags import TagState, is_admissible
from app.core.promotion.walk import Entry
from app.db import deliveries, holds, lanes, owed_looks
from app.db.database import Database
from app.db.lanes import LaneRow
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.heads.judge import Judge
from app.services.heads.scans import Scans
from app.services.heads.view import HeadView, view_at
from app.services.reading.plans import PlanDescription
from app.services.reading.policies import PolicyDetails
from app.services.reading.policies import policy as find_policy
from app.services.reading.policy_explained import (
    LeftOut,
    PolicyExplanation,
    SelectionExplanation,
    StageExplanation,
    WarningView,
)
from app.services.systems import Systems

_MOST_MARKERS = 20
_MOST_LEFT_OUT = 5
_MOST_OWED = 10
_UNKNOWN_SPEC = "its spec is not known; the next run of its lane writes it down"


class NoSuchPush(Invalid):
    """A push that should be tried out is none of the policy's image."""

    def __init__(self, push: str, problem: str) -> None:
        super().__init__(f"the push {push[:300]!r} cannot be tried: {problem}")


class UnusablePolicy(Conflict):
    """A policy has no spec by which anything could be selected."""

    def __init__(self, policy: PolicyDetails) -> None:
        super().__init__(f"{policy.file}: {policy.namespace}/{policy.name} selects nothing: {policy.status}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which policy is asked about, and the `image:tag` whose push is to be tried out, if any.

    `repo` and `root` are needed only where the name is ambiguous.
    """

    namespace: str
    name: str
    repo: str | None = None
    root: str | None = None
    push: str | None = None


@dataclass(slots=True)
class FoundPolicy:
    """What is known of the policy in question; `view` is None where its commit cannot be read on this machine.

    `kept_back` are the words of its lane's last run on tags, by stage and policy, that may enter and are not proposed.
    """

    details: PolicyDetails
    lane: LaneRow | None
    systems: Systems
    scans: Scans
    now: datetime
    view: HeadView | None = None
    kept_back: Mapping[tuple[str, str, str | None], str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def lane_key(self) -> str:
        """The key of the policy's lane."""
        return lanes.key_of(self.details.repo, self.details.branch)


def explain_policy(
    database: Database, systems: Systems, question: Question, *, scans: Scans, now: datetime
) -> PolicyExplanation:
    """Explain a policy as its lane's last run saw it, by what the database knows now. No other system is asked.

    Raises NoSuchPolicy, AmbiguousPolicy, InvalidImage, NoSuchPush.
    """
    with database.transaction() as connection:
        details = find_policy(
            connection, namespace=question.namespace, name=question.name, repo=question.repo, root=question.root
        )
    pushed = None if question.push is None else _pushed_tag(question.push, details, systems)
    found, state = find_state(database, systems, details, scans=scans, now=now)
    state = _with_push(state, pushed, now)
    with database.transaction() as connection:
        stages = list(_stages(connection, found, state))
        if state.barred_tags and state.with_changes is None:
            found.notes.append(only_barred_words(state.name, state.barred_tags))
        if pushed is not None:
            found.notes += _left_out_reports(connection, found, pushed)
        found.notes += _owed_notes(connection, state, systems)
    return PolicyExplanation(
        **_named(details),
        commit=found.lane.last_head if found.lane is not None else None,
        problem=state.problem,
        waits_for=state.waits_for,
        tags=_tags(state, pushed),
        left_out=_left_out(state),
        stages=stages,
        warnings=[WarningView.of(one) for one in _warnings(found, state)],
        notes=found.notes,
    )


def find_state(
    database: Database, systems: Systems, details: PolicyDetails, *, scans: Scans, now: datetime
) -> tuple[FoundPolicy, PolicyState]:
    """A policy with all its tags, by what the database knows now and its lane's last run saw."""
    [one] = find_states(database, systems, [details], scans=scans, now=now)
    return one


def find_states(
    database: Database, systems: Systems, policies: Iterable[PolicyDetails], *, scans: Scans, now: datetime
) -> Iterator[tuple[FoundPolicy, PolicyState]]:
    """Policies in turn as `find_state` finds them, with one look into the config repository for each lane."""
    seen: dict[str, FoundPolicy] = {}
    for details in policies:
        key = lanes.key_of(details.repo, details.branch)
        if key not in seen:
            with database.transaction() as connection:
                lane = lanes.find(connection, key)
            seen[key] = FoundPolicy(details, lane, systems, scans, now)
            seen[key].kept_back = _kept_back(lane)
            # Reading the mirror runs git, which no transaction waits for.
            seen[key].view = _view(seen[key])
        found = replace(seen[key], details=details, notes=list(seen[key].notes))
        yield found, _state(database, found)


def _kept_back(lane: LaneRow | None) -> Mapping[tuple[str, str, str | None], str]:
    if lane is None or lane.plan is None:
        return {}
    planned = PlanDescription.model_validate_json(lane.plan)
    put_off = {(one.stage, move.policy, move.tag) for one in planned.proposals if one.is_put_off for move in one.moves}
    return {
        place: f"{one.standing}: {one.reason}" + (f"; what you can do: {one.next_step}" if one.next_step else "")
        for one in planned.outcomes
        if (place := (one.stage, one.policy, one.tag)) in put_off or one.standing == Standing.LEFT
    }


def entries_of(
    connection: Connection, found: FoundPolicy, state: PolicyState
) -> Iterator[tuple[PolicyState, Sequence[FieldState], Entry]]:
    """A policy as each stage that has a field of it sees it, with those fields and what the walk asks besides.

    None where nothing is walked; the policy's commit has to be on this machine.
    """
    if found.view is None or state.selection is None or state.waits_for is not None:
        return
    held = tuple(holds.active(connection, found.lane_key))
    for stage in found.view.rules.stages:
        fields = [one for one in state.fields if one.stage == stage.name]
        if fields or stage.name in state.refused:
            within = found.systems.timing.build_within
            entry = Entry(stage=stage, holds=held, now=found.now, build_within=within)
            yield in_stage(state, stage, found.view.rules), fields, entry


def _owed_notes(connection: Connection, state: PolicyState, systems: Systems) -> Iterator[str]:
    """What the registry has still to say of the policy's image, the first of it."""
    if state.policy.image is None:
        return
    owed = owed_looks.of_image(connection, systems.known_as(state.policy.image))
    for one in owed[:_MOST_OWED]:
        again = f"; asked again at {one.due_at:%Y-%m-%d %H:%M:%S} UTC"
        yield f"{one}: the registry has not answered yet" + (f": {one.error}{again}" if one.error else "")
    if owed[_MOST_OWED:]:
        yield f"the registry has not answered yet of {len(owed) - _MOST_OWED} more"


def explain_tags(details: PolicyDetails, tags: Iterable[str], *, now: datetime) -> PolicyExplanation:
    """Explain what a policy's spec would select among these tags only. Raises InvalidPolicy, UnusablePolicy."""
    spec = read_spec(details.spec)
    if spec is None:
        raise UnusablePolicy(details)
    selection = compile_policy(spec).select(tags)
    warnings = warn(spec, place=details.file, seen=(selection, now))
    return PolicyExplanation(
        **_named(details),
        tags=SelectionExplanation.of(explain(spec, selection)),
        warnings=[WarningView.of(one) for one in warnings],
    )


def _named(details: PolicyDetails) -> dict[str, str]:
    wanted = {"repo", "branch", "root", "namespace", "name", "file", "image", "spec"}
    return details.model_dump(include=wanted)


def _pushed_tag(push: str, details: PolicyDetails, systems: Systems) -> str:
    reference = ImageReference.parse(push)
    if reference.tag is None:
        raise NoSuchPush(push, "it names no tag; write it as image:tag")
    if details.image not in {str(reference.name), str(systems.known_as(reference.name))}:
        raise NoSuchPush(push, f"the policy chooses from {details.image}; name a tag of that image")
    return reference.tag


def _view(found: FoundPolicy) -> HeadView | None:
    """The config repository at the commit of the lane's last run, if the mirror on this machine has it."""
    repo = found.systems.config_repos.get(found.details.repo)
    commit = found.lane.last_head if found.lane is not None else None
    if repo is None or commit is None:
        return None
    try:
        return view_at(repo.repository, found.scans, commit, are_rules_required=repo.are_rules_required)
    except FluxbridgeError as error:
        found.notes.append(f"the config repository cannot be read here: {error}")
        return None


def _state(database: Database, found: FoundPolicy) -> PolicyState:
    """The policy with its tags; from the mirror with its fields, else from what its lane's last run wrote down."""
    name = PolicyName(found.details.root, found.details.namespace, found.details.name)
    view = found.view or _empty_view(found.now)
    policy = next((one for one in view.tree.policies if one.name == name), None)
    if policy is None:
        found.view = None
        policy = _stored_policy(found.details, name)
    narrowed = replace(view, tree=replace(view.tree, policies=(policy,)))
    judge = Judge(database=database, systems=found.systems, ready=ReadyPolicies(), clock=lambda: found.now)
    [state] = judge.in_full(narrowed, found.lane_key, {str(name)})
    return state


def _empty_view(now: datetime) -> HeadView:
    return HeadView(
        commit="",
        committed_at=now,
        entries={},
        rules=Rules(),
        rules_problem=None,
        tree=assemble({}),
        staged=(),
        reports=(),
    )


def _stored_policy(details: PolicyDetails, name: PolicyName) -> Policy:
    spec, image, problem = read_spec(details.spec), None, None
    try:
        image = ImageName.parse(details.image)
    except InvalidImage as error:
        problem = str(error)
    if spec is None:
        is_told = details.status.startswith("problem: ")
        problem = details.status.removeprefix("problem: ") if is_told else _UNKNOWN_SPEC
    return Policy(name=name, file=details.file, image=image, image_text=details.image, spec=spec, problem=problem)


def _with_push(state: PolicyState, pushed: str | None, now: datetime) -> PolicyState:
    """The state after a push of this tag, of which nothing else is known."""
    if pushed is None or state.compiled is None:
        return state
    tags = dict(state.tags)
    if pushed not in tags or tags[pushed].is_gone:
        tags[pushed] = TagState(tag=pushed, digest=None, first_seen_at=now)
    selection = state.compiled.select({pushed, *(state.selection.verdicts if state.selection is not None else ())})
    with_changes = state.with_changes
    if with_changes is not None:
        with_changes = state.compiled.select({pushed, *with_changes.verdicts})
    barred = state.barred_tags if selection.tag is None else ()
    return replace(state, tags=tags, selection=selection, with_changes=with_changes, barred_tags=barred)


def _tags(state: PolicyState, pushed: str | None) -> SelectionExplanation | None:
    selection = state.with_changes or state.selection
    if state.policy.spec is None or selection is None:
        return None
    return SelectionExplanation.of(explain(state.policy.spec, selection, asked=pushed))


def _left_out(state: PolicyState) -> LeftOut:
    present = [known for known in state.tags.values() if not known.is_gone]
    selection = state.with_changes or state.selection
    selected = selection.verdicts if selection is not None else {}
    barred = sorted(one.tag for one in present if not is_admissible(one) and one.tag not in selected)
    return LeftOut(gone=len(state.tags) - len(present), barred=len(barred), barred_tags=barred[-MOST_ON_A_SIDE:])


def _left_out_reports(connection: Connection, found: FoundPolicy, pushed: str) -> Iterator[str]:
    """What told of this tag and did not count, as its source may not speak for it."""
    try:
        image = found.systems.known_as(ImageName.parse(found.details.image))
    except InvalidImage:
        return
    named = named_in_texts(f"{image}:{pushed}")
    for row in deliveries.mentioning(connection, named, limit=_MOST_LEFT_OUT):
        outcome = row.outcome or ""
        if outcome.startswith(deliveries.IGNORED) and named.search(outcome):
            yield f"delivery {row.id} of {row.received_at:%Y-%m-%d %H:%M} UTC: {outcome[:500]}"


def _stages(connection: Connection, found: FoundPolicy, state: PolicyState) -> Iterator[StageExplanation]:
    """The walk into each stage; without the config repository what the lane's last run told of it."""
    if found.view is None:
        yield from _told_stages(found, str(state.name))
    for staged, fields, entry in entries_of(connection, found, state):
        explained = explain_stage(staged, fields, entry)
        entering = next((one.tag for one in explained.steps if one.kind is StepKind.PASS), None)
        kept_back = found.kept_back.get((entry.stage.name, str(state.name), entering))
        yield StageExplanation.of(explained, kept_back=kept_back)


def _told_stages(found: FoundPolicy, name: str) -> Iterator[StageExplanation]:
    if found.lane is None or found.lane.plan is None:
        return
    found.notes.append("what gates and holds add is as the lane's last run told it")
    for one in PlanDescription.model_validate_json(found.lane.plan).outcomes:
        if one.policy == name:
            yield StageExplanation.told(one)


def _warnings(found: FoundPolicy, state: PolicyState) -> Iterator[PolicyWarning]:
    policy = state.policy
    if policy.spec is not None:
        seen = None if state.selection is None else (state.selection, found.now)
        reflection = None if found.view is None else policy.digest_reflection
        yield from warn(policy.spec, place=policy.file, digest_reflection=reflection, seen=seen)
    if found.view is not None:
        tree = found.view.tree
        fields = [one for one in tree.fields if one.policy == policy.name]
        is_refused = any(one.policy == policy.name for one in tree.refused)
        yield from warn_of_use(policy, fields, is_refused=is_refused)
        yield from warn_of_second_writers(tree, fields)
        # One of these may be a marker that was meant for it: where it has fields, in their files.
        files = {one.file for one in fields}
        near = [one for one in tree.reports if one.file in files] if fields else tree.reports
        yield from islice(warn_of_markers(near), _MOST_MARKERS)
