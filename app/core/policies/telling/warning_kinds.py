"""What Flux is silent about: the kinds of warnings, each with a name that stays."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class WarningKind(StrEnum):
    """What a warning is about."""

    UNANCHORED_PATTERN = "unanchored_pattern"
    UNKNOWN_GROUP = "unknown_group"
    SHARED_KEY = "shared_key"
    NUMERICAL_WITHOUT_FILTER = "numerical_without_filter"
    LARGE_NUMBER = "large_number"
    PRERELEASE_WITHOUT_DOT = "prerelease_without_dot"
    OPEN_UPPER_BOUND = "open_upper_bound"
    PRERELEASES_BY_BOUND = "prereleases_by_bound"
    WILDCARD_BOUND = "wildcard_bound"
    FIXED_TAG_WITHOUT_DIGEST = "fixed_tag_without_digest"
    TWO_PART_TAGS = "two_part_tags"
    FUTURE_KEY = "future_key"
    ODD_WIDTH = "odd_width"
    UNKNOWN_POLICY = "unknown_policy"
    UNUSED_POLICY = "unused_policy"
    NEAR_MISS_MARKER = "near_miss_marker"
    SECOND_WRITER = "second_writer"
    OVERRIDDEN_FIELD = "overridden_field"


@dataclass(frozen=True, slots=True)
class PolicyWarning:
    """Something that Flux accepts and people hardly mean; `place` is a file, or `file:line`."""

    kind: WarningKind
    place: str
    message: str


class Finding(NamedTuple):
    """A warning before it is known where it belongs."""

    kind: WarningKind
    message: str
