"""Explain a policy: the verdict on each tag that matters, what gates and holds add, and what Flux is silent about."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Self

from pydantic import BaseModel, JsonValue
from sqlalchemy import Connection

from app.core.errors import Conflict, Invalid
from app.core.flux.warnings import warn_of_markers, warn_of_second_writers, warn_of_use
from app.core.images import ImageName, ImageReference, InvalidImage, named_in_texts
from app.core.policies.selection import compile_policy
from app.core.policies.stored import read_spec
from app.core.policies.telling.explaining import MOST_ON_A_SIDE, ExplainedSelection, ExplainedTag, explain
from app.core.policies.telling.warnings import PolicyWarning, warn
from app.core.promotion.consent import only_barred_words
from app.core.promotion.explained_stage import ExplainedStage, StepKind, explain_stage
from app.core.promotion.state import PolicyState
from app.core.promotion.tags import TagState, is_admissible
from app.db import deliveries, owed_answers
from app.db.database import Database
from app.services.heads.scans import Scans
from app.services.reading.found_policies import FoundPolicy, entries_of, find_state
from app.services.reading.pages import Shown
from app.services.reading.plans import GateView, PlanDescription, PlannedOutcome
from app.services.reading.policies import PolicyDetails
from app.services.reading.policies import policy as find_policy
from app.services.reading.requests import words_by_stage
from app.services.systems import Systems

_MOST_MARKERS = 20
_MOST_LEFT_OUT = 5
_MOST_OWED = 10


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


class TagExplanation(BaseModel):
    """One tag with its verdict and the reason in full.

    Verdicts: chosen, lost, same_key, excluded, not_matched, not_a_version, prerelease, outside_range, not_a_number.
    """

    tag: Shown
    verdict: str
    reason: Shown

    @classmethod
    def of(cls, one: ExplainedTag) -> Self:
        """Put it into plain values."""
        return cls(tag=one.tag, verdict=one.kind, reason=one.reason)


class SelectionExplanation(BaseModel):
    """What a policy makes of all its tags: how many got which verdict, and the chosen one among its neighbours.

    `above` are kept out although the policy's order puts them before the chosen one, `below` come behind it, both best
    first; `unplaced` are examples of those without a place in the order; `asked` is the tag that was asked about.
    """

    tag: Shown | None
    error: str | None
    message: Shown
    is_tie: bool
    total: int
    counts: dict[str, int]
    chosen: TagExplanation | None
    above: list[TagExplanation]
    below: list[TagExplanation]
    unplaced: list[TagExplanation]
    asked: TagExplanation | None

    @classmethod
    def of(cls, found: ExplainedSelection) -> Self:
        """Put it into plain values."""
        return cls(
            tag=found.tag,
            error=found.error,
            message=found.message,
            is_tie=found.is_tie,
            total=found.total,
            counts={kind.value: count for kind, count in found.counts.items()},
            chosen=TagExplanation.of(found.chosen) if found.chosen is not None else None,
            above=[TagExplanation.of(one) for one in found.above],
            below=[TagExplanation.of(one) for one in found.below],
            unplaced=[TagExplanation.of(one) for one in found.unplaced],
            asked=TagExplanation.of(found.asked) if found.asked is not None else None,
        )


class StepExplanation(BaseModel):
    """What gates or a person said of one tag: there, pass, wait, fail or held; `gates` are all answers."""

    tag: Shown
    outcome: str
    reason: Shown
    gates: list[GateView] = []


class StageExplanation(BaseModel):
    """What gates and holds add in one stage: the tags that were looked at, best first.

    `untold` are further ones, which are left out here. `doubtful` says what speaks against the tag that is there: its
    build did not end well, or its registry may have it no more. `kept_back` says why a tag that may enter is not
    proposed, in the words of the lane's last run. `asked` is what somebody asked for there, instead of these steps.
    """

    stage: str
    present: list[Shown]
    fields: list[Shown]
    steps: list[StepExplanation]
    untold: int
    summary: Shown
    doubtful: Shown | None = None
    kept_back: Shown | None = None
    asked: Shown | None = None

    @classmethod
    def of(cls, found: ExplainedStage, *, kept_back: str | None = None, asked: str | None = None) -> Self:
        """Put it into plain values."""
        return cls(
            stage=found.stage,
            present=list(found.present),
            fields=list(found.fields),
            steps=[
                StepExplanation(tag=one.tag, outcome=one.kind, reason=one.reason, gates=GateView.of(one.answers))
                for one in found.steps
            ],
            untold=found.untold,
            summary=found.summary,
            doubtful=found.doubtful,
            kept_back=kept_back,
            asked=asked,
        )

    @classmethod
    def told(cls, one: PlannedOutcome) -> Self:
        """What an earlier run said of the stage."""
        present = [] if one.from_tag is None else [one.from_tag]
        summary = f"{one.standing}{f' {one.tag}' if one.tag else ''}: {one.reason}"
        return cls(stage=one.stage, present=present, fields=[], steps=[], untold=0, summary=summary)


class WarningView(BaseModel):
    """What Flux is silent about, where, and what to do."""

    kind: str
    place: Shown
    message: Shown

    @classmethod
    def of(cls, one: PolicyWarning) -> Self:
        """Put it into plain values."""
        return cls(kind=one.kind, place=one.place, message=one.message)


class LeftOut(BaseModel):
    """Known tags that are no candidates at all: gone from the registry, or built for change requests only."""

    gone: int = 0
    barred: int = 0
    barred_tags: list[Shown] = []


class PolicyExplanation(BaseModel):
    """Why a policy selects what it selects, and what becomes of that in each stage.

    `problem` or `waits_for` say why there is no selection; `commit` is the one that the lane's last run saw.
    """

    repo: str
    branch: str
    root: str
    namespace: str
    name: str
    file: Shown
    image: str
    spec: JsonValue
    commit: str | None = None
    problem: Shown | None = None
    waits_for: str | None = None
    tags: SelectionExplanation | None = None
    left_out: LeftOut = LeftOut()
    stages: list[StageExplanation] = []
    warnings: list[WarningView] = []
    notes: list[Shown] = []


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
    reference = ImageReference.parse_any(push)
    if reference.tag is None:
        raise NoSuchPush(push, "it names no tag; write it as image:tag")
    if details.image not in {str(reference.name), str(systems.known_as(reference.name))}:
        raise NoSuchPush(push, f"the policy chooses from {details.image}; name a tag of that image")
    return reference.tag


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
        image = found.systems.known_as(ImageName.parse_any(found.details.image))
    except InvalidImage:
        return
    named = named_in_texts(f"{image}:{pushed}")
    for row in deliveries.mentioning(connection, named, limit=_MOST_LEFT_OUT):
        outcome = row.outcome or ""
        if outcome.startswith(deliveries.IGNORED) and named.search(outcome):
            yield f"delivery {row.id} of {row.received_at:%Y-%m-%d %H:%M} UTC: {outcome[:500]}"


def _owed_notes(connection: Connection, state: PolicyState, systems: Systems) -> Iterator[str]:
    """What the registry has still to say of the policy's image, the first of it."""
    if state.policy.image is None:
        return
    owed = owed_answers.of_image(connection, systems.known_as(state.policy.image))
    for one in owed[:_MOST_OWED]:
        again = f"; asked again at {one.due_at:%Y-%m-%d %H:%M:%S} UTC"
        yield f"{one}: the registry has not answered yet" + (f": {one.error}{again}" if one.error else "")
    if owed[_MOST_OWED:]:
        yield f"the registry has not answered yet of {len(owed) - _MOST_OWED} more"


def _stages(connection: Connection, found: FoundPolicy, state: PolicyState) -> Iterator[StageExplanation]:
    """The walk into each stage; without the config repository what the lane's last run told of it."""
    if found.view is None:
        yield from _told_stages(found, str(state.name))
    asked = words_by_stage(connection, found.lane_key, str(state.name))
    for staged, fields, entry in entries_of(connection, found, state):
        explained = explain_stage(staged, fields, entry)
        entering = next((one.tag for one in explained.steps if one.kind is StepKind.PASS), None)
        kept_back = found.kept_back.get((entry.stage.name, str(state.name), entering))
        yield StageExplanation.of(explained, kept_back=kept_back, asked=asked.get(entry.stage.name))


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
