"""The fields of a config repository, and what a person should look at in it."""

from dataclasses import dataclass, field
from enum import StrEnum

from app.core.flux.objects import PolicyName
from app.core.manifests.kinds.declared import AnyField


@dataclass(frozen=True, slots=True)
class Field:
    """A place in a file, by a marker or as declared, and the policy that sets it."""

    policy: PolicyName
    file: str
    marked: AnyField


@dataclass(frozen=True, slots=True)
class Refused:
    """A place that a policy would set and that cannot be written, which keeps its other fields in the stage back.

    What is wrong with it is among the reports too.
    """

    policy: PolicyName
    file: str
    line: int | None
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line or 1}: {self.why}"


class About(StrEnum):
    """What a report is about: a marker that is none, one whose policy is not clear, an overridden field, or other.

    WAITING is a variable that is not known, for which others wait; BUILD what Flux reads otherwise than we, or not.

    What is wrong with the paths of stages is an error, for a file may be in another stage than was meant.
    """

    MARKER = "marker"
    POLICY_OF_MARKER = "policy_of_marker"
    OVERRIDDEN = "overridden"
    STAGE = "stage"
    WAITING = "waiting"
    BUILD = "build"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class Report:
    """Something in the repository that a person should look at; `line` is None where it is about the whole file."""

    file: str
    line: int | None
    what: str
    about: About = field(default=About.OBJECT, compare=False)
