"""A human's stop: what a person closed, reverted or froze is not proposed. The one place that tells what it reaches."""

from collections.abc import Iterable
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
    """A stop for a policy in a stage; each is None where it is for every one.

    With `tags` these are not proposed, nor any lower one in their place. Without, it is a freeze: nothing is opened or
    given another tag, and what is open stays. It ends by itself at `until`.
    """

    id: str
    stage: str | None
    policy: str | None
    tags: tuple[str, ...] | None
    kind: HoldKind
    who: str
    why: str
    since: datetime
    until: datetime | None = None

    @property
    def words(self) -> str:
        """Why, by whom and until when, as plans, explanations and pull requests say it."""
        until = f", until {self.until:%Y-%m-%d %H:%M} UTC" if self.until is not None else ""
        return f"{self.why}, by {self.who}{until}"

    @property
    def next_step(self) -> str:
        """What a person can do who wants a tag all the same."""
        if self.tags is None:
            return "lift the hold"
        reopen = "reopen the pull request, or " if self.kind is HoldKind.CLOSED else ""
        return f"{reopen}push a higher tag"

    def reaches(self, stage: str, policy: str) -> bool:
        """Tell whether it is on this place."""
        return self.stage in {None, stage} and self.policy in {None, policy}

    def is_over(self, now: datetime) -> bool:
        """Tell whether it ended by itself."""
        return self.until is not None and now >= self.until


@dataclass(frozen=True, slots=True)
class Stops:
    """The holds on one policy in one stage at one time."""

    holds: tuple[Hold, ...] = ()

    @classmethod
    def on(cls, holds: Iterable[Hold], *, stage: str, policy: str, now: datetime) -> "Stops":
        """Those of all holds that reach this place now."""
        return cls(tuple(one for one in holds if one.reaches(stage, policy) and not one.is_over(now)))

    @property
    def freeze(self) -> Hold | None:
        """What stops every tag; of several the one that ends last."""
        freezes = [one for one in self.holds if one.tags is None]
        return max(freezes, key=lambda one: (one.until is None, one.until or one.since), default=None)

    def of(self, tag: str) -> Hold | None:
        """What stops this tag."""
        return self.freeze or next((one for one in self.holds if one.tags is not None and tag in one.tags), None)
