"""What a gate is: a mapping under a stage's `requires`, which says of each tag whether it may enter."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import ClassVar

from pydantic import ConfigDict

from app.core.promotion.gates.answers import GateAnswer
from app.core.promotion.gates.evidence import Evidence
from app.core.promotion.rules_model import StrictModel


class Gate(StrictModel, ABC):
    """A rule that a tag must pass to enter a stage, read from what the rules say under its key."""

    model_config = ConfigDict(frozen=True)

    counts_in_rollbacks: ClassVar[bool] = False
    """Whether a tag that the stage had before has to pass it once more when people roll back to it."""

    @abstractmethod
    def ask(self, evidence: Evidence, now: datetime) -> GateAnswer:
        """Answer for one tag; the same evidence and time always give the same answer."""

    def consents_to_changes(self) -> bool | None:
        """What it says of tags that only builds of change requests made; None: nothing."""
        return None
