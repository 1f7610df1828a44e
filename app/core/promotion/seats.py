"""Members of a group that moves as one: how far down each may come, and how it stands to one tag."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from app.core.promotion.downward import order_for
from app.core.promotion.explained_tag import why_no_candidate
from app.core.promotion.gates.answers import GateAnswers, Verdict
from app.core.promotion.holds import Hold
from app.core.promotion.parts import Member, Part, held_outcome, kept_back_part
from app.core.promotion.plans import Standing
from app.core.promotion.present import present_tag
from app.core.promotion.state import LaneState
from app.core.promotion.tags import BuildReport, TagState, counting_builds
from app.core.promotion.walk import MOST_CANDIDATES, Passed, as_written, ask, candidates_for, is_there, order_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a member stands to a tag: there, passing, waiting, refused, held, or stuck where it could not take any.

    `is_missing`: it may not move to such a tag, whatever gates say. `is_blind`: nothing can be said of it, so that what
    is open for it stays. `needs_all`: more of its tags have to be known first.
    """

    policy: str
    tag: str
    standing: Standing
    reason: str
    passed: Passed | None = None
    answers: GateAnswers | None = None
    hold: Hold | None = None
    is_missing: bool = False
    is_blind: bool = False
    needs_all: bool = False
    look_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """A member with the tags that it may come to, best first: down to the one that is there or one that is held.

    `hold` is on the last of them, and `behind` are those that it keeps from taking that one's place.
    """

    member: Member
    tags: tuple[str, ...] = ()
    hold: Hold | None = None
    behind: frozenset[str] = frozenset()
    kept_back: Part | None = None
    is_whole: bool = True
    answers: dict[str, Answer] = field(default_factory=dict)

    @classmethod
    def of(cls, state: LaneState, member: Member) -> "Seat":
        """Look how far down it may come."""
        kept_back = kept_back_part(state.rules, member) or _frozen(member)
        if kept_back is not None:
            return cls(member, kept_back=kept_back)
        candidates = candidates_for(member.policy, member.fields)
        stops, tags = member.entry.stops(member.policy), list[str]()
        for tag in islice(candidates.tags, MOST_CANDIDATES):
            tags.append(tag)
            if is_there(member.policy, member.fields, tag):
                return cls(member, tuple(tags))
            written = as_written(member.policy, member.fields, member.policy.tags[tag])
            hold = stops.of(written, order_in(member.policy, member.fields))
            if hold is not None:
                return cls(member, tuple(tags), hold, behind=frozenset(candidates.tags) - {*tags})
        return cls(member, tuple(tags), is_whole=candidates.is_whole)

    @property
    def name(self) -> str:
        """Its policy's whole name."""
        return self.member.name

    @property
    def present(self) -> str | None:
        """The tag that it has now."""
        return present_tag(self.member.fields)

    def has(self, tag: str) -> bool:
        """Whether nothing of a tag is left to write."""
        return is_there(self.member.policy, self.member.fields, tag)

    def written(self, tag: str) -> TagState | None:
        """What is known of a tag, as it would be written; None where nothing is."""
        known = self.member.policy.tags.get(tag)
        return as_written(self.member.policy, self.member.fields, known) if known is not None else None

    def builds(self, tag: str) -> tuple[BuildReport, ...]:
        """The builds that count for a tag, the one that decides first."""
        written = self.written(tag)
        return tuple(counting_builds(written)) if written is not None else ()

    def is_beyond(self, tags: Iterable[str]) -> bool:
        """Whether its policy prefers what it has now to each of some tags that it can order."""
        policy, present = self.member.policy, self.present
        if policy.compiled is None or present is None:
            return False
        order = order_for(policy.compiled, self.member.fields)
        compared = [order.compare(present, tag) for tag in tags]
        return any(compared) and all(one is None or one > 0 for one in compared)

    def ask(self, tag: str) -> Answer:
        """How it stands to a tag."""
        if tag not in self.answers:
            self.answers[tag] = self._ask(tag)
        return self.answers[tag]

    def _ask(self, tag: str) -> Answer:
        member, said = self.member, Answer(policy=self.name, tag=tag, standing=Standing.CURRENT, reason="it is there")
        if self.has(tag):
            return said
        if self.kept_back is not None:
            return self._kept_back(said, self.kept_back)
        if self.hold is not None and (tag == self.tags[-1] or tag in self.behind):
            below = "" if tag == self.tags[-1] else f" at {self.tags[-1]}, which comes before it"
            reason = f"held{below}: {self.hold.words}"
            return replace(said, standing=Standing.HELD, reason=reason, hold=self.hold, look_at=self.hold.until)
        if tag not in self.tags:
            needs_all = not self.is_whole
            return replace(
                said, standing=Standing.REFUSED, reason=self._why_not(tag), is_missing=True, needs_all=needs_all
            )
        asked = ask(member.policy, member.fields, member.entry, member.policy.tags[tag])
        if isinstance(asked, Passed):
            return replace(said, standing=Standing.PROPOSED, reason=asked.answers.reason, passed=asked)
        standing = Standing.WAITING if asked.verdict is Verdict.WAIT else Standing.REFUSED
        return replace(said, standing=standing, reason=asked.reason, answers=asked, look_at=asked.look_at)

    def _kept_back(self, said: Answer, kept_back: Part) -> Answer:
        why, is_held = kept_back.outcomes[0], kept_back.outcomes[0].standing is Standing.HELD
        return replace(
            said,
            standing=Standing.HELD if is_held else Standing.STUCK,
            reason=f"held: {why.reason}" if is_held else why.reason,
            is_blind=why.is_blind,
            look_at=kept_back.look_at,
        )

    def _why_not(self, tag: str) -> str:
        """Why a tag is not among those that it may come to."""
        why = why_no_candidate(self.member.policy, tag)
        if why is not None:
            return why
        present = self.present
        return f"it comes behind {present}, which is there" if present else "it is beyond the first candidates"


def _frozen(member: Member) -> Part | None:
    freeze = member.entry.stops(member.policy).freeze
    if freeze is None:
        return None
    return member.part(replace(held_outcome(freeze, member.said), is_blind=True), look_at=freeze.until)
