"""What `>=1.2`, `~1.x` and the like accept, by the decisions of Masterminds/semver v3."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from app.core.policies.versions import VersionKey


class Wildcard(IntEnum):
    """The first part of a bound that is missing or a wildcard."""

    NONE = 0
    MAJOR = 1
    MINOR = 2
    PATCH = 3


Check = tuple[Callable[[VersionKey, VersionKey, Wildcard], bool], VersionKey, Wildcard]
"""An operator's function with the bound and the wildcard to give it after the version."""


@dataclass(frozen=True, slots=True)
class Comparator:
    """One operator with its bound, where wildcards count as 0; `text` is as it was written."""

    operator: str
    bound: VersionKey
    wildcard: Wildcard
    text: str

    def accepts(self, version: VersionKey) -> bool:
        """Tell whether a version is on the right side of the bound, whatever the group says of prereleases."""
        accepts, bound, wildcard = self.check
        return accepts(version, bound, wildcard)

    @property
    def check(self) -> Check:
        """What to call to the same effect for many versions: looked up once."""
        if self.wildcard and self.operator in {"", "="}:
            return _tilde, self.bound, self.wildcard
        return _OPERATORS[self.operator], self.bound, self.wildcard


def _equals(version: VersionKey, bound: VersionKey, _: Wildcard) -> bool:
    return version == bound


def _differs(version: VersionKey, bound: VersionKey, wildcard: Wildcard) -> bool:
    if wildcard in (Wildcard.NONE, Wildcard.MAJOR):
        return version != bound
    if version[0] != bound[0] or wildcard is Wildcard.MINOR:
        return version[0] != bound[0]
    return version[1] != bound[1] or version[3:] != bound[3:]


def _above(version: VersionKey, bound: VersionKey, wildcard: Wildcard) -> bool:
    if version[0] != bound[0] or wildcard is Wildcard.MINOR:
        return version[0] > bound[0]
    return version[1] > bound[1] if wildcard is Wildcard.PATCH else version > bound


def _below(version: VersionKey, bound: VersionKey, _: Wildcard) -> bool:
    return version < bound


def _at_least(version: VersionKey, bound: VersionKey, _: Wildcard) -> bool:
    return version >= bound


def _at_most(version: VersionKey, bound: VersionKey, wildcard: Wildcard) -> bool:
    if not wildcard:
        return version <= bound
    if wildcard is Wildcard.MINOR:
        return version[0] <= bound[0]
    return version[:2] <= bound[:2]


def _tilde(version: VersionKey, bound: VersionKey, wildcard: Wildcard) -> bool:
    if version < bound:
        return False
    if wildcard < Wildcard.MINOR and bound[:3] == (0, 0, 0):
        return True
    return version[0] == bound[0] and (wildcard is Wildcard.MINOR or version[1] == bound[1])


def _caret(version: VersionKey, bound: VersionKey, wildcard: Wildcard) -> bool:
    if version < bound:
        return False
    if bound[0] > 0 or wildcard is Wildcard.MINOR:
        return version[0] == bound[0]
    if bound[1] > 0 or wildcard is Wildcard.PATCH:
        return version[:2] == bound[:2]
    return version[:3] == bound[:3]


_OPERATORS: Mapping[str, Callable[[VersionKey, VersionKey, Wildcard], bool]] = {
    "": _equals,
    "=": _equals,
    "!=": _differs,
    ">": _above,
    "<": _below,
    ">=": _at_least,
    "=>": _at_least,
    "<=": _at_most,
    "=<": _at_most,
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
}
