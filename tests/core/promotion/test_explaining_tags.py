"""Why one tag is, or is not, proposed in a stage."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.facts import BuildResult
from app.core.promotion.explained_tag import ExplainedPlace, TagPlace, explain_tag
from app.core.promotion.gates import TagState
from app.core.promotion.holds import Hold
from app.core.promotion.walk import Entry
from tests.core.promotion.lanes import NOW, Lane, app_lane, hold, report, tag_state

FAILED = BuildResult.FAILURE


def _asked(tag: str, lane: Lane, *, stage: str = "production") -> ExplainedPlace:
    state = lane.state()
    [policy] = state.policies
    [rules] = [one for one in state.rules.stages if one.name == stage]
    fields = [one for one in policy.fields if one.stage == stage]
    entry = Entry(stage=rules, holds=state.holds, now=NOW, build_within=timedelta(hours=1))
    return explain_tag(policy, fields, entry, tag)


def _lane(*tags: TagState, holds: tuple[Hold, ...] = ()) -> Lane:
    return replace(app_lane(*tags, production="1.1.0"), holds=holds)


BUILT = tag_state("1.2.0", report("1.2.0"))
BROKEN = tag_state("1.2.0", report("1.2.0", FAILED))


@pytest.mark.parametrize(
    ("lane", "tag", "place", "said"),
    [
        pytest.param(_lane(BUILT), "1.2.0", TagPlace.ENTERS, "ended SUCCESS", id="may enter"),
        pytest.param(_lane(BUILT), "1.1.0", TagPlace.THERE, "the base branch has it", id="is there"),
        pytest.param(_lane(tag_state("1.2.0")), "1.2.0", TagPlace.WAITS, "no build has reported", id="waits"),
        pytest.param(_lane(BROKEN), "1.2.0", TagPlace.REFUSED, "ended FAILURE", id="was refused"),
        pytest.param(
            _lane(BUILT, tag_state("1.3.0", report("1.3.0", number=2))),
            "1.2.0",
            TagPlace.BEHIND,
            "1.3.0 comes first, and it may enter",
            id="a better one enters",
        ),
        pytest.param(
            _lane(BUILT, tag_state("1.3.0")),
            "1.2.0",
            TagPlace.BEHIND,
            "1.3.0 comes first, and it waits: no build",
            id="a better one waits",
        ),
        pytest.param(
            _lane(BUILT, tag_state("1.0.5")),
            "1.0.5",
            TagPlace.LOWER,
            "behind 1.1.0, which the stage has",
            id="lower than what is there",
        ),
        pytest.param(
            _lane(BUILT, holds=(hold("production", "1.2.0"),)), "1.2.0", TagPlace.HELD, "by mira", id="is held"
        ),
        pytest.param(
            _lane(BUILT, tag_state("1.1.5", report("1.1.5", number=3)), holds=(hold("production", "1.2.0"),)),
            "1.1.5",
            TagPlace.BEHIND,
            "1.2.0 comes first and is held",
            id="a better one is held",
        ),
        pytest.param(
            _lane(tag_state("1.2.0", is_gone=True)), "1.2.0", TagPlace.NO_CANDIDATE, "no longer has it", id="is gone"
        ),
        pytest.param(_lane(), "9.9.9", TagPlace.NO_CANDIDATE, "nobody has told of this tag", id="is unknown"),
        pytest.param(
            _lane(tag_state("2.0.0-rc.1")),
            "2.0.0-rc.1",
            TagPlace.NO_CANDIDATE,
            "prerelease",
            id="the policy leaves it out",
        ),
    ],
)
def test_a_tag_s_place_in_a_stage_is_told_with_the_reason(lane: Lane, tag: str, place: TagPlace, said: str) -> None:
    found = _asked(tag, lane)
    assert (found.place, found.stage) == (place, "production")
    assert said in found.reason


def test_the_gates_are_told_also_of_a_tag_whose_turn_did_not_come() -> None:
    found = _asked("1.2.0", _lane(BROKEN, tag_state("1.3.0")))
    assert found.place is TagPlace.BEHIND
    assert found.gates == "fail: build team/app/main #1 ended FAILURE"


def test_a_field_that_names_no_tag_does_not_make_a_tag_there() -> None:
    assert _asked("1.2.0", replace(_lane(BUILT), holds=()), stage="staging").place is TagPlace.ENTERS
