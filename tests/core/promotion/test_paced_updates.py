"""A pull request gets a newer tag at most once in a while; what is new, or fails, waits for nothing (F10)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.facts import BuildResult
from app.core.promotion.plans import Plan, Standing
from app.core.promotion.state import OpenPullRequest
from tests.core.promotion.lanes import NOW, Lane, app_lane, hold, pull, report, tag_state

EVERY = timedelta(seconds=30)


def given(tag: str, *, ago: timedelta = timedelta(seconds=10), stage: str = "staging") -> OpenPullRequest:
    """One that got its tag a moment ago."""
    return replace(pull(7, stage, tag), given_at=NOW - ago)


def tags_of(plan: Plan, stage: str = "staging") -> list[str]:
    return [one.moves[0].tag for one in plan.proposals if one.stage == stage]


@pytest.fixture
def busy() -> Lane:
    """An image of which newer tags keep coming."""
    return replace(app_lane(*map(tag_state, ("1.1.0", "1.2.0", "1.3.0"))), update_every=EVERY)


def test_one_that_got_its_tag_a_moment_ago_keeps_it_and_then_gets_the_newest(busy: Lane) -> None:
    lane = replace(busy, pulls=(given("1.1.0"),))
    plan = lane.plan()
    assert (tags_of(plan), plan.closures) == (["1.1.0"], ())
    assert plan.next_look_at == NOW + timedelta(seconds=20)
    [waits] = [one for one in plan.outcomes if (one.stage, one.standing) == ("staging", Standing.WAITING)]
    assert waits.tag == "1.3.0"
    assert "forge.update_every_s" in waits.reason
    assert tags_of(lane.plan(after=timedelta(seconds=20))) == ["1.3.0"]


def test_what_is_new_is_opened_at_once(busy: Lane) -> None:
    assert tags_of(busy.plan()) == ["1.3.0"]


def test_where_nothing_is_paced_the_newest_is_given_at_once(busy: Lane) -> None:
    lane = replace(busy, pulls=(given("1.1.0"),), update_every=timedelta(0))
    assert tags_of(lane.plan()) == ["1.3.0"]


def test_a_tag_that_fails_meanwhile_is_replaced_at_once() -> None:
    bad = tag_state("1.1.0", report("1.1.0", BuildResult.FAILURE))
    good = tag_state("1.2.0", report("1.2.0", number=2))
    lane = replace(app_lane(bad, good), update_every=EVERY, pulls=(given("1.1.0", stage="production"),))
    assert tags_of(lane.plan(), "production") == ["1.2.0"]


def test_a_tag_that_is_gone_or_held_is_replaced_at_once(busy: Lane) -> None:
    gone = (tag_state("1.1.0", is_gone=True), tag_state("1.3.0"))
    assert tags_of(replace(busy, tags=gone, pulls=(given("1.1.0"),)).plan()) == ["1.3.0"]
    held = replace(busy, holds=(hold("staging", "1.1.0"),), pulls=(given("1.1.0"),))
    assert tags_of(held.plan()) == ["1.3.0"]


def test_one_that_a_person_took_over_is_not_touched_for_it(busy: Lane) -> None:
    taken = replace(given("1.1.0"), left_because="a person pushed to it")
    assert tags_of(replace(busy, pulls=(taken,)).plan()) == []


def test_while_a_newer_tag_waits_one_that_is_held_goes() -> None:
    lane = app_lane(tag_state("1.1.0", report("1.1.0")), tag_state("1.2.0"))
    lane = replace(lane, holds=(hold("production", "1.1.0"),), pulls=(pull(7, "production", "1.1.0"),))
    plan = lane.plan()
    [closure] = plan.closures
    assert (closure.number, closure.reason) == (7, "held: pull request 3 was closed, by mira")
    assert tags_of(plan, "production") == []
