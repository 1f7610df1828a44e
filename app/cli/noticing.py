"""What a person should look at in a config repository: what is left out, what is odd, and that in few lines."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from app.core.flux.causes import GAP, Cause, Place, beginning_of, group_by_cause
from app.core.flux.naming import WAITS
from app.core.flux.tree import About, FluxTree, Report
from app.core.flux.warnings import warn_of_tree
from app.core.policies.telling.warning_kinds import PolicyWarning, WarningKind
from app.services.heads.view import HeadView

_MOST_PLACES = 3
_MOST_CAUSES = 20
_LONGEST_DIFFERENCE = 120
_LONGEST_TEXT, _TEXT_BEFORE = 400, 220
_POSITION = re.compile(r"\b(?:line|column) \d+")
_OF_REPORTS = {WarningKind.NEAR_MISS_MARKER, WarningKind.UNKNOWN_POLICY}


def left_out(view: HeadView) -> list[Report]:
    """What is not used or not edited, with the reason: in policies, fields, and files that a cluster gets.

    What waits for a variable is told with that.
    """
    unusable = (
        Report(one.file, None, f"ImagePolicy {one.name.namespace}/{one.name.name}: {one.problem}")
        for one in view.tree.policies
        if one.problem is not None and WAITS not in one.problem
    )
    reports = (one for one in view.reports if one.about not in (About.OVERRIDDEN, About.BUILD))
    return list(dict.fromkeys([*reports, *unusable]))


def hints(tree: FluxTree) -> list[Report]:
    """What Flux is silent about, beside what is left out."""
    return [*_read_otherwise(tree), *(_as_report(one) for one in warn_of_tree(tree) if one.kind not in _OF_REPORTS)]


def noticed(view: HeadView) -> list[Report]:
    """All of both, warnings of markers with the names of their kinds."""
    others = [one for one in left_out(view) if one.about not in (About.MARKER, About.POLICY_OF_MARKER)]
    return [*others, *_read_otherwise(view.tree), *map(_as_report, warn_of_tree(view.tree))]


def _read_otherwise(tree: FluxTree) -> list[Report]:
    """What Flux reads otherwise than we, or not at all."""
    return [one for one in tree.reports if one.about is About.BUILD]


def new_since(now: Sequence[Report], before: Iterable[Report]) -> list[Report]:
    """What was not there before in the same file: wherever in it, for lines move."""
    known = Counter(map(_key, before))
    lines = {(one.file, one.line, one.what) for one in before}
    by_key: dict[tuple[str, str], list[Report]] = defaultdict(list)
    for one in sorted(now, key=lambda one: (one.file, one.line, one.what) not in lines):
        by_key[_key(one)].append(one)
    return [one for key, found in by_key.items() for one in found[known[key] :]]


def lines_of(reports: Iterable[Report], *, is_all: bool = False) -> Iterator[str]:
    """A page of it: one line where it is said of one place, else the cause with the first places."""
    causes = group_by_cause(reports)
    shown = causes if is_all else causes[:_MOST_CAUSES]
    for cause in shown:
        yield from _lines_of_cause(cause, is_all=is_all)
    if len(shown) < len(causes):
        yield f"and {len(causes) - len(shown)} more causes: --all shows them"


def place_of(report: Report) -> str:
    """Where it is: the file, and the line where there is one."""
    return report.file if report.line is None else f"{report.file}:{report.line}"


def _as_report(warning: PolicyWarning) -> Report:
    return Report(warning.place, None, f"{warning.message} ({warning.kind})")


def _lines_of_cause(cause: Cause, *, is_all: bool) -> Iterator[str]:
    if len(cause.places) == 1:
        report = cause.places[0].report
        yield f"{place_of(report)}: {report.what if is_all else _shortened(report.what)}"
        return
    yield f"{len(cause.places)} times: {cause.what if is_all else _shortened(cause.what)}"
    shown = cause.places if is_all else cause.places[:_MOST_PLACES]
    for one in shown:
        yield f"    {place_of(one.report)}{_differing(one)}"
    if len(shown) < len(cause.places):
        yield f"    and {len(cause.places) - len(shown)} more: --all shows them"


def _shortened(what: str) -> str:
    """A long text without its middle, where names are listed: what to do stands at its end."""
    return what if len(what) <= _LONGEST_TEXT else f"{what[:_TEXT_BEFORE]} {GAP} {what[_TEXT_BEFORE - _LONGEST_TEXT :]}"


def _differing(place: Place) -> str:
    told = ", ".join(place.differing)
    more = GAP if len(told) > _LONGEST_DIFFERENCE else ""
    return f": {told[:_LONGEST_DIFFERENCE]}{more}" if told else ""


def _key(report: Report) -> tuple[str, str]:
    """What makes it the same in two states of a repository: what else it names may be more or less by then."""
    names = 0 if report.about is About.WAITING else 1
    return report.file, beginning_of(_POSITION.sub("", report.what), names=names)
