"""Find a policy with its tags and fields as its lane's last run saw them, to be explained."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from app.core.errors import FluxbridgeError
from app.core.flux.objects import Policy, PolicyName
from app.core.flux.tree import assemble
from app.core.images import ImageName, InvalidImage
from app.core.policies.stored import read_spec
from app.core.promotion.consent import in_stage
from app.core.promotion.plans import Standing
from app.core.promotion.rules import Rules
from app.core.promotion.state import FieldState, PolicyState
from app.core.promotion.walk import Entry
from app.db import holds, lanes
from app.db.database import Database
from app.db.lanes import LaneRow
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.heads.judge import Judge
from app.services.heads.scans import Scans
from app.services.heads.view import HeadView, view_at
from app.services.reading.plans import PlanDescription
from app.services.reading.policies import PolicyDetails
from app.services.systems import Systems

_UNKNOWN_SPEC = "its spec is not known; the next run of its lane writes it down"


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
        if (place := (one.stage, one.policy, one.tag)) in put_off or one.is_by_group or one.standing == Standing.LEFT
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
        image = ImageName.parse_any(details.image)
    except InvalidImage as error:
        problem = str(error)
    if spec is None:
        is_told = details.status.startswith("problem: ")
        problem = details.status.removeprefix("problem: ") if is_told else _UNKNOWN_SPEC
    return Policy(name=name, file=details.file, image=image, image_text=details.image, spec=spec, problem=problem)
