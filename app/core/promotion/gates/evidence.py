"""What gates read, and how a stage asks them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from app.core.promotion.gates.answers import Asked, GateAnswer, GateAnswers
from app.core.promotion.tags import TagState


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that gates may read of one tag on its way into one stage; services bring it together beforehand.

    `tag` has the digest that would be written. A tag that no build reports `build_within` of its push fails.
    """

    tag: TagState
    build_within: timedelta


class Asks(Protocol):
    """A rule that a tag must pass to enter a stage."""

    @property
    def counts_in_rollbacks(self) -> bool:
        """Whether a tag that the stage had before has to pass it once more when people roll back to it."""

    def ask(self, evidence: Evidence, now: datetime) -> GateAnswer:
        """Answer for one tag; the same evidence and time always give the same answer."""

    def consents_to_changes(self) -> bool | None:
        """What it says of tags that only builds of change requests made; None: nothing."""


def ask_all(required: Sequence[tuple[str, Asks]], evidence: Evidence, now: datetime) -> GateAnswers:
    """Ask every gate of a stage, also after one that fails: people want to know all that is missing."""
    return GateAnswers(tuple(Asked(key, gate.ask(evidence, now)) for key, gate in required))
