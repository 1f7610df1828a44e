"""Why a policy chooses the tag that it chooses: counts, and the tags next to the chosen one, however many there are."""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.core.policies.numerical import parse_number
from app.core.policies.orders import is_descending
from app.core.policies.selection import Selection, SelectionError, VerdictKind
from app.core.policies.spec import Alphabetical, Numerical, PolicySpec, SemVer
from app.core.policies.telling.details import Details
from app.core.policies.versions import parse_loose_version

MOST_ON_A_SIDE = 20
MOST_UNPLACED = 5


@dataclass(frozen=True, slots=True)
class ExplainedTag:
    """One tag with its verdict and the full reason."""

    tag: str
    kind: VerdictKind
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedSelection:
    """A selection for people: how many tags got which verdict, and the chosen one among its neighbours.

    `counts` has the chosen first, then by how late the evaluation decided; no zeros.
    `above` has those that the policy's order puts before the chosen one and that something keeps out, `below` those
    behind it, both best first and the nearest only; without a chosen one `below` begins at the top. `unplaced` has
    examples, by verdict, of tags that the order cannot place at all. `asked` is the tag that was asked about.
    """

    tag: str | None
    error: SelectionError | None
    message: str
    is_tie: bool
    total: int
    counts: Mapping[VerdictKind, int]
    chosen: ExplainedTag | None
    above: tuple[ExplainedTag, ...]
    below: tuple[ExplainedTag, ...]
    unplaced: tuple[ExplainedTag, ...]
    asked: ExplainedTag | None


def explain(spec: PolicySpec, selection: Selection, *, asked: str | None = None) -> ExplainedSelection:
    """Explain what a policy of this spec selected. Raises InvalidPolicy where the spec is none to select by.

    >>> from app.core.policies.selection import compile_policy
    >>> spec = PolicySpec(SemVer(">=1.0.0 <2.0.0"))
    >>> found = explain(spec, compile_policy(spec).select(["1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0", "latest"]))
    >>> [(one.tag, one.reason) for one in found.above]
    [('2.0.0', "outside the range '>=1.0.0 <2.0.0': '<2.0.0' refuses it"), \
('1.2.0-rc.1', "a prerelease, kept out by '>=1.0.0', which names none: write '>=1.0.0-0' to let them in")]
    """
    details = Details.of(spec)

    def explained(tags: Iterable[str | None]) -> tuple[ExplainedTag, ...]:
        known = [tag for tag in tags if tag is not None and tag in selection.verdicts]
        return tuple(ExplainedTag(tag, selection.verdicts[tag].kind, details.why(tag, selection)) for tag in known)

    ordered = _in_order(details, selection)
    placed = set(ordered)
    at = ordered.index(selection.tag) if selection.tag in placed else None
    first_below = 0 if at is None else at + 1
    counted = Counter(verdict.kind for verdict in selection.verdicts.values())
    return ExplainedSelection(
        tag=selection.tag,
        error=selection.error,
        message=selection.message,
        is_tie=selection.is_tie,
        total=len(selection.verdicts),
        counts={kind: counted[kind] for kind in reversed(VerdictKind) if counted[kind]},
        chosen=next(iter(explained([selection.tag])), None),
        above=explained(ordered[max(0, (at or 0) - MOST_ON_A_SIDE) : at or 0]),
        below=explained(ordered[first_below : first_below + MOST_ON_A_SIDE]),
        unplaced=explained(_unplaced(selection, placed)),
        asked=next(iter(explained([asked])), None),
    )


def _in_order(details: Details, selection: Selection) -> Sequence[str]:
    """Every tag that has a place in the policy's order, best first, also those that something else keeps out.

    Of equal ones the chosen comes first.
    """
    # Sorting keeps the order of equal ones: those of the ranking come first, as it has them.
    tags = dict.fromkeys((*selection.ranked, *sorted(selection.verdicts, reverse=True)))
    keys = [(tag, key) for tag in tags if (key := details.key(tag)) is not None]
    match details.spec.choice:
        case SemVer():
            versions = [(version, tag) for tag, key in keys if (version := parse_loose_version(key)) is not None]
            versions.sort(key=lambda placed: placed[0], reverse=True)
            return [tag for _, tag in versions]
        case Alphabetical(order):
            keys.sort(key=lambda placed: placed[1], reverse=not is_descending(order))
            return [tag for tag, _ in keys]
        case Numerical(order):
            numbers = [(number, tag) for tag, key in keys if (number := parse_number(key)) is not None]
            numbers = [placed for placed in numbers if not math.isnan(placed[0])]
            numbers.sort(key=lambda placed: placed[0], reverse=not is_descending(order))
            return [tag for _, tag in numbers]


def _unplaced(selection: Selection, placed: set[str]) -> Iterable[str]:
    """A few of the tags without a place for each verdict: the last ones in byte order."""
    by_kind: dict[VerdictKind, list[str]] = defaultdict(list)
    for tag, verdict in selection.verdicts.items():
        if tag not in placed and tag != selection.tag:
            by_kind[verdict.kind].append(tag)
    for kind in VerdictKind:
        yield from heapq.nlargest(MOST_UNPLACED, by_kind[kind])
