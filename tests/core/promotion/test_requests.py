"""What a person asks for takes the walk's place: exactly that, asked what it has to be asked, or a reason why not."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.facts import BuildResult
from app.core.images import ImageName
from app.core.promotion.gates.answers import Verdict
from app.core.promotion.holds import Hold, HoldKind
from app.core.promotion.plans import Standing
from app.core.promotion.requests import Request
from app.core.promotion.state import OpenPullRequest
from app.core.promotion.tags import TagState
from tests.core.promotion.asked import (
    ASKED,
    ASKED_BACK,
    ASKS_NOTHING,
    Says,
    back,
    closed,
    forward,
    gated,
    moved,
    outcomes,
    planned,
    said,
    target,
    written,
)
from tests.core.promotion.lanes import NOW, POLICY, Lane, app_lane, hold, pull, report, tag_state

IMAGE = "registry.acme.example/team/app"
BACK = back(target("1.1.0", ceiling="1.3.0"))
FORWARD = forward(target("1.2.0"))
FREEZE = Hold(
    id="f1",
    stage="production",
    policy=None,
    tags=None,
    kind=HoldKind.MANUAL,
    who="mira",
    why="holidays",
    since=NOW - timedelta(hours=1),
    until=NOW + timedelta(hours=2),
)
SUSPENDED = replace(FREEZE, stage=None, policy=POLICY, kind=HoldKind.SUSPENDED, why="spec.suspend", until=None)
DENIED = replace(
    FREEZE, stage=None, kind=HoldKind.DENIED, tags=("1.1.0",), image=ImageName("registry.acme.example", "team/app")
)
TAGS = tuple(tag_state(tag) for tag in ("1.0.0", "1.1.0", "1.2.0", "1.3.0"))


def lane(
    *requests: Request, tags: Sequence[TagState] = TAGS, production: str = "1.3.0", staging: str = "1.3.0"
) -> Lane:
    """An app in two stages that ask for nothing, and what was asked for."""
    known = app_lane(*tags, staging=staging, production=production)
    return replace(known, rules=ASKS_NOTHING, requests=requests)


def with_tag(changed: TagState) -> Sequence[TagState]:
    """All tags, one of them as given."""
    return [changed if one.tag == changed.tag else one for one in TAGS]


def test_a_rollback_plans_just_its_target_and_leaves_the_other_stage_alone() -> None:
    found = lane(BACK, staging="1.2.0").plan()
    assert moved(found) == [{POLICY: "1.1.0"}]
    assert written(found) == [f"{IMAGE}:1.1.0"]
    assert moved(found, "staging") == [{POLICY: "1.3.0"}]
    [one] = [one for one in found.proposals if one.stage == "production"]
    assert (one.request, one.moves[0].from_tag) == (BACK, "1.3.0")
    assert one.moves[0].downward is not None
    assert one.moves[0].downward.cause == ASKED_BACK
    [told] = outcomes(found)
    assert (told.standing, told.request, told.reason) == (
        Standing.PROPOSED,
        BACK.id,
        f"{ASKED_BACK}; the stage had it before",
    )


def test_a_rollback_is_decided_when_it_is_asked_for_and_not_when_its_old_tag_was_pushed() -> None:
    asked = replace(BACK, since=NOW - timedelta(minutes=1))
    assert [one.decided_at for one in lane(asked).plan().proposals] == [asked.since]


def test_a_rollback_ignores_the_limit_which_a_promotion_waits_for() -> None:
    full = replace(lane(BACK), rules=b"limits: {open: 1}\n" + ASKS_NOTHING, pulls=(pull(8, "staging", "1.3.0"),))
    full = replace(full, files={**full.files, **app_lane(staging="1.0.0", production="1.3.0").files})
    assert moved(full.plan()) == [{POLICY: "1.1.0"}]
    promotion = forward(target("1.1.0"))
    waits = replace(full, requests=(promotion,)).plan()
    assert moved(waits) == []
    assert [(one.standing, one.reason) for one in outcomes(waits)] == [
        (Standing.WAITING, "limit: 1 pull requests are open")
    ]


def test_a_promotion_waits_for_the_limit_also_beside_a_pull_request_that_a_person_took_over() -> None:
    theirs = replace(pull(8, "production", "1.3.0"), branch="theirs", left_because="theirs")
    full = replace(lane(FORWARD, production="1.0.0"), rules=b"limits: {open: 1}\n" + ASKS_NOTHING, pulls=(theirs,))
    assert moved(full.plan()) == []


def test_a_rollback_does_not_wait_for_the_pace_of_what_is_open() -> None:
    given = replace(pull(8, "production", "1.4.0"), given_at=NOW - timedelta(seconds=1), branch="b")
    paced = replace(lane(BACK), pulls=(given,), update_every=timedelta(minutes=10))
    [one] = paced.plan().proposals
    assert (dict(one.tags), one.branch) == ({POLICY: "1.1.0"}, "b")


@pytest.mark.parametrize("freeze", [FREEZE, SUSPENDED], ids=["freeze", "suspend"])
def test_a_rollback_ignores_a_freeze_and_says_so(freeze: Hold) -> None:
    [one] = replace(lane(BACK), holds=(freeze,)).plan().proposals
    assert f"rolled back in spite of a hold: {freeze.words}" in one.moves[0].reasons


@pytest.mark.parametrize(
    "denial", [DENIED, replace(DENIED, tags=None, image=None, digest=tag_state("1.1.0").digest)], ids=["tag", "digest"]
)
@pytest.mark.parametrize(
    "request_", [BACK, forward(target("1.1.0")), forward(target("1.1.0"), is_forced=True)], ids=["back", "on", "forced"]
)
def test_a_denied_tag_is_refused_to_every_request(request_: Request, denial: Hold) -> None:
    found = replace(lane(request_), holds=(denial, FREEZE) if request_.is_rollback else (denial,)).plan()
    assert (moved(found), found.put_off) == ([], ())
    [(standing, tag, reason)] = said(found)
    assert (standing, tag, reason) == ("refused", "1.1.0", f"{request_.asked}; denied: {denial.words}")


def test_a_request_for_a_denied_tag_is_looked_at_when_the_denial_ends() -> None:
    found = replace(lane(BACK), holds=(DENIED,))
    assert found.plan().next_look_at == DENIED.until
    assert moved(found.plan(after=timedelta(hours=2))) == [{POLICY: "1.1.0"}]


@pytest.mark.parametrize("verdict", [Verdict.WAIT, Verdict.FAIL])
def test_a_gate_that_does_not_count_in_rollbacks_is_shown_and_does_not_decide(verdict: Verdict) -> None:
    found = planned(gated(lane(BACK).state(), soak=Says(verdict)))
    [one] = [one for one in found.proposals if one.stage == "production"]
    assert dict(one.tags) == {POLICY: "1.1.0"}
    assert [(each.gate, each.counts) for each in one.moves[0].answers.every] == [("soak", False)]
    assert f"shown only, soak: the gate says {verdict.value} of 1.1.0" in one.moves[0].reasons


@pytest.mark.parametrize("verdict", [Verdict.WAIT, Verdict.FAIL])
def test_a_gate_that_counts_in_rollbacks_decides(verdict: Verdict) -> None:
    state = gated(lane(BACK).state(), soak=Says(Verdict.FAIL), signed=Says(verdict, counts_in_rollbacks=True))
    found = planned(state)
    [(standing, tag, reason)] = said(found)
    expected = "waiting" if verdict is Verdict.WAIT else "refused"
    assert (moved(found), standing, tag) == ([], expected, "1.1.0")
    assert reason == f"{ASKED_BACK}; the gate says {verdict.value} of 1.1.0"


@pytest.mark.parametrize("verdict", [Verdict.WAIT, Verdict.FAIL])
@pytest.mark.parametrize(
    "request_", [back(target("1.1.0", was_there=False)), forward(target("1.1.0"))], ids=["back", "on"]
)
def test_a_tag_that_the_stage_never_had_is_asked_every_gate(request_: Request, verdict: Verdict) -> None:
    found = planned(gated(lane(request_).state(), soak=Says(verdict)))
    assert moved(found) == []
    [one] = outcomes(found)
    assert one.standing is (Standing.WAITING if verdict is Verdict.WAIT else Standing.REFUSED)
    assert one.reason == f"{request_.asked}; the gate says {verdict.value} of 1.1.0"
    assert one.answers is not None
    assert [each.counts for each in one.answers.every] == [True]


def test_a_promotion_waits_for_a_build_and_fails_when_none_comes() -> None:
    asked = replace(app_lane(*TAGS), requests=(FORWARD,))
    waits = asked.plan()
    assert [one.standing for one in outcomes(waits)] == [Standing.WAITING]
    assert waits.next_look_at == NOW + timedelta(minutes=54)
    refused = asked.plan(after=timedelta(hours=2))
    assert [(one.standing, one.reason) for one in outcomes(refused)] == [
        (Standing.REFUSED, f"{ASKED}; no build reported it within 60 min of its push")
    ]


def test_a_promotion_goes_to_its_tag_although_a_higher_one_would_pass() -> None:
    built = with_tag(tag_state("1.2.0", report("1.2.0")))
    found = replace(app_lane(*built), requests=(FORWARD,)).plan()
    assert moved(found) == [{POLICY: "1.2.0"}]
    assert [one.moves[0].reasons for one in found.proposals if one.stage == "production"] == [
        (ASKED, "build team/app/main #1 ended SUCCESS")
    ]


def test_a_forced_promotion_passes_every_gate_and_says_so() -> None:
    forced = forward(target("1.2.0"), is_forced=True)
    state = gated(
        lane(forced, production="1.0.0").state(),
        soak=Says(Verdict.FAIL),
        signed=Says(Verdict.WAIT, counts_in_rollbacks=True),
    )
    [one] = [one for one in planned(state).proposals if one.stage == "production"]
    assert one.moves[0].reasons == (
        ASKED,
        "forced by ada: the gates of entering were not asked",
        "shown only, soak: the gate says fail of 1.2.0",
        "shown only, signed: the gate says wait of 1.2.0",
    )


@pytest.mark.parametrize("freeze", [FREEZE, SUSPENDED], ids=["freeze", "suspend"])
@pytest.mark.parametrize("is_forced", [False, True], ids=["asked", "forced"])
def test_a_promotion_waits_under_a_freeze_and_what_is_open_stays_with_its_promotion(
    freeze: Hold, *, is_forced: bool
) -> None:
    asked = forward(target("1.2.0"), is_forced=is_forced)
    for is_open in (None, pull(8, "production", "1.1.0"), replace(pull(8, "production", "1.2.0"), request=asked.id)):
        pulls = (is_open,) if is_open else ()
        here = replace(lane(asked, production="1.0.0"), holds=(freeze,), pulls=pulls)
        found = here.plan()
        [one] = outcomes(found)
        assert (moved(found), found.closures) == ([], ())
        assert (one.standing, one.tag, one.reason) == (Standing.HELD, "1.2.0", f"{ASKED}; held: {freeze.words}")
        assert one.is_blind == (is_open is not None), "what is open is still proposed"
        assert one.next_step == freeze.next_step
        assert freeze.until is None or found.next_look_at == freeze.until
        assert moved(replace(here, holds=()).plan()) == [{POLICY: "1.2.0"}]


def barred(*, is_forced: bool) -> Lane:
    """A promotion of a tag that only a change request built."""
    tags = with_tag(tag_state("1.2.0", report("1.2.0", is_barred=True)))
    return lane(forward(target("1.2.0"), is_forced=is_forced), tags=tags, production="1.0.0")


def test_a_barred_tag_comes_in_by_force_only() -> None:
    [(standing, _, reason)] = said(barred(is_forced=False).plan())
    assert (standing, reason) == (
        "refused",
        f"{ASKED}; only builds of change requests, or of our own branches, made 1.2.0",
    )
    assert moved(barred(is_forced=True).plan()) == [{POLICY: "1.2.0"}]


@pytest.mark.parametrize(
    "request_", [BACK, forward(target("1.1.0"), is_forced=True)], ids=["a rollback", "a forced promotion"]
)
def test_a_gone_tag_never_comes_back(request_: Request) -> None:
    tags = with_tag(tag_state("1.1.0", is_gone=True))
    found = replace(lane(request_, tags=tags), pulls=(replace(pull(9, "production", "1.1.0"), request=request_.id),))
    assert moved(found.plan()) == []
    assert said(found.plan()) == [("refused", "1.1.0", f"{request_.asked}; 1.1.0 is gone from the registry")]
    assert closed(found.plan()) == [(9, "1.1.0 is gone from the registry")]


def test_a_tag_of_which_it_is_only_doubtful_that_it_is_gone_can_be_rolled_back_to() -> None:
    tags = with_tag(replace(tag_state("1.1.0", is_gone=True), doubt="many went at once"))
    assert moved(lane(BACK, tags=tags).plan()) == [{POLICY: "1.1.0"}]


def test_a_tag_that_lists_do_not_show_yet_can_be_rolled_back_to_and_not_promoted() -> None:
    tags = with_tag(replace(tag_state("1.1.0"), unshown="the registry has not shown it"))
    assert moved(lane(BACK, tags=tags).plan()) == [{POLICY: "1.1.0"}]
    assert said(lane(forward(target("1.1.0")), tags=tags).plan()) == [
        ("waiting", "1.1.0", f"{ASKED}; the registry has not shown it")
    ]


def test_a_rollback_does_not_wait_for_a_list_that_a_promotion_waits_for() -> None:
    waits = replace(lane(BACK), waits_for="catalogue not listed")
    assert moved(waits.plan()) == [{POLICY: "1.1.0"}]
    [one] = outcomes(replace(waits, requests=(FORWARD,)).plan())
    assert (one.standing, one.reason, one.request) == (Standing.WAITING, "catalogue not listed", FORWARD.id)


def test_fields_that_have_it_already_are_left_and_what_is_open_for_it_closes() -> None:
    own = replace(pull(9, "production", "1.1.0"), request=BACK.id)
    found = replace(lane(BACK, production="1.1.0"), pulls=(own,)).plan()
    assert (moved(found), said(found)) == ([], [("current", "1.1.0", f"the stage has it; {ASKED_BACK}")])
    assert [(one.number, one.is_in_base) for one in found.closures] == [(9, True)]


def test_fields_that_have_it_are_current_also_under_a_freeze_or_when_it_is_gone() -> None:
    there = lane(forward(target("1.1.0")), tags=with_tag(tag_state("1.1.0", is_gone=True)), production="1.1.0")
    assert [one.standing for one in outcomes(replace(there, holds=(FREEZE,)).plan())] == [Standing.CURRENT]


def test_whoever_only_observes_is_shown_what_was_asked_for_and_nothing_is_done() -> None:
    other = pull(8, "production", "1.4.0")
    found = replace(lane(BACK), is_observing=True, pulls=(other,)).plan()
    assert (found.proposals, found.closures) == ((), ())
    assert [one.tags for one in found.put_off if one.request == BACK] == [{POLICY: "1.1.0"}]
    assert said(found) == [("waiting", "1.1.0", "mode: observe")]


def test_a_target_that_a_run_does_not_know_asks_for_all_tags() -> None:
    state = lane(BACK, tags=[one for one in TAGS if one.tag != "1.1.0"]).state()
    short = [replace(one, selection=replace(one.selection, is_whole=False)) for one in state.policies if one.selection]
    found = planned(replace(state, policies=tuple(short)))
    assert found.unsettled == {POLICY}
    assert (moved(found), outcomes(found)) == ([], [])


def test_a_request_ends_by_itself_so_the_lane_looks_then() -> None:
    soon = replace(BACK, until=NOW + timedelta(hours=3))
    for state in (lane(soon).state(), gated(lane(soon).state(), signed=Says(Verdict.WAIT, counts_in_rollbacks=True))):
        assert planned(state).next_look_at == soon.until


def test_a_request_passes_what_a_person_said_no_to_before() -> None:
    assert moved(replace(lane(BACK), holds=(hold("production", "1.1.0"),)).plan()) == [{POLICY: "1.1.0"}]


def test_a_failed_build_of_the_target_is_shown_in_a_rollback_to_what_was_there() -> None:
    bad = with_tag(tag_state("1.1.0", report("1.1.0", BuildResult.FAILURE)))
    asked = replace(app_lane(*bad, production="1.3.0"), requests=(BACK,))
    [one] = [one for one in asked.plan().proposals if one.stage == "production"]
    assert "shown only, build: build team/app/main #1 ended FAILURE" in one.moves[0].reasons


def test_a_field_that_cannot_be_written_keeps_a_request_back_and_closes_its_pull_request() -> None:
    own = OpenPullRequest(
        number=9, stage="production", group=POLICY, tags={POLICY: "1.1.0"}, request=BACK.id, branch="b"
    )
    state = replace(lane(BACK), pulls=(own,)).state()
    refused = [replace(one, refused={"production": "apps/x.yaml: sealed"}) for one in state.policies]
    found = planned(replace(state, policies=tuple(refused)))
    assert said(found) == [("stuck", None, "apps/x.yaml: sealed")]
    assert closed(found) == [(9, "apps/x.yaml: sealed")]
