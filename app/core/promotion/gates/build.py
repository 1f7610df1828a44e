"""`build`: the newest finished build that reported this digest must have succeeded (DESIGN 5)."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field, model_validator

from app.core.facts import BuildResult
from app.core.promotion.gates.answers import GateAnswer, Verdict
from app.core.promotion.gates.evidence import Evidence
from app.core.promotion.gates.gate import Gate
from app.core.promotion.tags import TagState, deciding_build

_NOT_YET = ("jobs", "branches", "tests", "parameters")


class BuildGate(Gate):
    """No build known: it waits, and fails `build_within` after its push was first seen."""

    result: tuple[Literal["SUCCESS"], ...] = Field(default=("SUCCESS",), min_length=1, max_length=1, strict=False)
    change_requests: Literal["allow", "bar"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _long_form(cls, written: object) -> object:
        """`build: success` is short for a mapping that asks for nothing else."""
        if written == "success":
            return {}
        if not isinstance(written, dict):
            raise ValueError("must be 'success', or a mapping with result and change_requests")  # noqa: TRY004 - pydantic takes a ValueError for a mistake
        early = [key for key in _NOT_YET if key in written]
        if early:
            raise ValueError(f"{', '.join(early)} cannot be asked for yet: leave them out, so that nothing seems gated")
        return written

    def ask(self, evidence: Evidence, now: datetime) -> GateAnswer:
        """Answer by the build that counts for the tag."""
        deciding = deciding_build(evidence.tag)
        if deciding is None:
            return unreported(evidence, now)
        verdict = Verdict.PASS if deciding.result is BuildResult.SUCCESS else Verdict.FAIL
        return GateAnswer(
            verdict,
            f"build {deciding.name} ended {deciding.result}",
            decided_at=deciding.recorded_at,
            trailer=("Build", deciding.line),
        )

    def consents_to_changes(self) -> bool | None:
        """Whether tags may enter that only builds of change requests made."""
        return None if self.change_requests is None else self.change_requests == "allow"


def unreported(evidence: Evidence, now: datetime) -> GateAnswer:
    """What is answered of a tag that no build has reported: it waits for one, and not for long."""
    until = evidence.tag.first_seen_at + evidence.build_within
    if now >= until:
        return GateAnswer(Verdict.FAIL, f"no build reported it within {_minutes(evidence.build_within)} of its push")
    return GateAnswer(Verdict.WAIT, f"no build has reported {_digest_words(evidence.tag)} yet", look_at=until)


def _digest_words(tag: TagState) -> str:
    return f"digest {tag.digest[:19]}…" if tag.digest else "this tag"


def _minutes(span: timedelta) -> str:
    minutes = span.total_seconds() / 60
    return f"{minutes:g} min"
