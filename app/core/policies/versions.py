"""Versions as Flux reads them from tags: looser than SemVer 2, compared by its precedence."""

import re

Identifier = tuple[int, int, str]
"""One part of a prerelease: `(0, number, "")` or `(1, 0, text)`, so that numbers come before texts."""

VersionKey = tuple[int, int, int, int, tuple[Identifier, ...]]
"""Major, minor, patch, 1 for a release or 0 for a prerelease, the prerelease's parts. Compares as SemVer 2 says."""

_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_NUMBER = r"([0-9]+)"
_VERSION = re.compile(
    rf"v?{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?(?:-({_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?",
)
# What most tags are, read in half the time: a release whose numbers cannot be too large.
_PLAIN_RELEASE = re.compile(r"v?([0-9]{1,19})\.([0-9]{1,19})\.([0-9]{1,19})")
_LARGEST_NUMBER = 2**64 - 1
_LONGEST_VERSION = 256
_PARTS_OF_A_TAG = 3


def parse_version(tag: str) -> VersionKey | None:
    """Read a tag as Flux does; None where Flux passes it over. Source: fluxcd/pkg, `version.ParseVersion`.

    A tag needs two dots, but they may stand anywhere:

    >>> parse_version("v1.2.3")
    (1, 2, 3, 1, ())
    >>> parse_version("1.2-rc.1")
    (1, 2, 0, 0, ((1, 0, 'rc'), (0, 1, '')))
    >>> parse_version("1.2") is None
    True
    """
    plain = _PLAIN_RELEASE.fullmatch(tag)
    if plain is not None:
        major, minor, patch = plain.groups()
        return int(major), int(minor), int(patch), 1, ()
    if tag.count(".") < _PARTS_OF_A_TAG - 1:
        return None
    return parse_loose_version(tag)


def parse_loose_version(text: str) -> VersionKey | None:
    """Read one to three numbers, a prerelease and metadata. Source: Masterminds/semver v3.5, `NewVersion`.

    >>> parse_loose_version("v01.2")
    (1, 2, 0, 1, ())
    """
    if len(text) > _LONGEST_VERSION:
        return None
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    first, second, third, prerelease = found.groups()
    major, minor, patch = int(first), int(second or 0), int(third or 0)
    if major > _LARGEST_NUMBER or minor > _LARGEST_NUMBER or patch > _LARGEST_NUMBER:
        return None
    if prerelease is None:
        return major, minor, patch, 1, ()
    identifiers = _identifiers(prerelease)
    return None if identifiers is None else (major, minor, patch, 0, identifiers)


def is_prerelease(version: VersionKey) -> bool:
    """Tell whether a version comes before its release."""
    return not version[3]


def _identifiers(prerelease: str) -> tuple[Identifier, ...] | None:
    identifiers: list[Identifier] = []
    for text in prerelease.split("."):
        if not text.isdigit():
            identifiers.append((1, 0, text))
        elif text[0] == "0" and len(text) > 1:
            return None
        else:
            number = int(text)
            # Flux compares a number that no uint64 holds as text.
            identifiers.append((0, number, "") if number <= _LARGEST_NUMBER else (1, 0, text))
    return tuple(identifiers)
