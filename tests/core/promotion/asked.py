"""What people ask for, in the words of a test: rollbacks and promotions, and gates that say what a test wants."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.core.promotion.gates.answers import GateAnswer, Verdict
from app.core.promotion.gates.evidence import Evidence
from app.core.promotion.planning import plan
from app.core.promotion.plans import Outcome, Plan
from app.core.promotion.requests import Request, RequestKind, Target
from app.core.promotion.state import LaneState
from tests.core.promotion.lanes import NOW, POLICY

WHY = "loses orders"
ASKED_BACK = f"ada asked for a rollback: {WHY}"
ASKED = f"ada asked for it: {WHY}"
ASKS_NOTHING = b"stages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}"


def target(tag: str, policy: str = POLICY, **more: object) -> Target:
    """A tag that one policy is to have; the stage had it before."""
    known: Mapping[str, object] = {"was_there": True, "ceiling": None, **more}
    return Target(policy=policy, image="registry.acme.example/team/app", tag=tag, **known)  # type: ignore[arg-type]


def back(*targets: Target, stage: str = "production", since: datetime = NOW) -> Request:
    """That a person asked to roll back."""
    return Request(
        id="01BACK",
        kind=RequestKind.ROLLBACK,
        stage=stage,
        targets=targets,
        who="ada",
        why=WHY,
        since=since,
        until=NOW + timedelta(days=7),
    )


def forward(*targets: Target, stage: str = "production", is_forced: bool = False) -> Request:
    """That a person asked to promote what the stage never had."""
    new = tuple(replace(one, was_there=False) for one in targets)
    request = replace(back(*new, stage=stage), id="01FORWARD", kind=RequestKind.PROMOTION)
    return replace(request, is_forced=is_forced)


@dataclass(frozen=True)
class Says:
    """A gate that answers the same of every tag."""

    verdict: Verdict
    counts_in_rollbacks: bool = False

    def ask(self, evidence: Evidence, now: datetime) -> GateAnswer:  # noqa: ARG002 (the shape of a gate)
        """What it always answers."""
        return GateAnswer(self.verdict, f"the gate says {self.verdict.value} of {evidence.tag.tag}")

    def consents_to_changes(self) -> bool | None:
        """Nothing."""
        return None


def gated(state: LaneState, **gates: Says) -> LaneState:
    """The same where every stage asks these gates."""
    stages = tuple(replace(one, requires=tuple(gates.items())) for one in state.rules.stages)
    return replace(state, rules=replace(state.rules, stages=stages))


def planned(state: LaneState, *, after: timedelta = timedelta(0)) -> Plan:
    """Plan a state at the time of the tests, or later."""
    return plan(state, NOW + after)


def moved(found: Plan, stage: str = "production") -> list[Mapping[str, str]]:
    """What each pull request of a stage brings."""
    return [one.tags for one in found.proposals if one.stage == stage]


def written(found: Plan, stage: str = "production") -> list[str]:
    """The texts that are written in a stage."""
    return [change.new_text for one in found.proposals if one.stage == stage for change in one.changes]


def outcomes(found: Plan, stage: str = "production", policy: str = POLICY) -> list[Outcome]:
    """What is said of a policy in a stage."""
    return [one for one in found.outcomes if (one.stage, one.policy) == (stage, policy)]


def said(found: Plan, stage: str = "production", policy: str = POLICY) -> list[tuple[str, str | None, str]]:
    """The same as standing, tag and reason."""
    return [(one.standing.value, one.tag, one.reason) for one in outcomes(found, stage, policy)]


def closed(found: Plan) -> list[tuple[int, str]]:
    """Which pull requests are closed, and why."""
    return [(one.number, one.reason) for one in found.closures]
