"""What every kind of field in a file has in common."""

from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """Which part of the selected image a field holds; version: the tag as the version of a chart."""

    REFERENCE = "reference"
    TAG = "tag"
    NAME = "name"
    DIGEST = "digest"
    VERSION = "version"


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
