"""Every gate of a stage is asked about a tag, and all that they answer is kept."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.core.facts import BuildResult
from app.core.promotion.gates.answers import Asked, GateAnswer, GateAnswers, Verdict
from app.core.promotion.gates.evidence import Evidence
from app.core.promotion.gates.gate import Gate
from app.core.promotion.gates.table import GATES
from app.core.promotion.planning import plan
from app.core.promotion.plans import Plan, Standing
from app.core.promotion.rules_reading import read_rules
from tests.core.promotion.lanes import NOW, app_lane, report, tag_state

PASS, WAIT, FAIL = Verdict.PASS, Verdict.WAIT, Verdict.FAIL


class Soak(Gate):
    """A second gate: a tag has to be an hour old."""

    def ask(self, evidence: Evidence, now: datetime) -> GateAnswer:
        """Wait until it is."""
        until = evidence.tag.first_seen_at + timedelta(hours=1)
        if now < until:
            return GateAnswer(WAIT, "it is younger than an hour", look_at=until)
        return GateAnswer(PASS, "it is an hour old")


def answers(*verdicts: Verdict) -> GateAnswers:
    """Gates that answered so, one after the other."""
    return GateAnswers(tuple(Asked(f"g{i}", GateAnswer(one, f"{one} {i}")) for i, one in enumerate(verdicts)))


@pytest.mark.parametrize(
    ("given", "verdict", "reason"),
    [
        pytest.param((), PASS, "the stage asks for nothing", id="none"),
        pytest.param((PASS, PASS), PASS, "pass 0; pass 1", id="all-pass"),
        pytest.param((PASS, WAIT, WAIT), WAIT, "wait 1; wait 2", id="some-wait"),
        pytest.param((WAIT, FAIL, PASS), FAIL, "fail 1", id="one-fails"),
    ],
)
def test_a_tag_fails_where_any_gate_fails_and_waits_where_any_waits(
    given: tuple[Verdict, ...], verdict: Verdict, reason: str
) -> None:
    found = answers(*given)
    assert (found.verdict, found.reason) == (verdict, reason)


def both_gates(build: Verdict | None = None, *, age: timedelta = timedelta(minutes=6)) -> Plan:
    """Production asks for a build, which ended so (None: is not known), and for an hour."""
    results = {PASS: BuildResult.SUCCESS, FAIL: BuildResult.FAILURE}
    reports = [report("1.1.0", results[build])] if build is not None else []
    lane = app_lane(tag_state("1.1.0", *reports, age=age))
    state = lane.state()
    stages = tuple(
        replace(one, requires=(*one.requires, ("soak", Soak()))) if one.name == "production" else one
        for one in state.rules.stages
    )
    return plan(replace(state, rules=replace(state.rules, stages=stages)), NOW)


def said(found: Plan, tag: str = "1.1.0") -> tuple[Standing, list[tuple[str, Verdict]]]:
    """How the tag stands in production, and what each gate answered."""
    [one] = [one for one in found.outcomes if (one.stage, one.tag) == ("production", tag)]
    return one.standing, [(each.gate, each.answer.verdict) for each in one.answers.every] if one.answers else []


def test_a_gate_that_waits_keeps_a_tag_out_though_its_build_passes() -> None:
    found = both_gates(PASS)
    assert said(found) == (Standing.WAITING, [("build", PASS), ("soak", WAIT)])
    assert found.next_look_at == NOW + timedelta(minutes=54)


def test_a_gate_that_fails_decides_and_what_waits_is_told_beside_it() -> None:
    assert said(both_gates(FAIL)) == (Standing.REFUSED, [("build", FAIL), ("soak", WAIT)])


def test_a_tag_that_passes_every_gate_carries_all_answers_along() -> None:
    found = both_gates(PASS, age=timedelta(hours=2))
    assert said(found) == (Standing.PROPOSED, [("build", PASS), ("soak", PASS)])
    [move] = [one.moves[0] for one in found.proposals if one.stage == "production"]
    assert move.reasons[-1] == "build team/app/main #1 ended SUCCESS; it is an hour old"


def test_the_rules_know_each_gate_by_its_key_in_the_table() -> None:
    rules = read_rules(b"stages: {all: {paths: [apps], requires: {build: {result: [SUCCESS]}}}}")
    [stage] = rules.stages
    assert [(key, type(gate)) for key, gate in stage.requires] == [("build", GATES["build"])]
