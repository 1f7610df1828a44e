"""What gates answer: pass, wait or fail, each with its reason; all answers of a tag are kept, not only what decides."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """A gate's answer. A `fail` is final only for the facts at hand; a `wait` may end by facts or by time."""

    PASS = "pass"  # noqa: S105 (a verdict, not a password)
    WAIT = "wait"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """A verdict with its reason; `look_at` is when time alone can change it.

    `decided_at` is when we learned the newest fact that it rests on. `trailer` is the line of a commit message that
    tells of that fact to who reads the config repository only: a key and stored values, no time.
    """

    verdict: Verdict
    reason: str
    look_at: datetime | None = None
    decided_at: datetime | None = None
    trailer: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One who was asked about a tag, by the gate's key in the rules, and the answer.

    What is no gate but has its say on every tag goes by names that no gate has: `registry`, `fields`, `deny`. One that
    does not count is only shown: a person asked for the tag in a way that does not wait for it.
    """

    gate: str
    answer: GateAnswer
    counts: bool = True


@dataclass(frozen=True, slots=True)
class GateAnswers:
    """All that was answered of one tag. It fails where any fails, else waits where any waits, else passes."""

    every: tuple[Asked, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What decides."""
        met = {one.answer.verdict for one in self.every if one.counts}
        return next((one for one in (Verdict.FAIL, Verdict.WAIT) if one in met), Verdict.PASS)

    @property
    def deciding(self) -> tuple[Asked, ...]:
        """Those that count and whose answer is the verdict."""
        return tuple(one for one in self.every if one.counts and one.answer.verdict is self.verdict)

    @property
    def reason(self) -> str:
        """Why, by all that decide."""
        return "; ".join(one.answer.reason for one in self.deciding) or "the stage asks for nothing"

    @property
    def look_at(self) -> datetime | None:
        """When time alone can change the verdict: of several that wait the first, for it may fail."""
        return min((one.answer.look_at for one in self.deciding if one.answer.look_at is not None), default=None)

    @property
    def decided_at(self) -> datetime | None:
        """When we learned the newest fact that it rests on."""
        return max((one.answer.decided_at for one in self.every if one.answer.decided_at is not None), default=None)


def alone(gate: str, answer: GateAnswer) -> GateAnswers:
    """The answer of one, where no other was asked."""
    return GateAnswers((Asked(gate, answer),))
