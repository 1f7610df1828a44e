"""The walk: from a policy's selection down to the tag that a stage has now, gate by gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice

from app.core.policies.selection import CompiledPolicy
from app.core.promotion.downward import Downward, downward_to, is_gone_from_git, order_for
from app.core.promotion.gates.answers import Asked, GateAnswer, GateAnswers, Verdict, alone
from app.core.promotion.gates.evidence import Evidence, ask_all
from app.core.promotion.holds import Hold, Stops
from app.core.promotion.proposals import CannotWrite, Change, changes_for, digest_for
from app.core.promotion.rules import Stage
from app.core.promotion.state import FieldState, PolicyState
from app.core.promotion.tags import TagState, bad_build

MOST_CANDIDATES = 100
_LOOK_FOR_DIGEST = timedelta(minutes=1)
_REGISTRY, _FIELDS, _DENY = "registry", "fields", "deny"


@dataclass(frozen=True, slots=True)
class Passed:
    """A tag that may enter; `changes` is empty where every field has it already."""

    tag: TagState
    answers: GateAnswers
    changes: tuple[Change, ...]
    downward: Downward | None = None


def there(known: TagState) -> Passed:
    """A tag that every field has already."""
    return Passed(known, alone(_FIELDS, GateAnswer(Verdict.PASS, known.doubt or "it is there already")), ())


@dataclass(frozen=True, slots=True)
class Walk:
    """What the walk met: the tag that passed, if any, and before it those that failed, waited or are held.

    A freeze is met before any tag. `needs_all` tells that it went through the chosen tag and has to know the others to
    go on.
    """

    passed: Passed | None = None
    waiting: tuple[TagState, GateAnswers] | None = None
    failed: tuple[tuple[TagState, GateAnswers], ...] = ()
    held: Hold | None = None
    held_tag: str | None = None
    skipped: int = 0
    needs_all: bool = False
    look_at: datetime | None = field(default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a walk needs besides the policy: the stage, its holds and the time."""

    stage: Stage
    holds: tuple[Hold, ...]
    now: datetime
    build_within: timedelta

    def stops(self, state: PolicyState) -> Stops:
        """What people hold of a policy here."""
        return Stops.on(self.holds, stage=self.stage.name, policy=str(state.name), now=self.now, image=state.repository)


def walk(state: PolicyState, fields: Sequence[FieldState], entry: Entry) -> Walk:
    """Walk one policy's candidates for one stage, best first; never below the tag that is there now."""
    found = _walk(state, fields, entry)
    looks = [found.look_at, *(answers.look_at for _, answers in found.failed)]
    return replace(found, look_at=min((at for at in looks if at is not None), default=None))


def _walk(state: PolicyState, fields: Sequence[FieldState], entry: Entry) -> Walk:
    stops = entry.stops(state)
    if stops.freeze is not None:
        return Walk(held=stops.freeze, look_at=stops.freeze.until)
    candidates = candidates_for(state, fields)
    failed: list[tuple[TagState, GateAnswers]] = []
    for tag in islice(candidates.tags, MOST_CANDIDATES):
        known = state.tags[tag]
        if is_there(state, fields, tag):
            return Walk(passed=there(known), failed=tuple(failed))
        hold = stops.of(as_written(state, fields, known), order_in(state, fields))
        if hold is not None:
            return Walk(held=hold, held_tag=tag, failed=tuple(failed), look_at=hold.until)
        asked = ask(state, fields, entry, known)
        if isinstance(asked, Passed):
            return Walk(passed=asked, failed=tuple(failed))
        if asked.verdict is Verdict.WAIT:
            return Walk(waiting=(known, asked), failed=tuple(failed), look_at=asked.look_at)
        failed.append((known, asked))
    skipped = max(0, len(candidates.tags) - MOST_CANDIDATES)
    return Walk(failed=tuple(failed), skipped=skipped, needs_all=not candidates.is_whole)


def ask_one(
    state: PolicyState, fields: Sequence[FieldState], entry: Entry, tag: str
) -> Passed | GateAnswers | Hold | None:
    """How one tag fares by itself, as the walk would ask; None where it is unknown or every field has it.

    One that passes and cannot be written for now, or waits for its registry's word, has no changes.
    """
    known = state.tags.get(tag)
    written = as_written(state, fields, known) if known is not None else _unknown(tag, entry)
    hold = entry.stops(state).of(written, order_in(state, fields))
    if hold is not None:
        return hold
    changes = changes_for(state, fields, known) if known is not None else ()
    if known is None or changes == ():
        return None
    answers = ask_gates(state, fields, entry, known)
    if known.unshown is not None and answers.verdict is not Verdict.FAIL:
        return Passed(known, alone(_REGISTRY, GateAnswer(Verdict.WAIT, known.unshown)), ())
    if isinstance(changes, CannotWrite) and changes.is_for_now:
        if answers.verdict is not Verdict.PASS:
            return answers
        return Passed(known, alone(_FIELDS, GateAnswer(Verdict.WAIT, changes.reason)), ())
    return ask(state, fields, entry, known)


def _unknown(tag: str, entry: Entry) -> TagState:
    return TagState(tag=tag, digest=None, first_seen_at=entry.now)


