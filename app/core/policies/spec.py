"""What an ImagePolicy asks for, as its spec says it."""

import hashlib
import json
from dataclasses import asdict, dataclass

from app.core.errors import Invalid
from app.core.images import version_of_tag


class InvalidPolicy(Invalid):
    """A policy's own text cannot be used: Flux refuses it too, and no other tag will change that."""


class PolicyTooLarge(InvalidPolicy):
    """A policy's text is beyond a limit of Fluxbridge, which Flux does not have."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what}: that is a limit of Fluxbridge, not of Flux; {advice}")


@dataclass(frozen=True, slots=True)
class SemVer:
    """Choose the highest version within a range."""

    range: str


@dataclass(frozen=True, slots=True)
class Alphabetical:
    """Choose the last (asc) or first (desc) in byte order; empty is asc."""

    order: str = ""


@dataclass(frozen=True, slots=True)
class Numerical:
    """Choose the largest (asc) or smallest (desc) number; empty is asc."""

    order: str = ""


Choice = SemVer | Alphabetical | Numerical


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Keep the tags that match an RE2 pattern, and order them by what `extract` takes out."""

    pattern: str = ""
    extract: str = ""


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A choice, a filter, and the exclusionList of the policy's repository (empty: Flux's default).

    `is_chart`: the tags are versions of a Helm chart, in which Helm writes `+` as `_`; they are read back before
    anything else. Flux's own objects never are.
    """

    choice: Choice
    filter: TagFilter | None = None
    exclusion_list: tuple[str, ...] = ()
    is_chart: bool = False

    def as_json(self) -> str:
        """The canonical text of this spec: equal specs have equal texts."""
        written = {"kind": type(self.choice).__name__, **asdict(self)}
        if not self.is_chart:
            del written["is_chart"]
        return json.dumps(written, sort_keys=True, separators=(",", ":"))

    def fingerprint(self) -> str:
        """The SHA-256 of the canonical text, in hex."""
        return hashlib.sha256(self.as_json().encode("utf-8", "surrogatepass")).hexdigest()

    def readable(self, tag: str) -> str:
        """What the policy reads where the registry has this tag.

        >>> PolicySpec(SemVer("1.x"), is_chart=True).readable("1.1.0_up2")
        '1.1.0+up2'
        """
        return version_of_tag(tag) if self.is_chart else tag
