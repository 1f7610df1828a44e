"""Ranges of versions in the grammar of Masterminds/semver v3, quirks included, as SemVer policies use them."""

import re
from dataclasses import dataclass
from typing import Self

from app.core.policies.comparators import Check, Comparator, Wildcard
from app.core.policies.spec import InvalidPolicy
from app.core.policies.verdicts import TagVerdict, VerdictKind, quoted
from app.core.policies.versions import VersionKey, is_prerelease, parse_loose_version, parse_version

# Masterminds/semver v3.5: MaxConstraintLen and MaxConstraintGroups.
_LONGEST_RANGE = 512
_MOST_GROUPS = 32

# Its part class has `|` in it, which shows where a hyphen range stands beside `||`.
_PART = r"[0-9|xX*]+"
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_BOUND = rf"v?{_PART}(?:\.{_PART})?(?:\.{_PART})?(?:-{_IDENTIFIERS})?(?:\+{_IDENTIFIERS})?"
# Go's \s; Python's also takes a vertical tab.
_SPACE = r"[\t\n\f\r ]"
_HYPHEN_RANGE = re.compile(rf"{_SPACE}*({_BOUND}){_SPACE}+-{_SPACE}+({_BOUND}){_SPACE}*")
_SPACES = re.compile(rf"{_SPACE}*")
_SEPARATOR = re.compile(rf"{_SPACE}*,{_SPACE}*|{_SPACE}+")
_COMPARATOR = re.compile(
    rf"(!=|>=|=>|<=|=<|~>|[=><~^]?){_SPACE}*"
    rf"(v?({_PART})(?:\.({_PART}))?(?:\.({_PART}))?(-{_IDENTIFIERS})?(?:\+{_IDENTIFIERS})?)",
)
_WILDCARDS = frozenset({None, "x", "X", "*"})


@dataclass(frozen=True, slots=True)
class Group:
    """Comparators that must all hold. Prereleases take part only where one of the bounds is a prerelease."""

    comparators: tuple[Comparator, ...]
    admits_prereleases: bool

    def accepts(self, version: VersionKey) -> bool:
        """Tell whether every comparator accepts a version, whatever the group says of prereleases."""
        return all(comparator.accepts(version) for comparator in self.comparators)


