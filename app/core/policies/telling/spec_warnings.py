"""What a policy's spec alone gives away: it works, and seldom does what its author thinks."""

import re
from collections.abc import Iterator

from app.core.policies.comparators import Comparator, Wildcard
from app.core.policies.patterns import Pattern
from app.core.policies.semver_ranges import Group, SemVerRange
from app.core.policies.spec import Numerical, PolicySpec, SemVer, TagFilter
from app.core.policies.telling.anchors import anchors_of
from app.core.policies.telling.warning_kinds import Finding, WarningKind
from app.core.policies.templates import Template
from app.core.policies.verdicts import quoted
from app.core.policies.versions import VersionKey, is_prerelease

_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<braced>\w+)\}|(?P<plain>\w+))")
_ONE_TAG = re.compile(r"(?:\^|\\A)(?P<tag>[A-Za-z0-9_-]+)(?:\$|\\z)")
_NAME_AND_NUMBER = re.compile("([A-Za-z]+)([0-9]+)")
_FROM_BELOW = frozenset({">", ">=", "=>", "~", "~>", "^", "", "="})


def of_spec(spec: PolicySpec, digest_reflection: str | None) -> Iterator[Finding]:
    """Look at a spec that compiles; `digest_reflection` None where the digest policy is not known."""
    if spec.filter is not None:
        yield from _of_filter(spec.filter, digest_reflection)
    if isinstance(spec.choice, Numerical) and not (spec.filter and spec.filter.pattern):
        yield Finding(
            WarningKind.NUMERICAL_WITHOUT_FILTER,
            "a numerical policy without a pattern in filterTags fails as a whole at the first tag that is no number, "
            "such as latest: add one like '^(?P<n>[0-9]+)$' with extract '$n'",
        )
    if isinstance(spec.choice, SemVer):
        for group in SemVerRange.parse(spec.choice.range).groups:
            yield from _of_group(group)


def dotless_part(version: VersionKey) -> str | None:
    """The part of a prerelease that is a name and a number in one, such as `rc2`.

    >>> from app.core.policies.versions import parse_version
    >>> dotless_part(parse_version("1.0.0-rc2")), dotless_part(parse_version("1.0.0-rc.2"))
    ('rc2', None)
    """
    return next((text for _, _, text in version[4] if _NAME_AND_NUMBER.fullmatch(text)), None)


def about_dotless(part: str, where: str) -> Finding:
    """What to say of such a part."""
    name, number = part.rstrip("0123456789"), part[len(part.rstrip("0123456789")) :]
    return Finding(
        WarningKind.PRERELEASE_WITHOUT_DOT,
        f"{quoted(part)} in {where} is compared as text, so {name}10 comes before {name}2: "
        f"write it with a dot, {name}.{number}",
    )


def _of_filter(tag_filter: TagFilter, digest_reflection: str | None) -> Iterator[Finding]:
    shown = quoted(tag_filter.pattern)
    anchors = anchors_of(tag_filter.pattern)
    missing = [] if anchors.at_start else ["^ at its start"]
    missing += [] if anchors.at_end else ["$ at its end"]
    if tag_filter.pattern and missing:
        yield Finding(
            WarningKind.UNANCHORED_PATTERN,
            f"the pattern {shown} is searched for anywhere in a tag, so it also takes tags with more around it: "
            f"add {' and '.join(missing)}",
        )
    pattern = Pattern.compile(tag_filter.pattern)
    for name in dict.fromkeys(_unknown_groups(tag_filter.extract, pattern)):
        yield Finding(WarningKind.UNKNOWN_GROUP, _about_unknown_group(name, pattern))
    fixed = _ONE_TAG.fullmatch(tag_filter.pattern)
    if fixed and digest_reflection not in {None, "Always"}:
        yield Finding(
            WarningKind.FIXED_TAG_WITHOUT_DIGEST,
            f"the pattern {shown} takes no tag but {quoted(fixed['tag'])}, so a new push of it changes nothing: set "
            "spec.digestReflectionPolicy to Always, with spec.interval",
        )


def _unknown_groups(template: str, pattern: Pattern) -> Iterator[str]:
    for found in _REFERENCE.finditer(template):
        name = found["braced"] or found["plain"]
        # A template of this reference alone tells by Go's own rules whether it means a group, and one that is there.
        if name and Template.parse(f"${{{name}}}", pattern).parts == ((),):
            yield name


def _about_unknown_group(name: str, pattern: Pattern) -> str:
    known = [f"${{{one}}}" for one in [*pattern.group_names, *map(str, range(1, pattern.groups + 1))]]
    there_are = f"there are {', '.join(known[:8])}" if known else "it has no groups"
    return f"extract names the group {quoted(name)}, which the pattern does not have, so it stays empty: {there_are}"


def _of_group(group: Group) -> Iterator[Finding]:
    opening = next((one for one in group.comparators if one.operator in _FROM_BELOW and is_prerelease(one.bound)), None)
    for one in group.comparators:
        part = dotless_part(one.bound)
        if part is not None:
            yield about_dotless(part, f"the bound {quoted(one.text)}")
        if one.wildcard is Wildcard.MAJOR:
            yield from _of_wildcard(one)
        if opening is None and is_prerelease(one.bound):
            yield _about_prereleases(one)
        if one.operator == "<" and opening is not None and not is_prerelease(one.bound):
            yield Finding(
                WarningKind.OPEN_UPPER_BOUND,
                f"{quoted(opening.text)} lets prereleases in, also those of the version that {quoted(one.text)} is to "
                f"keep out: write {quoted(one.text.partition('+')[0] + '-0')}",
            )


def _about_prereleases(comparator: Comparator) -> Finding:
    """A bound that closes a range and is a prerelease: one bound of a group lets in the prereleases of all of it."""
    mended = "leave it out" if comparator.operator == "!=" else f"write {quoted(_without_prerelease(comparator))}"
    return Finding(
        WarningKind.PRERELEASES_BY_BOUND,
        f"{quoted(comparator.text)} lets in the prereleases of the whole range: {mended}, or, where they are wanted, "
        "write the lower bound with -0",
    )


def _without_prerelease(comparator: Comparator) -> str:
    """The bound by its release, which it stays below."""
    version = comparator.text.removeprefix(comparator.operator).strip().partition("-")[0]
    return f"{comparator.operator if comparator.wildcard else '<'}{version}"


def _of_wildcard(comparator: Comparator) -> Iterator[Finding]:
    told = {
        "^": "accepts 0.0.0 only, not every version",
        "<=": "accepts versions below 0.1.0 only, not every version",
        "=<": "accepts versions below 0.1.0 only, not every version",
        "!=": "accepts every version but 0.0.0, not none",
    }
    if comparator.operator in told:
        said = f"{quoted(comparator.text)} {told[comparator.operator]}: write '*' for every version"
        yield Finding(WarningKind.WILDCARD_BOUND, said)
