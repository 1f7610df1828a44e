"""What gates and holds add to a policy's choice is told stage by stage."""

from datetime import timedelta

import pytest

from app.core.facts import BuildResult
from app.core.promotion.explained_stage import MOST_STEPS, ExplainedStage, Step, StepKind, explain_stage
from app.core.promotion.holds import Hold, HoldKind
from app.core.promotion.tags import TagState
from app.core.promotion.walk import Entry
from tests.core.promotion.lanes import NOW, POLICY, Lane, deployment, policy_file, report, tag_state

FILES = {
    "apps/staging/app.yaml": deployment("1.0.0"),
    "apps/production/app.yaml": deployment("1.0.0"),
}
FAILED = BuildResult.FAILURE


def _explained(
    stage: str, *tags: TagState, holds: tuple[Hold, ...] = (), choice: str = "semver: {range: '>=0.0.1-0'}"
) -> ExplainedStage:
    files = {**FILES, "images/app.yaml": policy_file(choice)}
    state = Lane(files=files, tags=tags, holds=holds).state()
    [policy] = state.policies
    [rules] = [one for one in state.rules.stages if one.name == stage]
    fields = [one for one in policy.fields if one.stage == stage]
    return explain_stage(
        policy, fields, Entry(stage=rules, holds=state.holds, now=NOW, build_within=timedelta(hours=1))
    )


def _hold(*tags: str) -> Hold:
    return Hold(
        id="h1",
        stage="production",
        policy=POLICY,
        tags=tags,
        kind=HoldKind.CLOSED,
        who="mira",
        why="closed pull request 7",
        since=NOW,
    )


@pytest.mark.parametrize(
    ("tags", "steps", "summary"),
    [
        pytest.param(
            [tag_state("1.0.0"), tag_state("1.1.0", report("1.1.0"))],
            [("1.1.0", StepKind.PASS, "ended SUCCESS")],
            "1.1.0 may enter",
            id="passes",
        ),
        pytest.param(
            [tag_state("1.0.0")],
            [("1.0.0", StepKind.THERE, "there already")],
            "1.0.0 is there already",
            id="is there",
        ),
        pytest.param(
            [tag_state("1.0.0"), tag_state("1.1.0")],
            [("1.1.0", StepKind.WAIT, "no build has reported")],
            "1.1.0 waits",
            id="waits",
        ),
        pytest.param(
            [tag_state("1.0.0"), tag_state("1.1.0", report("1.1.0")), tag_state("1.2.0", report("1.2.0", FAILED))],
            [("1.2.0", StepKind.FAIL, "ended FAILURE"), ("1.1.0", StepKind.PASS, "ended SUCCESS")],
            "1.1.0 may enter",
            id="the best fails, the next passes",
        ),
    ],
)
def test_the_way_into_a_stage_is_told_tag_by_tag(
    tags: list[TagState], steps: list[tuple[str, StepKind, str]], summary: str
) -> None:
    found = _explained("production", *tags)
    assert [(one.tag, one.kind) for one in found.steps] == [(tag, kind) for tag, kind, _ in steps]
    assert all(said in one.reason for one, (_, _, said) in zip(found.steps, steps, strict=True))
    assert (found.summary, found.present, found.fields) == (summary, ("1.0.0",), ("apps/production/app.yaml:3",))


def test_a_stage_without_gates_lets_the_selection_in() -> None:
    found = _explained("staging", tag_state("1.0.0"), tag_state("1.1.0"))
    assert found.steps == (Step("1.1.0", StepKind.PASS, "the stage asks for nothing"),)


def test_a_hold_is_told_with_who_and_why() -> None:
    tags = [tag_state("1.0.0"), tag_state("1.1.0"), tag_state("1.2.0", report("1.2.0", FAILED))]
    found = _explained("production", *tags, holds=(_hold("1.2.0", "1.1.0"),))
    assert [(one.tag, one.kind) for one in found.steps] == [("1.2.0", StepKind.HELD)]
    assert found.steps[0].reason == "held since 2026-11-21 12:00 UTC by mira: closed pull request 7"
    assert found.summary == "1.2.0 is held, and nothing below it is proposed"


def test_a_long_way_is_cut_short_and_the_rest_counted() -> None:
    tags = [tag_state(f"1.{number}.0", report(f"1.{number}.0", FAILED)) for number in range(1, 130)]
    found = _explained("production", tag_state("1.0.0"), *tags)
    assert (len(found.steps), found.untold) == (MOST_STEPS, 130 - MOST_STEPS)
    assert found.summary == "no candidate passes; 30 more were not looked at"


def test_a_policy_that_selects_nothing_says_so() -> None:
    assert _explained("production", choice="semver: {range: '>=2'}").summary == "the policy selects nothing"
