"""What is said of many places alike, said once: with what differs from place to place taken out."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.core.flux.resolved import About, Report

GAP = "…"
_LONGEST = 2_000
_KINDS = ("Kustomization", "ImagePolicy", "ImageRepository", "ImageUpdateAutomation", "ConfigMap")
_QUOTED = r"""(?<!\w)(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+"|\{"\$imagepolicy[^}]*+\})"""
_ODD_WORD = r"(?<![^\s,;()])(?=[A-Za-z'-]*+(?:[^\sA-Za-z,;()'…:.-]|[.:][\w$]))[^\s,;()]+(?<![:.])"
_BEHIND_KIND = rf"(?:{'|'.join(f'(?<={kind} )' for kind in _KINDS)})[\w.-]++(?<![.])"
_NAME = rf"(?<!variable )(?:{_QUOTED}|{_ODD_WORD}|{_BEHIND_KIND})"
_NAMES = re.compile(rf"({_NAME}(?:(?:,| and|, and) {_NAME})*+(?: more\b)?)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is, and what is said of this place only."""

    report: Report
    differing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing to mend, wherever it is; `what` has `…` for what differs."""

    what: str
    places: tuple[Place, ...]


def group_by_cause(reports: Iterable[Report]) -> tuple[Cause, ...]:
    """The causes of reports, variables first, for much waits for them, then by the number of their places."""
    found: dict[str, list[tuple[Report, list[str]]]] = defaultdict(list)
    for one in sorted(set(reports), key=lambda report: (report.file, report.line or 0, report.what)):
        frame, names = _take_apart(one.what)
        found[GAP.join(frame)].append((one, names))
    return tuple(sorted(map(_cause, found.values()), key=_weight))


def beginning_of(what: str, *, names: int) -> str:
    """A text up to the name after so many: what it is about, without all that may be listed behind.

    >>> beginning_of("two policies are named apps/web for this file: a.yaml and b.yaml", names=1)
    'two policies are named apps/web for this file: '
    """
    return "".join(_NAMES.split(what[:_LONGEST])[: 2 * names + 1])


def _weight(cause: Cause) -> tuple[bool, int, str]:
    return cause.places[0].report.about is not About.WAITING, -len(cause.places), cause.what


def _take_apart(what: str) -> tuple[list[str], list[str]]:
    """The texts around the names, and the names."""
    parts = _NAMES.split(what[:_LONGEST])
    return [*parts[:-1:2], parts[-1] + what[_LONGEST:]], parts[1::2]


def _cause(same: Sequence[tuple[Report, list[str]]]) -> Cause:
    is_alike = [len(set(names)) == 1 for names in zip(*(names for _, names in same), strict=True)]
    frame, first = _take_apart(same[0][0].what)
    gaps = [name if alike else GAP for name, alike in zip(first, is_alike, strict=True)]
    what = frame[0] + "".join(gap + text for gap, text in zip(gaps, frame[1:], strict=True))
    places = (
        Place(one, tuple(name for name, alike in zip(names, is_alike, strict=True) if not alike)) for one, names in same
    )
    return Cause(what, tuple(places))
