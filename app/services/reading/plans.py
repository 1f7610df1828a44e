"""Describe a plan as plain values: what the API, the command line and the lane's row show of it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, model_validator

from app.core.flux.tree import About, Report
from app.core.promotion.gates.answers import Asked
from app.core.promotion.plans import Plan
from app.core.promotion.proposals import Move, Proposal
from app.core.writing.texts import title
from app.db.tables import storable

Told = Annotated[str, BeforeValidator(storable)]
"""A text from the config repository, where names of files need not be UTF-8, as JSON takes it."""


class PlannedChange(BaseModel):
    """One field that a pull request sets, and the policy that it is of."""

    policy: Told
    file: Told
    line: int
    old: Told
    new: Told


class GateView(BaseModel):
    """What one gate, or who else has a say, answered of a tag: pass, wait or fail.

    One that does not count is only shown: a person asked for the tag in a way that does not wait for it.
    """

    gate: str
    verdict: str
    reason: Told
    counts: bool = True

    @classmethod
    def of(cls, answers: Iterable[Asked]) -> list[Self]:
        """Put all answers into plain values."""
        return [
            cls(gate=one.gate, verdict=one.answer.verdict, reason=one.answer.reason, counts=one.counts)
            for one in answers
        ]


class PlannedMove(BaseModel):
    """One policy that a pull request moves.

    `from_image` is the image that it moves away from, where that is another; `downward` says that it goes below what is
    in Git, and why. `gates` are all answers, also of those that did not decide.
    """

    policy: Told
    image: Told
    from_tag: str | None
    from_image: Told | None = None
    tag: str
    digest: str | None
    downward: Told | None = None
    reasons: list[Told]
    gates: list[GateView] = []


class PlannedProposal(BaseModel):
    """A pull request that should exist, for a group of policies: the name of the group, or of its only policy.

    `put_off_because` says why it is not opened or changed now.
    """

    stage: str
    group: Told
    branch: Told
    title: Told
    moves: list[PlannedMove]
    changes: list[PlannedChange]
    is_put_off: bool
    put_off_because: Told | None = None
    request: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_one_policy(cls, kept: object) -> object:
        """Plans that versions before 0.2 kept have one move each, written beside the rest."""
        if not isinstance(kept, dict) or "moves" in kept or "policy" not in kept:
            return kept
        changes = [{"policy": kept["policy"], **one} for one in kept["changes"]]
        move = {name: kept[name] for name in PlannedMove.model_fields if name in kept}
        rest = {name: kept[name] for name in PlannedProposal.model_fields if name in kept}
        return {**rest, "group": kept["policy"], "moves": [move], "changes": changes}


class PlannedOutcome(BaseModel):
    """Where one policy stands in one stage; `next_step` is what a person can do where only a person can.

    `gates` are all answers about the tag. `is_by_group`: other members of its group decided, not the policy itself.
    `request` is the one that asked for the tag.
    """

    stage: str
    policy: Told
    standing: str
    tag: str | None
    from_tag: str | None
    reason: Told
    next_step: Told | None = None
    gates: list[GateView] = []
    is_by_group: bool = False
    request: str | None = None


class PlannedClosure(BaseModel):
    """A pull request that should no longer be open; `put_off` says why it is not closed now."""

    number: int
    reason: Told
    put_off: Told | None = None


class Noticed(BaseModel):
    """Something in the config repository that people should look at; `is_error` where it is to be mended first."""

    file: Told
    line: int | None
    what: Told
    is_error: bool = False


class PlanDescription(BaseModel):
    """A lane's plan at one commit; with `problem` set, nothing could be planned.

    `broken_off` says why the lane's last run, which may be a later one, did not end, and `tried_again_at` when the next
    one begins.
    """

    commit: str
    problem: Told | None = None
    broken_off: Told | None = None
    tried_again_at: datetime | None = None
    proposals: list[PlannedProposal] = []
    closures: list[PlannedClosure] = []
    outcomes: list[PlannedOutcome] = []
    noticed: list[Noticed] = []

    @property
    def problems(self) -> list[str]:
        """What is to be mended before the lane does all that it should."""
        errors = [f"{one.file}:{one.line or 1}: {one.what}" for one in self.noticed if one.is_error]
        return [*([self.problem] if self.problem else []), *errors]


def describe(
    commit: str, planned: Plan | None, *, reports: Iterable[Report] = (), problem: str | None = None
) -> PlanDescription:
    """Put a plan into plain values."""
    planned = planned or Plan()
    reasons = {(one.stage, one.policy, one.tag): one.reason for one in planned.outcomes}
    return PlanDescription(
        commit=commit,
        problem=problem,
        proposals=[
            *(_proposal(one) for one in planned.proposals),
            *(_put_off(one, reasons) for one in planned.put_off),
        ],
        closures=[
            PlannedClosure(number=one.number, reason=one.reason, put_off=one.put_off)
            for one in (*planned.closures, *planned.kept_open)
        ],
        outcomes=[
            PlannedOutcome(
                stage=one.stage,
                policy=one.policy,
                standing=one.standing,
                tag=one.tag,
                from_tag=one.from_tag,
                reason=one.reason,
                next_step=one.next_step,
                gates=GateView.of(one.answers.every) if one.answers is not None else [],
                is_by_group=one.is_by_group,
                request=one.request,
            )
            for one in planned.outcomes
        ],
        noticed=[
            Noticed(file=one.file, line=one.line, what=one.what, is_error=one.about is About.STAGE) for one in reports
        ],
    )


def _put_off(one: Proposal, reasons: Mapping[tuple[str, str, str | None], str]) -> PlannedProposal:
    told = (reasons.get((one.stage, policy, tag)) for policy, tag in one.tags.items())
    because = "; ".join(dict.fromkeys(storable(each) for each in told if each is not None))
    return _proposal(one).model_copy(update={"is_put_off": True, "put_off_because": because or None})


def _proposal(one: Proposal) -> PlannedProposal:
    return PlannedProposal(
        stage=one.stage,
        group=one.group,
        branch=one.branch,
        title=title(one),
        moves=[_move(move) for move in one.moves],
        changes=[
            PlannedChange(
                policy=str(change.field.policy),
                file=change.field.file,
                line=change.field.marked.line,
                old=change.field.marked.text,
                new=change.new_text,
            )
            for change in one.changes
        ],
        is_put_off=False,
        request=one.request.id if one.request is not None else None,
    )


def _move(move: Move) -> PlannedMove:
    return PlannedMove(
        policy=str(move.policy),
        image=move.image,
        from_tag=move.from_tag,
        from_image=move.from_image,
        tag=move.tag,
        digest=move.digest,
        downward=None if move.downward is None else str(move.downward),
        reasons=list(move.reasons),
        gates=GateView.of(move.answers.every),
    )
