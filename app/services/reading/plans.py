"""Describe a plan as plain values: what the API, the command line and the lane's row show of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator

from app.core.flux.tree import About, Report
from app.core.promotion.plans import Plan
from app.core.promotion.proposals import Proposal
from app.core.writing.texts import title
from app.db.tables import storable

Told = Annotated[str, BeforeValidator(storable)]
"""A text from the config repository, where names of files need not be UTF-8, as JSON takes it."""


class PlannedChange(BaseModel):
    """One field that a pull request sets."""

    file: Told
    line: int
    old: Told
    new: Told


class PlannedProposal(BaseModel):
    """A pull request that should exist.

    `from_image` is the image that it moves away from, where that is another; `downward` says that it goes below what is
    in Git, and why. `put_off_because` says why it is not opened or changed now.
    """

    stage: str
    policy: Told
    branch: Told
    title: Told
    image: Told
    from_tag: str | None
    from_image: Told | None = None
    tag: str
    digest: str | None
    downward: Told | None = None
    reasons: list[Told]
    changes: list[PlannedChange]
    is_put_off: bool
    put_off_because: Told | None = None


class PlannedOutcome(BaseModel):
    """Where one policy stands in one stage; `next_step` is what a person can do where only a person can."""

    stage: str
    policy: Told
    standing: str
    tag: str | None
    from_tag: str | None
    reason: Told
    next_step: Told | None = None


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
            *(_put_off(one, reasons.get((one.stage, one.group, one.move.tag))) for one in planned.put_off),
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
            )
            for one in planned.outcomes
        ],
        noticed=[
            Noticed(file=one.file, line=one.line, what=one.what, is_error=one.about is About.STAGE) for one in reports
        ],
    )


def _put_off(one: Proposal, because: str | None) -> PlannedProposal:
    return _proposal(one).model_copy(update={"is_put_off": True, "put_off_because": because and storable(because)})


def _proposal(one: Proposal) -> PlannedProposal:
    return PlannedProposal(
        stage=one.stage,
        policy=one.group,
        branch=one.branch,
        title=title(one),
        image=one.move.image,
        from_tag=one.move.from_tag,
        from_image=one.move.from_image,
        tag=one.move.tag,
        digest=one.move.digest,
        downward=None if one.move.downward is None else str(one.move.downward),
        reasons=list(one.move.reasons),
        changes=[
            PlannedChange(
                file=change.field.file,
                line=change.field.marked.line,
                old=change.field.marked.text,
                new=change.new_text,
            )
            for change in one.changes
        ],
        is_put_off=False,
    )
