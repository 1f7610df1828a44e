"""A plan made from each policy's stored choice is the plan made from all tags."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import event, given
from hypothesis import strategies as st

from app.core.facts import BuildResult
from app.core.policies.advance import choice_among, chosen_only
from app.core.promotion.planning import plan
from app.core.promotion.plans import Plan
from app.core.promotion.state import LaneState, PolicyState
from tests.core.promotion.lanes import NOW, app_lane, digest, pull, report, tag_state
from tests.core.promotion.test_never_backwards import Event as Happening
from tests.core.promotion.test_never_backwards import Push, ShortList, World, _accidents, _causes, worlds


def by_stored_choice(policy: PolicyState) -> PolicyState:
    """The policy as a lane run first sees it: the tag that it chooses, and those in Git."""
    assert policy.compiled is not None
    candidates = [tag for tag, one in policy.tags.items() if not one.is_gone]
    selection = chosen_only(policy.compiled, choice_among(policy.compiled, candidates))
    seen = {one.tag for one in policy.fields} | {selection.tag}
    return replace(policy, selection=selection, tags={tag: one for tag, one in policy.tags.items() if tag in seen})


def planned(state: LaneState) -> tuple[Plan, bool]:
    """The plan as a lane run makes it, and whether it had to look at all tags."""
    first = plan(replace(state, policies=tuple(by_stored_choice(policy) for policy in state.policies)), NOW)
    return (plan(state, NOW), True) if first.unsettled else (first, False)


def without_counts(one: Plan) -> Plan:
    """A choice of nothing is told with counts only where all tags were looked at."""
    outcomes = tuple(replace(said, reason="") if said.tag == said.from_tag else said for said in one.outcomes)
    return replace(one, outcomes=outcomes)


@given(world=worlds(), happenings=st.lists(_accidents | _causes, min_size=1, max_size=6))
def test_the_stored_choice_and_all_tags_lead_to_one_plan(world: World, happenings: Sequence[Happening]) -> None:
    for happening in happenings:
        world.meet(happening)
        shown = happening.tags if isinstance(happening, ShortList) else None
        state = world.state() if shown is None else world.state(shown)
        found, has_seen_all = planned(state)
        event("all tags were needed" if has_seen_all else "the stored choice was enough")
        assert without_counts(found) == without_counts(plan(state, NOW))


def test_a_choice_that_passes_needs_no_look_at_the_others() -> None:
    tags = [tag_state(f"1.{n}.0", report(f"1.{n}.0", number=n)) for n in range(1, 30)]
    found, has_seen_all = planned(app_lane(*tags).state())
    assert not has_seen_all
    assert {one.moves[0].tag for one in found.proposals} == {"1.29.0"}


def test_a_choice_that_fails_a_gate_needs_the_others() -> None:
    tags = [tag_state("1.1.0", report("1.1.0")), tag_state("1.2.0", report("1.2.0", BuildResult.FAILURE, number=2))]
    found, has_seen_all = planned(app_lane(*tags, staging="1.2.0").state())
    assert has_seen_all
    assert {(one.stage, one.moves[0].tag) for one in found.proposals} == {("production", "1.1.0")}


def test_what_is_open_below_a_choice_that_waits_needs_the_others() -> None:
    tags = [tag_state("1.1.0", report("1.1.0")), tag_state("1.2.0")]
    lane = replace(app_lane(*tags, staging="1.2.0"), pulls=(pull(7, "production", "1.1.0"),))
    found, has_seen_all = planned(lane.state())
    assert has_seen_all
    assert [one.moves[0].digest for one in found.proposals] == [digest("1.1.0")]
    assert found.closures == ()


def test_an_older_push_changes_nothing() -> None:
    world = World("semver", {"staging": "2.0.0", "production": "2.0.0"})
    world.meet(Push("1.0.0", BuildResult.SUCCESS))
    assert planned(world.state())[1] is False
