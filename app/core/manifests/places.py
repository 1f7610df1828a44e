"""What every kind of field in a file has in common."""

from dataclasses import dataclass
from enum import StrEnum

from app.core.images import is_digest, is_tag


class Part(StrEnum):
    """Which part of the selected image a field holds.

    tag_digest: the tag and its digest in one text (`1.2.3@sha256:…`); version: the tag as the version of a chart.
    """

    REFERENCE = "reference"
    TAG = "tag"
    NAME = "name"
    DIGEST = "digest"
    TAG_DIGEST = "tag_digest"
    VERSION = "version"

    def as_in(self, text: str) -> "Part":
        """The part as a value has it: where a tag is wanted and stands with its digest, the two are one."""
        return Part.TAG_DIGEST if self is Part.TAG and _is_tag_with_digest(text) else self


def _is_tag_with_digest(text: str) -> bool:
    tag, at, digest = text.partition("@")
    return at != "" and is_tag(tag) and is_digest(digest)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that a person should look at; `line` counts from 1."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Refusal(Problem):
    """A field is here and cannot be written: its policy sets nothing in the stage until somebody mends it.

    `text` is its value, as far as it is one.
    """

    text: str = ""


@dataclass(frozen=True, slots=True)
class Miss(Problem):
    """What a declaration is about is not here. That is a problem only where the declaration leads nowhere else."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A value that decides in place of a field; `start` is its first byte in the file, or -1 where it is in another."""

    where: str
    line: int
    start: int
    text: str
