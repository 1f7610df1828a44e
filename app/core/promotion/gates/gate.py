"""What a gate is: a mapping under a stage's `requires`, which says of each tag whether it may enter."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ConfigDict

from app.core.promotion.gates.answers import Asked, GateAnswer, GateAnswers
from app.core.promotion.rules_model import StrictModel
from app.core.promotion.tags import TagState


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that gates may read of one tag on its way into one stage; services bring it together beforehand.

    `tag` has the digest that would be written. A tag that no build reports `build_within` of its push fails.
    """

    tag: TagState
    build_within: timedelta


class Gate(StrictModel, ABC):
    """A rule that a tag must pass to enter a stage, read from what the rules say under its key."""

    model_config = ConfigDict(frozen=True)

    @abstractmethod
    def ask(self, evidence: Evidence, now: datetime) -> GateAnswer:
        """Answer for one tag; the same evidence and time always give the same answer."""

    def consents_to_changes(self) -> bool | None:
        """What it says of tags that only builds of change requests made; None: nothing."""
        return None


def ask_all(required: Sequence[tuple[str, Gate]], evidence: Evidence, now: datetime) -> GateAnswers:
    """Ask every gate of a stage, also after one that fails: people want to know all that is missing."""
    return GateAnswers(tuple(Asked(key, gate.ask(evidence, now)) for key, gate in required))
