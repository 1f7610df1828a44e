"""What gates and holds add to a policy's choice in one stage, told step by step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from app.core.promotion.gates.answers import Asked, GateAnswers
from app.core.promotion.present import why_moved, why_no_tag
from app.core.promotion.state import FieldState, PolicyState
from app.core.promotion.tags import TagState
from app.core.promotion.walk import Entry, Walk, doubt_of, walk

MOST_STEPS = 20


class StepKind(StrEnum):
    """What became of one tag on the way into a stage."""

    THERE = "there"
    PASS = "pass"  # noqa: S105 (a verdict, not a password)
    WAIT = "wait"
    FAIL = "fail"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Step:
    """One tag that the walk looked at, with the reason that gates or a person gave, and what each gate answered.

    A freeze is met before any tag: its step has none.
    """

    tag: str
    kind: StepKind
    reason: str
    answers: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedStage:
    """The walk into one stage: what its fields have now, and each tag that was looked at, best first.

    `fields` are `file:line`; `doubtful` says what speaks against the tag that is there. `untold` counts the tags
    between the first steps and the last one that are left out.
    """

    stage: str
    present: tuple[str, ...]
    fields: tuple[str, ...]
    steps: tuple[Step, ...]
    untold: int
    summary: str
    doubtful: str | None = None


def explain_stage(state: PolicyState, fields: Sequence[FieldState], entry: Entry) -> ExplainedStage:
    """Walk a policy's candidates into one stage and tell what was met."""
    told = ExplainedStage(
        stage=entry.stage.name,
        present=tuple(dict.fromkeys(one.shown for one in fields if one.shown is not None)),
        fields=tuple(f"{one.field.file}:{one.field.marked.line}" for one in fields[:MOST_STEPS]),
        steps=(),
        untold=0,
        summary="",
    )
    if entry.stage.name in state.refused:
        return replace(told, summary=f"nothing is set: {state.refused[entry.stage.name]}")
    stuck = why_no_tag(state, fields)
    if stuck is not None:
        return replace(told, summary=stuck)
    found = walk(state, fields, entry)
    failed = [_step(tag, StepKind.FAIL, answer) for tag, answer in found.failed]
    end = _end(found)
    summary, moved = _summary(state, found, end), why_moved(state, fields)
    is_there = bool(end) and end[0].kind is StepKind.THERE
    return replace(
        told,
        steps=(*failed[:MOST_STEPS], *end),
        untold=max(0, len(failed) - MOST_STEPS) + found.skipped,
        summary=summary if moved is None or is_there else f"{moved}; {summary}",
        doubtful=_doubt(state, fields, entry),
    )


def _doubt(state: PolicyState, fields: Sequence[FieldState], entry: Entry) -> str | None:
    present = dict.fromkeys(one.own_tag for one in fields if one.own_tag is not None)
    return "; ".join(filter(None, (doubt_of(state, fields, entry, tag) for tag in present))) or None


def _step(tag: TagState, kind: StepKind, answers: GateAnswers) -> Step:
    return Step(tag.tag, kind, answers.reason, answers.every)


def _end(found: Walk) -> tuple[Step, ...]:
    """The tag at which the walk ended; none where every candidate failed."""
    if found.passed is not None:
        kind = StepKind.PASS if found.passed.changes else StepKind.THERE
        return (_step(found.passed.tag, kind, found.passed.answers),)
    if found.waiting is not None:
        return (_step(found.waiting[0], StepKind.WAIT, found.waiting[1]),)
    if found.held is not None:
        reason = f"held since {found.held.since:%Y-%m-%d %H:%M} UTC by {found.held.who}: {found.held.why}"
        return (Step(found.held_tag or "", StepKind.HELD, reason),)
    return ()


def _summary(state: PolicyState, found: Walk, end: Sequence[Step]) -> str:
    if state.selection is None or state.selection.tag is None:
        return "the policy selects nothing"
    if not end:
        more = f"; {found.skipped} more were not looked at" if found.skipped else ""
        return f"no candidate passes{more}" if found.failed else "the policy has nothing newer than what is there"
    [step] = end
    match step.kind:
        case StepKind.THERE:
            return f"{step.tag} is there already" + (
                f"; {found.passed.tag.doubt}" if found.passed and found.passed.tag.doubt else ""
            )
        case StepKind.PASS:
            down = found.passed.downward if found.passed is not None else None
            return f"{step.tag} may enter, {down}" if down else f"{step.tag} may enter"
        case StepKind.WAIT:
            return f"{step.tag} waits"
        case _:
            held = f"{step.tag} is held, and nothing below it is proposed"
            return held if step.tag else "nothing is proposed while this is held"
