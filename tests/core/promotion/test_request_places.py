"""Where a request has its place: its members move all or none, in their group's place or beside it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.promotion.gates.answers import Verdict
from app.core.promotion.holds import Hold, HoldKind
from app.core.promotion.leaving import MOVED, PUSHED
from app.core.promotion.plans import Plan, Standing
from app.core.promotion.requests import Request
from app.core.promotion.state import LaneState, OpenPullRequest
from tests.core.promotion.asked import ASKED, ASKED_BACK, Says, back, closed, forward, gated, outcomes, planned, target
from tests.core.promotion.lanes import NOW, Lane, tag_state
from tests.core.promotion.together import Fleet, short

API, WEB = "flux-system/api", "flux-system/web"
TAGS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")
BOTH = back(target("1.1.0", API), target("1.0.0", WEB), stage="all")
ONE = back(target("1.1.0", API), stage="all")
OWN, SHOP = "request-01back", "fluxbridge/main/all/shop"
FREEZE = Hold(id="f1", stage="all", policy=API, tags=None, kind=HoldKind.MANUAL, who="mira", why="holidays", since=NOW)


def fleet(*requests: Request, together: str = "any", present: str = "1.2.0", **more: object) -> Fleet:
    """Two policies of one group, and what was asked for of them."""
    lane = replace(Lane({}), requests=requests, **more)  # type: ignore[arg-type]
    names = ("api", "web")
    return Fleet(dict.fromkeys(names, present), together, tags=dict.fromkeys(names, TAGS), lane=lane)


def with_policy(state: LaneState, policy: str, **changed: object) -> LaneState:
    """The same with one policy changed."""
    policies = (replace(one, **changed) if str(one.name) == policy else one for one in state.policies)  # type: ignore[arg-type]
    return replace(state, policies=tuple(policies))


def open_for(group: str, *, branch: str = SHOP, **tags: str) -> OpenPullRequest:
    """A pull request of ours that is open in a place, with tags by short names."""
    carried = {f"flux-system/{name}": tag for name, tag in tags.items()}
    return OpenPullRequest(number=7, stage="all", group=group, tags=carried, branch=branch)


def places(found: Plan) -> dict[str, dict[str, str]]:
    """What each group brings."""
    return {one.group: short(one.tags) for one in found.proposals}


def told(found: Plan, policy: str) -> list[tuple[Standing, str | None, str]]:
    """Where a policy stands."""
    return [(one.standing, one.tag, one.reason) for one in outcomes(found, "all", policy)]


@pytest.mark.parametrize("together", ["any", "same-tag", "same-build"])
def test_a_request_of_all_members_takes_the_groups_place_whatever_binds_them(together: str) -> None:
    found = fleet(BOTH, together=together).plan()
    assert places(found) == {"shop": {"api": "1.1.0", "web": "1.0.0"}}
    assert [one.branch for one in found.proposals] == [SHOP]


def test_what_is_open_of_the_group_is_given_what_was_asked_for() -> None:
    here = fleet(BOTH).with_open(api="1.3.0", web="1.3.0").plan()
    assert (places(here), here.closures) == ({"shop": {"api": "1.1.0", "web": "1.0.0"}}, ())


def test_a_request_of_some_members_has_a_place_of_its_own_and_the_group_goes_on_without_them() -> None:
    found = fleet(ONE).with_open(api="1.3.0", web="1.3.0").plan()
    assert places(found) == {OWN: {"api": "1.1.0"}, "shop": {"web": "1.3.0"}}
    assert {one.branch for one in found.proposals} == {SHOP, f"fluxbridge/main/all/{OWN}"}
    assert found.closures == ()


def test_a_groups_pull_request_closes_with_the_reason_when_nothing_else_is_in_it() -> None:
    found = fleet(ONE).with_open(api="1.3.0").holding("web", "1.3.0").plan()
    assert (places(found), closed(found)) == (
        {OWN: {"api": "1.1.0"}},
        [(7, f"something else takes its place: {ASKED_BACK}")],
    )


def test_a_request_across_groups_has_a_place_of_its_own() -> None:
    rules = b'groups: {a: {policies: ["flux-system/api"]}, b: {policies: ["flux-system/web"]}}'
    state = replace(fleet(BOTH).state(), rules=replace(Lane({}, rules=rules).state().rules))
    assert places(planned(state)) == {OWN: {"api": "1.1.0", "web": "1.0.0"}}


@pytest.mark.parametrize("together", ["same-tag", "same-build"])
def test_a_group_that_moves_as_one_waits_while_something_else_is_asked_of_a_member(together: str) -> None:
    found = fleet(ONE, together=together).plan()
    assert places(found) == {OWN: {"api": "1.1.0"}}
    assert told(found, WEB) == [
        (Standing.WAITING, None, f"its group moves as one, and something else comes first: {ASKED_BACK}")
    ]


@pytest.mark.parametrize("together", ["same-tag", "same-build"])
def test_what_is_open_of_a_group_that_moves_as_one_does_not_stay_beside_what_was_asked_of_a_member(
    together: str,
) -> None:
    found = fleet(ONE, together=together).with_open(api="1.3.0", web="1.3.0").plan()
    assert places(found) == {OWN: {"api": "1.1.0"}}
    assert closed(found) == [(7, f"something else takes its place: {ASKED_BACK}")]


def test_a_rollback_leaves_nothing_open_that_brings_another_tag_although_the_others_of_it_are_frozen() -> None:
    frozen = replace(FREEZE, policy=WEB)
    found = replace(fleet(ONE).with_open(api="1.3.0", web="1.3.0"), holds=(frozen,)).plan()
    assert places(found) == {OWN: {"api": "1.1.0"}}
    assert [number for number, _ in closed(found)] == [7]


@pytest.mark.parametrize("together", ["any", "same-tag", "same-build"])
def test_what_is_open_of_a_group_stays_as_it_is_while_what_was_asked_of_a_member_is_held(together: str) -> None:
    asked = forward(target("1.1.0", API), stage="all")
    found = replace(fleet(asked, together=together).with_open(api="1.3.0", web="1.3.0"), holds=(FREEZE,)).plan()
    assert (found.proposals, found.closures) == ((), ())
    carried_on = [API] if together == "any" else [API, WEB]
    assert all(one.is_blind for policy in carried_on for one in outcomes(found, "all", policy)), "it is still proposed"


def _not_listed(state: LaneState) -> LaneState:
    return with_policy(state, API, problem="its range is none")


def _gone(state: LaneState) -> LaneState:
    [api] = [one for one in state.policies if str(one.name) == API]
    return with_policy(state, API, tags={**api.tags, "1.1.0": tag_state("1.1.0", is_gone=True)})


@pytest.mark.parametrize(
    ("against", "why"),
    [
        pytest.param(_gone, "1.1.0 is gone from the registry", id="gone"),
        pytest.param(_not_listed, "its range is none", id="broken"),
    ],
)
def test_a_request_moves_all_of_its_members_or_none_and_says_whom_they_wait_for(against: object, why: str) -> None:
    assert callable(against)
    found = planned(against(fleet(BOTH).state()))
    assert found.proposals == ()
    [(standing, tag, reason)] = told(found, WEB)
    assert (standing, tag) == (Standing.WAITING, "1.0.0")
    assert reason == f"{ASKED_BACK}; it waits for {API} of the same request: {why}"
    assert outcomes(found, "all", WEB)[0].is_by_group
    assert told(found, API)[0][2].endswith(why)


def test_a_promotion_of_which_one_member_is_frozen_waits_as_a_whole() -> None:
    asked = forward(target("1.3.0", API), target("1.3.0", WEB), stage="all")
    found = replace(fleet(asked), holds=(FREEZE,)).plan()
    assert found.proposals == ()
    assert [one.standing for one in found.outcomes] == [Standing.HELD, Standing.WAITING]
    assert told(found, WEB)[0][2].endswith(f"{API} of the same request: held: holidays, by mira")


def test_what_is_refused_weighs_more_than_what_waits_and_closes_what_is_open() -> None:
    asked = forward(target("1.3.0", API), target("1.3.0", WEB), stage="all")
    own = replace(open_for("shop", api="1.3.0", web="1.3.0"), request=asked.id)
    state = gated(replace(fleet(asked), pulls=(own,)).state(), soak=Says(Verdict.WAIT))
    tags = {"1.3.0": tag_state("1.3.0", is_gone=True), "1.2.0": tag_state("1.2.0")}
    found = planned(with_policy(state, WEB, tags=tags))
    assert closed(found) == [(7, "1.3.0 is gone from the registry")]


def test_a_member_whose_policy_has_nothing_in_the_stage_any_more_keeps_the_others_back() -> None:
    state = fleet(BOTH).state()
    only_web = replace(state, policies=tuple(one for one in state.policies if str(one.name) == WEB))
    found = planned(only_web)
    assert found.proposals == ()
    [(standing, tag, reason)] = told(found, WEB)
    assert (standing, tag) == (Standing.WAITING, "1.0.0")
    assert reason == f"{ASKED_BACK}; it waits for {API} of the same request: it has no field in all"


def test_a_member_that_has_it_already_is_left_out_and_the_others_move() -> None:
    here = replace(fleet(BOTH), present={"api": "1.1.0", "web": "1.2.0"})
    for found in (here.plan(), here.with_open(api="1.3.0", web="1.3.0").plan()):
        assert (places(found), found.closures) == ({"shop": {"web": "1.0.0"}}, ())
        assert told(found, API) == [(Standing.CURRENT, "1.1.0", f"the stage has it; {ASKED_BACK}")]


ENDED = "ada asked for it: x; that ended: withdrawn by ada"


@pytest.mark.parametrize("holds", [(), (FREEZE, replace(FREEZE, policy=WEB))], ids=["free", "frozen"])
def test_a_pull_request_whose_request_ended_closes_first_and_the_lane_looks_again_at_once(
    holds: tuple[Hold, ...],
) -> None:
    ended = replace(open_for("shop", api="1.3.0", web="1.3.0"), request="01OLD", ended=ENDED)
    here = replace(fleet(), pulls=(ended,), holds=holds)
    found = here.plan()
    assert (found.proposals, closed(found), found.next_look_at) == ((), [(7, ENDED)], NOW)
    assert not any(one.is_blind for one in found.outcomes) or holds
    assert places(replace(here, pulls=()).plan()) == ({} if holds else {"shop": {"api": "1.3.0", "web": "1.3.0"}})


def test_a_pull_request_of_a_request_that_ended_in_its_own_place_closes_and_the_group_is_planned_as_ever() -> None:
    ended = replace(open_for(OWN, branch=f"fluxbridge/main/all/{OWN}", api="1.1.0"), request="01BACK", ended=ENDED)
    found = replace(fleet(), pulls=(ended,)).plan()
    assert (places(found), closed(found)) == ({"shop": {"api": "1.3.0", "web": "1.3.0"}}, [(7, ENDED)])


def test_a_request_takes_over_what_is_open_of_one_that_it_overtook() -> None:
    ended = replace(open_for("shop", api="1.0.0", web="1.0.0"), request="01OLD", ended=ENDED)
    found = replace(fleet(BOTH), pulls=(ended,)).plan()
    assert (places(found), found.closures) == ({"shop": {"api": "1.1.0", "web": "1.0.0"}}, ())


def test_what_was_open_of_a_request_closes_also_when_the_one_that_overtook_it_waits_under_a_freeze() -> None:
    asked = forward(target("1.3.0", API), target("1.3.0", WEB), stage="all")
    ended = replace(open_for("shop", api="1.0.0", web="1.0.0"), request="01OLD", ended=ENDED)
    found = replace(fleet(asked), pulls=(ended,), holds=(FREEZE,)).plan()
    assert (found.proposals, closed(found)) == ((), [(7, ENDED)])


def test_what_is_open_of_the_group_gives_way_to_a_promotion_that_waits_for_a_gate() -> None:
    asked = forward(target("1.3.0", API), target("1.3.0", WEB), stage="all")
    plain = fleet(asked).with_open(api="1.2.5", web="1.2.5").state()
    assert closed(planned(gated(plain, soak=Says(Verdict.WAIT)))) == [(7, f"something else takes its place: {ASKED}")]
    own = replace(plain, open_pull_requests=tuple(replace(one, request=asked.id) for one in plain.open_pull_requests))
    assert closed(planned(gated(own, soak=Says(Verdict.WAIT)))) == []
    assert closed(planned(gated(own, soak=Says(Verdict.FAIL)))) == [(7, "the gate says fail of 1.3.0")]


@pytest.mark.parametrize("why", [PUSHED, MOVED])
def test_what_a_person_took_over_does_not_keep_a_request_back(why: str) -> None:
    theirs = replace(open_for("shop", api="1.3.0", web="1.3.0"), left_because=why)
    taken = {SHOP: 7} if why == PUSHED else {}
    lent = {SHOP: 7} if why == MOVED else {}
    here = replace(fleet(BOTH, taken=taken, lent=lent), pulls=(theirs,))
    found = here.plan()
    [one] = found.proposals
    assert (short(one.tags), found.closures) == ({"api": "1.1.0", "web": "1.0.0"}, ())
    assert one.branch not in {*taken, *lent}
    own = OpenPullRequest(number=9, stage="all", group="shop", tags=one.tags, branch=one.branch, request=BOTH.id)
    again = replace(here, pulls=(theirs, own)).plan()
    assert ([each.branch for each in again.proposals], again.closures) == ([one.branch], ())


def test_a_branch_without_a_pull_request_that_a_person_pushed_to_does_not_keep_a_request_back() -> None:
    [one] = fleet(BOTH, taken={SHOP: None}).plan().proposals
    assert one.branch != SHOP


def test_a_request_takes_none_of_the_branches_that_people_took_over_one_after_the_other() -> None:
    taken: dict[str, int | None] = {}
    pulls: tuple[OpenPullRequest, ...] = ()
    for number in range(4):
        found = replace(fleet(BOTH, taken=taken), pulls=pulls).plan()
        [one] = found.proposals
        assert one.branch not in taken
        taken = {**taken, one.branch: number}
        theirs = OpenPullRequest(
            number=number, stage="all", group="shop", tags=one.tags, branch=one.branch, left_because=PUSHED
        )
        pulls = (*pulls, replace(theirs, request=BOTH.id))


def test_a_branch_that_is_lent_and_the_one_beside_it_taken_are_both_left() -> None:
    [first] = fleet(BOTH, lent={SHOP: 3}).plan().proposals
    [second] = fleet(BOTH, lent={SHOP: 3}, taken={first.branch: None}).plan().proposals
    assert second.branch not in {SHOP, first.branch}


def test_two_requests_of_a_group_have_a_place_each() -> None:
    other = replace(forward(target("1.3.0", WEB), stage="all"), since=NOW - timedelta(minutes=1))
    found = fleet(other, ONE).with_open(api="1.2.1", web="1.2.1").plan()
    assert places(found) == {OWN: {"api": "1.1.0"}, "request-01forward": {"web": "1.3.0"}}
    assert [number for number, _ in closed(found)] == [7]


def test_a_request_that_grew_into_the_whole_group_moves_into_its_place() -> None:
    own = replace(open_for(OWN, branch=f"fluxbridge/main/all/{OWN}", api="1.1.0", web="1.0.0"), request=BOTH.id)
    found = replace(fleet(BOTH), pulls=(own,)).plan()
    assert places(found) == {"shop": {"api": "1.1.0", "web": "1.0.0"}}
    assert [number for number, _ in closed(found)] == [7]


def test_requests_of_nothing_in_the_lane_change_nothing() -> None:
    stranger: Mapping[str, str] = {"stage": "elsewhere"}
    asked = replace(ONE, **stranger)  # type: ignore[arg-type]
    assert replace(fleet(asked).plan(), next_look_at=None) == fleet().plan()
