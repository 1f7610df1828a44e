"""A request: that a person asked for tags in a stage, to roll back or to promote. It takes the walk's place there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.core.promotion.holds import Hold, HoldKind


class RequestKind(StrEnum):
    """What a person asked for."""

    ROLLBACK = "rollback"
    PROMOTION = "promotion"


class RequestState(StrEnum):
    """Where a request stands. `fulfilled`: the base branch has its tags by other ways than its pull request."""

    OPEN = "open"
    MERGED = "merged"
    FULFILLED = "fulfilled"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"
    OVERTAKEN = "overtaken"
    REFUSED = "refused"
    EXPIRED = "expired"


CARRIED_OUT = frozenset({RequestState.MERGED, RequestState.FULFILLED})
GIVEN_UP = frozenset({RequestState.WITHDRAWN, RequestState.CLOSED, RequestState.EXPIRED, RequestState.REFUSED})
"""How requests end that may be merged all the same, by who was quicker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What a request takes back: a tag that is in a stage, since when, by which build, and who let it in."""

    tag: str
    since: datetime | None = None
    build: str | None = None
    pull_request: int | None = None
    who: str | None = None

    @property
    def words(self) -> str:
        """All of it, as far as it is known."""
        since = f" in since {self.since:%Y-%m-%d %H:%M} UTC" if self.since is not None else ""
        by = f", by {self.who}" if self.who is not None else ""
        how = f", let in by pull request {self.pull_request}{by}" if self.pull_request is not None else by
        build = f", of {self.build}" if self.build is not None else ""
        return f"{self.tag}{since}{how}{build}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The tag that one policy is to have: with the digest that is to be written beside it, where one was asked for.

    `was_there` tells that the stage had it before. `ceiling` is the highest tag in the policy's order that was known
    when it was asked for, None where it orders none. `leaves_hold`: merging it stops the others that were known then.
    """

    policy: str
    image: str
    tag: str
    digest: str | None = None
    was_there: bool = False
    ceiling: str | None = None
    leaves_hold: bool = False
    undoes: Undone | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a person asked for in one stage: all targets, or none of them. It ends by itself at `until`.

    One that `is_forced` does not ask the gates of entering. `undoes` is the pull request that it takes back as a whole.
    """

    id: str
    kind: RequestKind
    stage: str
    targets: tuple[Target, ...]
    who: str
    why: str
    since: datetime
    until: datetime
    is_forced: bool = False
    undoes: int | None = None

    @property
    def policies(self) -> frozenset[str]:
        """The policies that it is of."""
        return frozenset(one.policy for one in self.targets)

    @property
    def tags(self) -> Mapping[str, str]:
        """The tag that it asks for, by policy."""
        return {one.policy: one.tag for one in self.targets}

    @property
    def is_rollback(self) -> bool:
        """Whether it goes back to what was there: such a one ignores limits, windows and freezes."""
        return self.kind is RequestKind.ROLLBACK

    @property
    def asked(self) -> str:
        """Who asked for what, and why."""
        what = "a rollback" if self.is_rollback else "it"
        return f"{self.who} asked for {what}: {self.why}"

    @property
    def taking_words(self) -> str:
        """Why something else that is open gives way to it."""
        return f"something else takes its place: {self.asked}"

    @property
    def own_place(self) -> str:
        """What its group is called where it is not of all members of one group: others go on beside it."""
        return f"request-{self.id.lower()}"

    def hold_on(self, target: Target, hold_id: str) -> Hold:
        """What keeps everything else away that was known of a policy when it was asked for."""
        what = "rolled back" if self.is_rollback else "promoted"
        return Hold(
            id=hold_id,
            stage=self.stage,
            policy=target.policy,
            tags=(target.tag,),
            kind=HoldKind.ROLLED_BACK,
            who=self.who,
            why=f"{what} to {target.tag}: {self.why}",
            since=self.since,
            digest=target.digest,
            ceiling=target.ceiling,
            request=self.id,
        )

    def target_of(self, policy: str) -> Target | None:
        """What it wants of a policy, by its whole name."""
        return next((one for one in self.targets if one.policy == policy), None)

    def is_over(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return now >= self.until


@dataclass(frozen=True, slots=True)
class RequestIndex:
    """Open requests by the places that they are of."""

    by_place: Mapping[tuple[str, str], Request]

    @classmethod
    def of(cls, requests: Iterable[Request]) -> "RequestIndex":
        """Sort them by stage and policy."""
        return cls({(one.stage, policy): one for one in requests for policy in one.policies})

    def on(self, stage: str, policies: Iterable[str]) -> Sequence[Request]:
        """Those that are of any of these policies in a stage."""
        found = (self.by_place.get((stage, policy)) for policy in policies)
        return tuple({one.id: one for one in found if one is not None}.values())
