"""A human's stop: what a person closed, reverted, froze or denied is not proposed. The one place of its reach."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.core.flux.objects import PolicyName
from app.core.images import ImageName
from app.core.policies.selection import CompiledPolicy
from app.core.promotion.tags import TagState

GIT = "the config repository"
"""Who holds what stands in Git."""


class HoldKind(StrEnum):
    """Where a hold comes from; of those in `BY_PATTERN` the policy is a pattern, of the others a whole name."""

    CLOSED = "closed"
    REVERTED = "reverted"
    SUSPENDED = "suspended"
    MANUAL = "manual"
    DENIED = "denied"
    ROLLED_BACK = "rolled back"


BY_PATTERN = frozenset({HoldKind.MANUAL, HoldKind.DENIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A stop for a policy in a stage; each is None where it is for every one.

    With `tags` these are not proposed, nor any lower one in their place. Without, it is a freeze: nothing is opened or
    given another tag, and what is open stays. One that is DENIED is for these tags of `image` (under its registry's own
    host), or for a `digest`: they are no candidates, and others pass them by. One that is ROLLED_BACK leaves `tags` as
    they may be, with this `digest` where one was asked for, stops every other that was known `since` then, and what
    comes later unless it is above `ceiling`, which was the highest. It ends by itself at `until`. What came with a
    `request` does not stop that one. Those that stand in Git (`is_in_git`) get their `id` and `since` when a run first
    sees them.
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
    image: ImageName | None = None
    digest: str | None = None
    is_in_git: bool = False
    ceiling: str | None = None
    request: str | None = None

    @property
    def words(self) -> str:
        """Why, by whom and until when, as plans, explanations and pull requests say it."""
        until = f", until {self.until:%Y-%m-%d %H:%M} UTC" if self.until is not None else ""
        return f"{self.why}, by {self.who}{until}"

    @property
    def next_step(self) -> str:
        """What a person can do who wants a tag all the same."""
        if self.kind is HoldKind.SUSPENDED:
            return "take spec.suspend out of the ImagePolicy"
        if self.is_in_git:
            return "take it out of .fluxbridge.yaml"
        lift = f"lift the hold: fluxbridge hold lift {self.id}"
        if self.kind in BY_PATTERN:
            return lift
        if self.kind is HoldKind.ROLLED_BACK:
            return f"{lift}, or push a tag above {self.ceiling}" if self.ceiling else lift
        reopen = "reopen the pull request, or " if self.kind is HoldKind.CLOSED else ""
        return f"{reopen}push a higher tag"

    @property
    def is_freeze(self) -> bool:
        """Tell whether it stops every tag."""
        return self.tags is None and self.kind not in {HoldKind.DENIED, HoldKind.ROLLED_BACK}

    def reaches(self, stage: str, policy: str) -> bool:
        """Tell whether it is on this place."""
        return self.stage in {None, stage} and self.reaches_policy(policy)

    def reaches_policy(self, policy: str) -> bool:
        """Tell whether it is on a policy, by its whole name, in any stage."""
        if self.policy is None or self.policy == policy:
            return True
        return self.kind in BY_PATTERN and PolicyName.parse(policy).matches(self.policy)

    def reaches_image(self, image: ImageName | None) -> bool:
        """Tell whether it is on tags of this image, given under its registry's own host."""
        return self.image in {None, image}

    def denies(self, tag: TagState) -> bool:
        """Tell whether a tag, with the digest that would be written, is no candidate by it."""
        if self.kind is not HoldKind.DENIED:
            return False
        return tag.tag in self.tags if self.tags is not None else tag.digest is not None and tag.digest == self.digest

    def stops(self, tag: TagState, order: CompiledPolicy | None) -> bool:
        """Tell whether it stops this tag and those below it, in this order of the policy.

        The tag is given with the digest that would be written.
        """
        if self.kind is HoldKind.DENIED:
            return False
        if self.kind is not HoldKind.ROLLED_BACK:
            return self.tags is None or tag.tag in self.tags
        if tag.tag in (self.tags or ()):
            return None not in {self.digest, tag.digest} and tag.digest != self.digest
        was_being_built = any(one.started_at is not None and one.started_at <= self.since for one in tag.reports)
        return tag.first_seen_at <= self.since or was_being_built or not self._is_passed_by(tag.tag, order)

    def _is_passed_by(self, tag: str, order: CompiledPolicy | None) -> bool:
        """Whether a tag is above the ceiling; also where the policy, by another spec, cannot read that any more."""
        compared = order.precedence(tag, self.ceiling) if order is not None and self.ceiling is not None else None
        return compared is None or compared > 0

    def is_over(self, now: datetime) -> bool:
        """Tell whether it ended by itself."""
        return self.until is not None and now >= self.until


class HoldIndex:
    """Holds by the policies that they may reach: a lane has many of one policy, and few that are wider."""

    def __init__(self, holds: Iterable[Hold]) -> None:
        self._wide: list[Hold] = []
        self._of: dict[str, list[Hold]] = defaultdict(list)
        for one in holds:
            its = self._wide if one.policy is None or one.kind in BY_PATTERN else self._of[one.policy]
            its.append(one)

    def near(self, policy: str) -> tuple[Hold, ...]:
        """Those that may reach a policy, by its whole name."""
        return (*self._of.get(policy, ()), *self._wide)


@dataclass(frozen=True, slots=True)
class Stops:
    """The holds on one policy in one stage at one time."""

    holds: tuple[Hold, ...] = ()

    @classmethod
    def on(
        cls, holds: Iterable[Hold], *, stage: str, policy: str, now: datetime, image: ImageName | None = None
    ) -> "Stops":
        """Those of all holds that reach this place, whose tags are of this image, now."""
        return cls(
            tuple(
                one for one in holds if not one.is_over(now) and one.reaches(stage, policy) and one.reaches_image(image)
            )
        )

    @property
    def freeze(self) -> Hold | None:
        """What stops every tag; of several the one that ends last."""
        return _last(one for one in self.holds if one.is_freeze)

    def freeze_of(self, request: str) -> Hold | None:
        """What stops every tag, also one that was asked for so: what came with that request does not."""
        return _last(one for one in self.holds if one.is_freeze and one.request != request)

    def of(self, tag: TagState, order: CompiledPolicy | None) -> Hold | None:
        """What stops this tag, given with the digest that would be written, and all below it in the policy's order."""
        return self.freeze or next((one for one in self.holds if one.stops(tag, order)), None)

    def denial_of(self, tag: TagState) -> Hold | None:
        """What makes this tag no candidate, given with the digest that would be written."""
        return next((one for one in self.holds if one.denies(tag)), None)


def _last(freezes: Iterable[Hold]) -> Hold | None:
    return max(freezes, key=lambda one: (one.until is None, one.until or one.since), default=None)
