"""What a person stops is not proposed: one tag, or everything in a place while a freeze lasts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.promotion.explained_stage import explain_stage
from app.core.promotion.holds import Hold, HoldKind, Stops
from app.core.promotion.plans import Plan, Standing
from app.core.promotion.rules import Stage
from app.core.promotion.walk import Entry
from tests.core.promotion.lanes import NOW, POLICY, app_lane, hold, pull, tag_state

FREEZE = Hold(
    id="h1",
    stage="production",
    policy=None,
    tags=None,
    kind=HoldKind.MANUAL,
    who="ada",
    why="holidays",
    since=NOW - timedelta(hours=1),
    until=NOW + timedelta(hours=2),
)
ASKS_NOTHING = b"stages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}"


def planned(*holds: Hold, after: timedelta = timedelta(0), is_open: str | None = None) -> Plan:
    """Plan two stages that ask for nothing, with what is held; `is_open` is the tag of production's pull request."""
    pulls = (pull(8, "production", is_open),) if is_open else ()
    lane = replace(app_lane(tag_state("1.1.0"), tag_state("1.2.0")), rules=ASKS_NOTHING, holds=holds, pulls=pulls)
    return lane.plan(after=after)


def proposed(found: Plan) -> dict[str, str]:
    """What each stage gets."""
    return {one.stage: one.moves[0].tag for one in found.proposals}


def test_a_freeze_opens_nothing_in_its_stage_says_until_when_and_ends_by_itself() -> None:
    found = planned(FREEZE)
    assert proposed(found) == {"staging": "1.2.0"}
    [said] = [one for one in found.outcomes if one.stage == "production"]
    assert (said.standing, said.reason) == (Standing.HELD, "holidays, by ada, until 2026-11-21 14:00 UTC")
    assert said.next_step == "lift the hold: fluxbridge hold lift h1"
    assert found.next_look_at == FREEZE.until
    assert proposed(planned(FREEZE, after=timedelta(hours=2))) == {"staging": "1.2.0", "production": "1.2.0"}


def test_what_is_open_stays_as_it_is_under_a_freeze() -> None:
    found = planned(FREEZE, is_open="1.1.0")
    assert (proposed(found), found.closures) == ({"staging": "1.2.0"}, ())
    [said] = [one for one in found.outcomes if one.stage == "production"]
    assert said.is_blind, "its promotion stays proposed"


@pytest.mark.parametrize(
    ("stage", "policy", "is_stopped"),
    [
        pytest.param(None, None, True, id="everything"),
        pytest.param("production", None, True, id="a-stage"),
        pytest.param(None, POLICY, True, id="a-policy-everywhere"),
        pytest.param("staging", None, False, id="another-stage"),
        pytest.param("production", "flux-system/other", False, id="another-policy"),
    ],
)
def test_a_hold_reaches_as_far_as_it_says(stage: str | None, policy: str | None, is_stopped: bool) -> None:  # noqa: FBT001 (a column of the table)
    found = planned(replace(FREEZE, stage=stage, policy=policy))
    assert ("production" not in proposed(found)) == is_stopped


def test_a_tag_that_is_held_everywhere_lets_nothing_lower_in_either() -> None:
    everywhere = replace(hold("production", "1.2.0"), stage=None)
    assert proposed(planned(everywhere)) == {}


def test_an_open_pull_request_closes_when_its_tag_is_held_while_a_newer_one_waits() -> None:
    held = replace(hold("production", "1.1.0"), until=NOW + timedelta(hours=1))
    young = replace(tag_state("1.2.0"), unshown="the registry has not shown it yet")
    lane = replace(app_lane(tag_state("1.1.0"), young), rules=ASKS_NOTHING, holds=(held,))
    found = replace(lane, pulls=(pull(8, "production", "1.1.0"),)).plan()
    assert [(one.number, one.reason) for one in found.closures] == [
        (8, "held: pull request 3 was closed, by mira, until 2026-11-21 13:00 UTC")
    ]


@pytest.mark.parametrize(
    ("choice", "pushed", "is_stopped"),
    [
        pytest.param(">=1.0.0", "1.3.1", False, id="above-all-that-were-known"),
        pytest.param(">=1.0.0", "1.1.1", True, id="below-them"),
        pytest.param("<1.2.0", "1.1.1", True, id="below-them-also-where-the-range-keeps-these-out-since"),
        pytest.param("<1.2.0", "1.1.2+build.7", True, id="metadata-changes-nothing"),
    ],
)
def test_after_a_rollback_only_what_is_above_all_that_were_known_goes_on(
    choice: str,
    pushed: str,
    is_stopped: bool,  # noqa: FBT001 (a column of the table)
) -> None:
    held = replace(
        FREEZE, kind=HoldKind.ROLLED_BACK, policy=POLICY, tags=("1.1.0",), until=None, ceiling="1.3.0", since=NOW
    )
    later = tag_state(pushed, age=-timedelta(minutes=1))
    known = [tag_state(tag) for tag in ("1.1.0", "1.2.0", "1.3.0")]
    here = app_lane(*known, later, production="1.1.0", choice=f"semver: {{range: '{choice}'}}")
    found = replace(here, rules=ASKS_NOTHING, holds=(held,), changed_spec=choice != ">=1.0.0").plan()
    assert proposed(found).get("production") == (None if is_stopped else pushed)


def test_the_longest_of_several_freezes_is_told() -> None:
    longer = replace(FREEZE, id="h2", until=None, why="for good")
    assert Stops((FREEZE, longer)).freeze == longer
    assert Stops((longer, FREEZE)).of(tag_state("1.2.0"), None) == longer


def test_a_freeze_is_explained_before_any_tag_is_looked_at() -> None:
    state = replace(app_lane(tag_state("1.1.0")), rules=ASKS_NOTHING).state().policies[0]
    fields = [one for one in state.fields if one.stage == "production"]
    entry = Entry(stage=Stage("production"), holds=(FREEZE,), now=NOW, build_within=timedelta(hours=1))
    found = explain_stage(state, fields, entry)
    assert [(one.tag, one.kind) for one in found.steps] == [("", "held")]
    assert found.summary == "nothing is proposed while this is held"
