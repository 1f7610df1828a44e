"""A human's stop: what a person closed or reverted is not proposed again."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class HoldKind(StrEnum):
    """Where a hold comes from."""

    CLOSED = "closed"
    REVERTED = "reverted"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """These tags are not proposed for this policy in this stage, nor any lower one in their place."""

    id: str
    stage: str
    policy: str
    tags: tuple[str, ...]
    kind: HoldKind
    who: str
    why: str
    since: datetime

    @property
    def next_step(self) -> str:
        """What a person can do who wants a tag all the same."""
        reopen = "reopen the pull request, or " if self.kind is HoldKind.CLOSED else ""
        return f"{reopen}push a higher tag"
