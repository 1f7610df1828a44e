"""Explanations as plain values, for the API and the command line."""

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, JsonValue

from app.core.policies.telling.explaining import ExplainedSelection, ExplainedTag
from app.core.policies.telling.warnings import PolicyWarning
from app.core.promotion.explained_stage import ExplainedStage
from app.services.reading.plans import GateView, PlannedOutcome


def _encodable(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


# Tags out of a file and names of files may hold what no JSON document can.
Shown = Annotated[str, BeforeValidator(_encodable)]


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
    proposed, in the words of the lane's last run.
    """

    stage: str
    present: list[Shown]
    fields: list[Shown]
    steps: list[StepExplanation]
    untold: int
    summary: Shown
    doubtful: Shown | None = None
    kept_back: Shown | None = None

    @classmethod
    def of(cls, found: ExplainedStage, *, kept_back: str | None = None) -> Self:
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
