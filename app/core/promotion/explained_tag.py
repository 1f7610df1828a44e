"""Why one tag is, or is not, proposed in a stage: from being a candidate at all to the gate that decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.core.promotion.state import FieldState, PolicyState
from app.core.promotion.tags import TagState, is_admissible
from app.core.promotion.walk import Entry, Walk, ask_gates, candidates_for, doubt_of, have_it, walk

_MOST_BUILDS = 3


class TagPlace(StrEnum):
    """Where a tag stands in one stage."""

    THERE = "there"
    ENTERS = "enters"
    WAITS = "waits"
    REFUSED = "refused"
    HELD = "held"
    BEHIND = "behind"
    LOWER = "lower"
    NO_CANDIDATE = "no candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedPlace:
    """Where a tag stands in one stage and why; `gates` is what they say of it, whether its turn came or not.

    `doubtful` says what speaks against one that is there.
    """

    stage: str
    place: TagPlace
    reason: str
    gates: str | None = None
    doubtful: str | None = None


def why_no_candidate(state: PolicyState, tag: str) -> str | None:
    """Why a policy may not choose a tag at all; None where it may. The policy has a selection among all its tags."""
    verdict = state.selection.verdicts.get(tag) if state.selection is not None else None
    if verdict is not None:
        return None if state.selection is not None and tag in state.selection.ranked else verdict.reason
    known = state.tags.get(tag)
    if known is None:
        return "nobody has told of this tag: no delivery, no build and no list of its repository"
    if known.is_gone:
        return "the registry no longer has it"
    if not is_admissible(known):
        return f"only builds of change requests or of our own branches reported it: {_builds_of(known)}"
    return "it is not among the policy's candidates"


def explain_tag(state: PolicyState, fields: Sequence[FieldState], entry: Entry, tag: str) -> ExplainedPlace:
    """Tell where a tag stands in the stage of these fields."""
    stage = entry.stage.name
    why = why_no_candidate(state, tag)
    if have_it(fields, tag):
        doubt = doubt_of(state, fields, entry, tag)
        return ExplainedPlace(stage=stage, place=TagPlace.THERE, reason="the base branch has it", doubtful=doubt)
    if why is not None:
        return ExplainedPlace(stage=stage, place=TagPlace.NO_CANDIDATE, reason=why)
    found = walk(state, fields, entry)
    place, reason = _met(found, tag) or _not_met(state, fields, found, tag)
    return ExplainedPlace(stage=stage, place=place, reason=reason, gates=_gates(state, fields, entry, tag))


def _met(found: Walk, tag: str) -> tuple[TagPlace, str] | None:
    """What became of a tag that the walk came to."""
    if found.passed is not None and found.passed.tag.tag == tag:
        return (TagPlace.ENTERS if found.passed.changes else TagPlace.THERE), found.passed.answers.reason
    if found.waiting is not None and found.waiting[0].tag == tag:
        return TagPlace.WAITS, found.waiting[1].reason
    failed = next((answers for known, answers in found.failed if known.tag == tag), None)
    if failed is not None:
        return TagPlace.REFUSED, failed.reason
    if found.held is not None and found.held_tag in {None, tag}:
        return TagPlace.HELD, found.held.words
    return None


def _not_met(state: PolicyState, fields: Sequence[FieldState], found: Walk, tag: str) -> tuple[TagPlace, str]:
    """Why the walk ended before it came to a tag."""
    if tag not in candidates_for(state, fields).tags:
        present = ", ".join(dict.fromkeys(one.own_tag for one in fields if one.own_tag is not None)) or "what is there"
        return TagPlace.LOWER, f"it comes behind {present}, which the stage has, in the policy's order"
    if found.passed is not None:
        return TagPlace.BEHIND, f"{found.passed.tag.tag} comes first, and it may enter"
    if found.waiting is not None:
        return TagPlace.BEHIND, f"{found.waiting[0].tag} comes first, and it waits: {found.waiting[1].reason}"
    if found.held is not None:
        return TagPlace.BEHIND, f"{found.held_tag} comes first and is held ({found.held.words})"
    return TagPlace.BEHIND, f"it is beyond the first {len(found.failed)} candidates, all of which were refused"


def _gates(state: PolicyState, fields: Sequence[FieldState], entry: Entry, tag: str) -> str | None:
    known = state.tags.get(tag)
    if known is None:
        return None
    answers = ask_gates(state, fields, entry, known)
    if len(answers.every) > 1:
        return "; ".join(f"{one.gate} {one.answer.verdict}: {one.answer.reason}" for one in answers.every)
    return f"{answers.verdict}: {answers.reason}"


def _builds_of(tag: TagState) -> str:
    names = list(dict.fromkeys(one.name for one in tag.reports))
    more = len(names) - _MOST_BUILDS
    return ", ".join(names[:_MOST_BUILDS]) + (f" and {more} more" if more > 0 else "")