@dataclass(frozen=True, slots=True)
class SemVerRange:
    """Groups of which one must hold.

    >>> caret = SemVerRange.parse("^1.2 || >=3.0.0-0")
    >>> [caret.accepts(parse_version(tag)) for tag in ("1.3.0", "1.3.0-rc.1", "2.0.0", "3.0.0-rc.1")]
    [True, False, False, True]
    """

    groups: tuple[Group, ...]
    checks: tuple[tuple[bool, tuple[Check, ...]], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a range. Raises InvalidPolicy. Source: Masterminds/semver v3.5, `NewConstraint`."""
        if len(text.encode("utf-8", "surrogatepass")) > _LONGEST_RANGE:
            raise InvalidPolicy(f"the range {quoted(text)} is longer than {_LONGEST_RANGE} bytes: write a shorter one")
        segments = _without_hyphens(text).split("||")
        if len(segments) > _MOST_GROUPS:
            raise InvalidPolicy(f"the range {quoted(text)} has more than {_MOST_GROUPS} groups: use at most that many")
        groups = []
        for segment in segments:
            comparators = _comparators(segment)
            if not comparators:
                where = f" at {quoted(segment)}" if len(segments) > 1 else ""
                raise InvalidPolicy(f"the range {quoted(text)} cannot be read{where}: write one like >=1.2.0 <2.0.0")
            groups.append(Group(comparators, any(is_prerelease(comparator.bound) for comparator in comparators)))
        checks = tuple((group.admits_prereleases, tuple(one.check for one in group.comparators)) for group in groups)
        return cls(tuple(groups), checks)

    def accepts(self, version: VersionKey) -> bool:
        """Tell whether a version is within the range."""
        # Written out, for it is asked for each of many tags: by way of the groups it takes three times as long.
        for admits_prereleases, checks in self.checks:
            if version[3] or admits_prereleases:
                for accepts, bound, wildcard in checks:
                    if not accepts(version, bound, wildcard):
                        break
                else:
                    return True
        return False

    def would_accept(self, prerelease: VersionKey) -> bool:
        """Tell whether a version is within the range where every group admits prereleases."""
        return any(group.accepts(prerelease) for group in self.groups)


@dataclass(frozen=True, slots=True)
class SemVerOrder:
    """Orders keys by version, the highest first. Of equal versions the one that the list has first comes first."""

    range: SemVerRange
    text: str
    barred: TagVerdict
    outside: TagVerdict
    is_largest_first = True
    is_last_first = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the range. Raises InvalidPolicy."""
        shown = quoted(text)
        barred = f"a prerelease, and {shown} names none: write its lower bound with -0 to let them in"
        return cls(
            SemVerRange.parse(text),
            text,
            TagVerdict(VerdictKind.PRERELEASE, barred),
            TagVerdict(VerdictKind.OUTSIDE_RANGE, f"outside the range {shown}"),
        )

    @property
    def superlative(self) -> str:
        """What the best key is."""
        return f"the highest version in the range {quoted(self.text)}"

    def value(self, key: str) -> VersionKey | TagVerdict:
        """The version, where it is one within the range."""
        version = parse_version(key)
        if version is None:
            return _NOT_A_VERSION
        if self.range.accepts(version):
            return version
        return self.barred if is_prerelease(version) and self.range.would_accept(version) else self.outside

    def compare(self, left: str, right: str) -> int | None:
        """Above 0 where `left` is the higher version, 0 for equal ones, None where either is not in the range."""
        versions = parse_version(left), parse_version(right)
        is_within = all(version is not None and self.range.accepts(version) for version in versions)
        return self.precedence(left, right) if is_within else None

    def precedence(self, left: str, right: str) -> int | None:
        """The same of any versions, within the range or not."""
        left_version, right_version = parse_version(left), parse_version(right)
        if left_version is None or right_version is None:
            return None
        return (left_version > right_version) - (left_version < right_version)


_NOT_A_VERSION = TagVerdict(VerdictKind.NOT_A_VERSION, "no version: three numbers like 1.2.3 or v1.2.3 are wanted")


def _without_hyphens(text: str) -> str:
    for found in _HYPHEN_RANGE.finditer(text):
        text = text.replace(found[0], f">= {found[1]}, <= {found[2]} ", 1)
    return text


def _comparators(segment: str) -> tuple[Comparator, ...]:
    """Read a list parted by spaces or single commas; nothing where it is empty or cannot be read."""
    comparators: list[Comparator] = []
    separator = _SPACES.match(segment)
    while separator is not None:
        found = _COMPARATOR.match(segment, separator.end())
        comparator = None if found is None else _comparator(found)
        if found is None or comparator is None:
            # Spaces may end the list, a comma may not.
            at_end = separator.end() == len(segment) and "," not in separator[0]
            return tuple(comparators) if at_end else ()
        comparators.append(comparator)
        if found.end() == len(segment):
            return tuple(comparators)
        separator = _SEPARATOR.match(segment, found.end())
    return ()


def _comparator(found: re.Match[str]) -> Comparator | None:
    operator, written, major, minor, patch, prerelease = found.groups()
    suffix = prerelease or ""
    if major in _WILDCARDS:
        wildcard, version = Wildcard.MAJOR, f"0.0.0{suffix}"
    elif minor in _WILDCARDS:
        wildcard, version = Wildcard.MINOR, f"{major}.0.0{suffix}"
    elif patch in _WILDCARDS:
        wildcard, version = Wildcard.PATCH, f"{major}.{minor}.0{suffix}"
    else:
        wildcard, version = Wildcard.NONE, written
    bound = parse_loose_version(version)
    return None if bound is None else Comparator(operator, bound, wildcard, found[0])
