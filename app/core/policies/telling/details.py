"""Why one tag was not chosen, in full: the pattern, the part of the version, or the comparator that decided."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from app.core.policies.filters import DEFAULT_EXCLUSION, KeyFilter
from app.core.policies.patterns import Pattern
from app.core.policies.selection import CompiledPolicy, Selection, VerdictKind, compile_policy
from app.core.policies.semver_ranges import Group, SemVerRange
from app.core.policies.spec import PolicySpec, SemVer
from app.core.policies.verdicts import quoted
from app.core.policies.versions import VersionKey, parse_loose_version, parse_version

_NUMBERS = re.compile(r"v?([0-9]+(?:\.[0-9]+)*)")
_IDENTIFIER_CHARACTER = re.compile("[0-9A-Za-z.-]")
_LARGEST_NUMBER = 2**64 - 1
_LONGEST_VERSION = 256
_MOST_GROUPS_NAMED = 3
_BOUNDS_FROM_BELOW = frozenset({"", "=", ">", ">=", "=>", "~", "~>", "^"})


@dataclass(frozen=True, slots=True)
class Details:
    """A policy's spec, ready to say in full why a verdict was given."""

    spec: PolicySpec
    compiled: CompiledPolicy
    exclusions: tuple[Pattern, ...]
    key_filter: KeyFilter | None
    range: SemVerRange | None

    @classmethod
    def of(cls, spec: PolicySpec) -> Self:
        """Compile a spec. Raises InvalidPolicy."""
        return cls(
            spec=spec,
            compiled=compile_policy(spec),
            exclusions=tuple(Pattern.compile(one) for one in spec.exclusion_list or (DEFAULT_EXCLUSION,)),
            key_filter=None if spec.filter is None else KeyFilter.compile(spec.filter),
            range=SemVerRange.parse(spec.choice.range) if isinstance(spec.choice, SemVer) else None,
        )

    def key(self, tag: str) -> str | None:
        """The key by which a tag is ordered, excluded or not; None where the pattern does not match."""
        text = self.spec.readable(tag)
        return text if self.key_filter is None else self.key_filter.key(text)

    def why(self, tag: str, selection: Selection) -> str:
        """Why a tag of a selection got its verdict."""
        verdict = selection.verdicts[tag]
        key = self.key(tag)
        match verdict.kind:
            case VerdictKind.EXCLUDED:
                return self._why_excluded(tag) or verdict.reason
            case VerdictKind.NOT_MATCHED if self.spec.filter is not None:
                return f"does not match the pattern {quoted(self.spec.filter.pattern)} of filterTags"
            case VerdictKind.NOT_A_VERSION if key is not None:
                named = "no version" if key == tag else f"its key {quoted(key)} is no version"
                return f"{named}: {why_no_version(key)}"
            case VerdictKind.PRERELEASE | VerdictKind.OUTSIDE_RANGE if key is not None:
                version = parse_version(key)
                return (version and self._why_not_in_range(version, verdict.kind)) or verdict.reason
            case VerdictKind.LOST if selection.tag is not None and self.compiled.compare(tag, selection.tag) == 0:
                return f"{verdict.reason}, which is equal in the policy's order: the order of the list decides"
            case _:
                return verdict.reason

    def _why_excluded(self, tag: str) -> str | None:
        culprit = next(
            (pattern for pattern in self.exclusions if pattern.search(self.spec.readable(tag)) is not None), None
        )
        if culprit is None:
            return None
        whose = "the" if self.spec.exclusion_list else "Flux's default"
        return f"excluded by {quoted(culprit.text)} of {whose} exclusionList"

    def _why_not_in_range(self, version: VersionKey, kind: VerdictKind) -> str | None:
        if self.range is None or not isinstance(self.spec.choice, SemVer):
            return None
        if kind is VerdictKind.PRERELEASE:
            return _why_barred(self.range, version)
        return f"outside the range {quoted(self.spec.choice.range)}{_refusing(self.range.groups, version)}"


def why_no_version(text: str) -> str:
    """What is wrong with a text that Flux does not take for a version.

    >>> why_no_version("1.2"), why_no_version("1.2.3-rc.01")
    ('Flux wants two dots in it, as in 1.2.0', "its part '01' begins with a zero")
    """
    if parse_loose_version(text) is not None:
        return "Flux wants two dots in it, as in 1.2.0"
    if len(text) > _LONGEST_VERSION:
        return f"it is longer than {_LONGEST_VERSION} characters"
    found = _NUMBERS.match(text)
    if found is None:
        hint = ", after no more than one small v" if text[:1] in {"v", "V"} else ""
        return f"it does not begin with a number like 1.2.3{hint}"
    numbers = found[1].split(".")
    if len(numbers) > 3:
        return f"it has {len(numbers)} numbers, and Flux takes three"
    if any(int(number) > _LARGEST_NUMBER for number in numbers):
        return f"it has a number above {_LARGEST_NUMBER}"
    return _why_no_suffix(text[found.end() :])


def _why_no_suffix(text: str) -> str:
    """What is wrong with what follows the numbers of a version."""
    if not text or text[0] not in "-+":
        return f"after its numbers comes {quoted(text[:1])}, and a prerelease begins with -"
    prerelease, plus, metadata = text.removeprefix("-").partition("+")
    for part in (prerelease, *([metadata] if plus else [])):
        odd = next((character for character in part if not _IDENTIFIER_CHARACTER.match(character)), None)
        if odd is not None:
            return f"{quoted(odd)} may not stand in it: letters, digits, - and . may"
    for part in prerelease.split("."):
        if part.isdigit() and part[0] == "0" and len(part) > 1:
            return f"its part {quoted(part)} begins with a zero"
    return "a part between its dots is empty"


def _why_barred(versions: SemVerRange, prerelease: VersionKey) -> str | None:
    """Which comparator keeps a prerelease out that its range would hold otherwise, and what would let it in."""
    group = next((one for one in versions.groups if one.accepts(prerelease) and not one.admits_prereleases), None)
    if group is None:
        return None
    bound = next((one for one in group.comparators if one.operator in _BOUNDS_FROM_BELOW), None)
    if bound is None:
        shown = quoted(group.comparators[0].text)
        return f"a prerelease, kept out by {shown}, which names none: write '>=0.0.0-0' before it to let them in"
    shown, open_bound = quoted(bound.text), quoted(f"{bound.text.partition('+')[0]}-0")
    return f"a prerelease, kept out by {shown}, which names none: write {open_bound} to let them in"


def _refusing(groups: Iterable[Group], version: VersionKey) -> str:
    """Which comparators refuse a version: the first of each group."""
    refusing = [next((one.text for one in group.comparators if not one.accepts(version)), None) for group in groups]
    named = list(dict.fromkeys(quoted(text) for text in refusing if text))
    if not named:
        return ""
    more = " and more" if len(named) > _MOST_GROUPS_NAMED else ""
    return f": {' and '.join(named[:_MOST_GROUPS_NAMED])}{more} refuse{'s' if len(named) == 1 else ''} it"