def order_in(state: PolicyState, fields: Sequence[FieldState]) -> CompiledPolicy | None:
    """The policy's order as it holds for these fields; None where it has none."""
    return order_for(state.compiled, fields) if state.compiled is not None else None


def ask(
    state: PolicyState,
    fields: Sequence[FieldState],
    entry: Entry,
    known: TagState,
    *,
    answers: GateAnswers | None = None,
) -> Passed | GateAnswers:
    """A tag passes with the registry's word, a text that can be written, and its gates, asked here if they were not.

    What its builds say against it counts without the registry's word: a registry may be away for long.
    """
    answers = answers or ask_gates(state, fields, entry, known)
    if known.unshown is not None:
        is_refused = answers.verdict is Verdict.FAIL
        return answers if is_refused else alone(_REGISTRY, GateAnswer(Verdict.WAIT, known.unshown))
    changes = changes_for(state, fields, known)
    if isinstance(changes, CannotWrite):
        return alone(_FIELDS, _cannot(changes, entry))
    if answers.verdict is not Verdict.PASS:
        return answers
    return Passed(known, answers, changes, downward_to(known.tag, fields, compiled=state.compiled, tags=state.tags))


def is_there(state: PolicyState, fields: Sequence[FieldState], tag: str) -> bool:
    """Tell whether nothing of a tag is left to write; by the tag alone where its text cannot be told."""
    known = state.tags.get(tag)
    changes = changes_for(state, fields, known) if known is not None else None
    return have_it(fields, tag) if changes is None or isinstance(changes, CannotWrite) else not changes


def have_it(fields: Sequence[FieldState], tag: str) -> bool:
    """Tell whether the fields of a stage have a tag already."""
    return any(one.own_tag == tag for one in fields) and all(one.has(tag) for one in fields)


def _cannot(changes: CannotWrite, entry: Entry) -> GateAnswer:
    if changes.is_for_now:
        return GateAnswer(Verdict.WAIT, changes.reason, look_at=entry.now + _LOOK_FOR_DIGEST)
    return GateAnswer(Verdict.FAIL, changes.reason)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Tags that fields may move to, best first; `is_whole` is false where others may follow that were not looked at."""

    tags: Sequence[str] = ()
    is_whole: bool = True

    def knows(self, tag: str | None) -> bool:
        """Whether it is known if a tag is one of them."""
        return self.is_whole or tag in self.tags


def candidates_for(state: PolicyState, fields: Sequence[FieldState]) -> Candidates:
    """The tags that these fields may move to, down to and with the one that they have now.

    Backwards is open only where the text came under another spec, its tag is gone, or the policy cannot order it, as it
    cannot order those of another image.
    """
    if state.compiled is None or state.selection is None:
        return Candidates()
    selection, ranked, compiled = state.selection, state.selection.ranked, order_for(state.compiled, fields)
    floor = floor_of(fields, compiled=compiled, tags=state.tags)
    if floor is None:
        return Candidates(ranked, is_whole=selection.is_whole)
    if floor in ranked:
        return Candidates(ranked[: ranked.index(floor) + 1])
    above = [tag for tag in ranked if (compiled.compare(tag, floor) or 0) > 0]
    return Candidates(above, is_whole=selection.is_whole)


def floor_of(fields: Sequence[FieldState], *, compiled: CompiledPolicy, tags: Mapping[str, TagState]) -> str | None:
    """The best tag among those that must not be gone below; None where nothing binds."""
    floor: str | None = None
    for one in fields:
        tag = one.own_tag
        if tag is None or not one.is_same_spec or is_gone_from_git(tag, tags) or compiled.compare(tag, tag) is None:
            continue
        if floor is None or (compiled.compare(tag, floor) or 0) > 0:
            floor = tag
    return floor


def doubt_of(state: PolicyState, fields: Sequence[FieldState], entry: Entry, tag: str) -> str | None:
    """What is doubtful of a tag that these fields have: whether it is gone or denied, and how its build ended."""
    known = state.tags.get(tag)
    if known is None:
        return None
    written = as_written(state, fields, known)
    denial = entry.stops(state).denial_of(written)
    denied = denied_words(denial) if denial is not None else None
    return "; ".join(filter(None, (known.doubt, denied, bad_build(written)))) or None


def denied_words(denial: Hold) -> str:
    """That a tag is denied, why and by whom."""
    return f"denied: {denial.words}"


def as_written(state: PolicyState, fields: Sequence[FieldState], tag: TagState) -> TagState:
    """The tag with the digest that would be written: with IfNotPresent not always the one that it names now."""
    return replace(tag, digest=digest_for(state, fields, tag) or tag.digest)


def ask_gates(state: PolicyState, fields: Sequence[FieldState], entry: Entry, tag: TagState) -> GateAnswers:
    """What the stage's gates say of a tag, as it would be written into these fields, and before them who denied it."""
    written = as_written(state, fields, tag)
    evidence = Evidence(tag=written, build_within=entry.build_within)
    answers = ask_all(entry.stage.requires, evidence, entry.now)
    denial = entry.stops(state).denial_of(written)
    if denial is None:
        return answers
    denied = GateAnswer(Verdict.FAIL, denied_words(denial), look_at=denial.until)
    return GateAnswers((Asked(_DENY, denied), *answers.every))
