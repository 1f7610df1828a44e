"""What is denied is no candidate: others pass it by, its pull request closes, and in Git nothing moves for it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.images import ImageName
from app.core.promotion.explained_stage import explain_stage
from app.core.promotion.explained_tag import explain_tag
from app.core.promotion.holds import Hold, HoldIndex, HoldKind
from app.core.promotion.plans import Plan, Standing
from app.core.promotion.rules import Stage
from app.core.promotion.state import OpenPullRequest
from app.core.promotion.walk import Entry
from tests.core.promotion.lanes import (
    NOW,
    POLICY,
    Lane,
    app_lane,
    deployment,
    digest,
    hold,
    policy_file,
    pull,
    tag_state,
)

IMAGE = ImageName("registry.acme.example", "team/app")
PATHS = b"stages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}"
DENIED = Hold(
    id="d1",
    stage=None,
    policy=None,
    tags=("1.2.0",),
    kind=HoldKind.DENIED,
    who="ada",
    why="loses orders",
    since=NOW - timedelta(hours=1),
    image=IMAGE,
)
BY_DIGEST = replace(DENIED, tags=None, image=None, digest=digest("1.2.0"))
FREEZE = replace(DENIED, id="f1", tags=None, image=None, kind=HoldKind.MANUAL, why="holidays")
WHY = "denied: loses orders, by ada"


def lane(*tags: str, holds: Sequence[Hold] = (DENIED,), pulls: Sequence[OpenPullRequest] = (), **there: str) -> Lane:
    """An app in two stages that ask for nothing."""
    known = app_lane(*(tag_state(tag) for tag in tags), **there)
    return replace(known, rules=PATHS, holds=tuple(holds), pulls=tuple(pulls))


def proposed(found: Plan) -> dict[str, str]:
    """What each stage gets."""
    return {one.stage: one.moves[0].tag for one in found.proposals}


def said(found: Plan, stage: str = "production") -> list[tuple[Standing, str | None, str]]:
    """What is said of one stage."""
    return [(one.standing, one.tag, one.reason) for one in found.outcomes if one.stage == stage]


@pytest.mark.parametrize("denial", [pytest.param(DENIED, id="tag"), pytest.param(BY_DIGEST, id="digest")])
def test_what_is_denied_is_passed_by_and_says_why(denial: Hold) -> None:
    found = lane("1.1.0", "1.2.0", holds=[denial]).plan()
    assert proposed(found) == {"staging": "1.1.0", "production": "1.1.0"}
    assert said(found)[0] == (Standing.REFUSED, "1.2.0", WHY)


def test_a_tag_above_the_denied_one_passes() -> None:
    assert proposed(lane("1.2.0", "1.3.0").plan()) == {"staging": "1.3.0", "production": "1.3.0"}


@pytest.mark.parametrize(
    ("change", "is_denied"),
    [
        pytest.param({"image": ImageName("registry.acme.example", "team/other")}, False, id="another-image"),
        pytest.param({"stage": "staging"}, False, id="another-stage"),
        pytest.param({"policy": "flux-system/*"}, True, id="a-pattern"),
        pytest.param({"policy": "other/*"}, False, id="another-pattern"),
        pytest.param({"tags": None, "digest": digest("1.1.0")}, False, id="another-digest"),
        pytest.param({"until": NOW}, False, id="it-is-over"),
    ],
)
def test_a_denial_reaches_as_far_as_it_says(change: dict[str, object], is_denied: bool) -> None:  # noqa: FBT001 (a column of the table)
    found = lane("1.1.0", "1.2.0", holds=[replace(DENIED, **change)]).plan()  # type: ignore[arg-type]
    assert (proposed(found)["production"] == "1.1.0") == is_denied


def test_in_git_it_moves_nothing_and_is_doubtful() -> None:
    here = lane("1.1.0", "1.2.0", production="1.2.0")
    found = here.plan()
    assert proposed(found) == {"staging": "1.1.0"}
    assert said(found) == [(Standing.CURRENT, "1.2.0", f"the stage has it; {WHY}")]
    state = here.state().policies[0]
    fields = [one for one in state.fields if one.stage == "production"]
    entry = Entry(stage=Stage("production"), holds=(DENIED,), now=NOW, build_within=timedelta(hours=1))
    assert explain_stage(state, fields, entry).doubtful == WHY
    assert explain_tag(state, fields, entry, "1.2.0").doubtful == WHY


def test_its_pull_request_takes_the_next_tag_or_closes_with_the_reason() -> None:
    pulls = [pull(8, "production", "1.2.0")]
    assert proposed(lane("1.1.0", "1.2.0", pulls=pulls).plan())["production"] == "1.1.0"
    found = lane("1.2.0", pulls=pulls).plan()
    assert [(one.number, one.reason, one.is_in_base) for one in found.closures] == [(8, WHY, False)]


def test_its_pull_request_closes_also_under_a_freeze_and_while_another_tag_is_held() -> None:
    pulls = [pull(8, "production", "1.2.0")]
    for other in (FREEZE, hold("production", "1.3.0")):
        found = lane("1.2.0", "1.3.0", holds=[DENIED, other], pulls=pulls).plan()
        assert [(one.number, one.reason) for one in found.closures] == [(8, WHY)]
        assert said(found)[0] == (Standing.REFUSED, "1.2.0", WHY)
        assert not any(one.is_blind for one in found.outcomes if one.stage == "production")


def test_its_pull_request_closes_while_its_policy_is_not_known_in_full() -> None:
    waits = replace(lane("1.2.0", pulls=[pull(8, "production", "1.2.0")]), waits_for="catalogue not listed")
    assert [(one.number, one.reason) for one in waits.plan().closures] == [(8, WHY)]


def test_what_is_merged_meanwhile_closes_as_merged() -> None:
    merged = lane("1.2.0", holds=[DENIED, FREEZE], pulls=[pull(8, "production", "1.2.0")], production="1.2.0")
    assert [(one.number, one.is_in_base) for one in merged.plan().closures] == [(8, True)]


def test_a_groups_pull_request_closes_where_a_member_that_has_to_stay_keeps_the_denied_one_in_it() -> None:
    files = {
        "images/app.yaml": policy_file() + b"---" + policy_file(name="db"),
        "apps/app.yaml": deployment("1.0.0"),
        "apps/db.yaml": deployment("1.0.0", name="db"),
    }
    tags = {POLICY: "1.2.0", "flux-system/db": "1.1.0"}
    pulls = (OpenPullRequest(number=9, stage="all", group="shop", tags=tags),)
    frozen = replace(FREEZE, policy="flux-system/db")
    rules = b'groups: {shop: {policies: ["flux-system/*"]}}'
    here = Lane(files, [tag_state("1.1.0"), tag_state("1.2.0")], rules=rules, holds=(DENIED, frozen), pulls=pulls)
    found = here.plan()
    assert (found.proposals, [(one.number, one.reason) for one in found.closures]) == ((), [(9, WHY)])
    assert proposed(replace(here, pulls=()).plan()) == {"all": "1.1.0"}


def test_a_denial_that_ends_by_time_is_looked_at_then() -> None:
    ends = replace(DENIED, until=NOW + timedelta(hours=2))
    here = lane("1.1.0", "1.2.0", holds=[ends])
    assert here.plan().next_look_at == ends.until
    assert proposed(here.plan(after=timedelta(hours=2)))["production"] == "1.2.0"


def test_explaining_tells_of_the_tag_that_it_is_refused() -> None:
    here = lane("1.1.0", "1.2.0")
    state = here.state().policies[0]
    fields = [one for one in state.fields if one.stage == "production"]
    entry = Entry(stage=Stage("production"), holds=(DENIED,), now=NOW, build_within=timedelta(hours=1))
    found = explain_tag(state, fields, entry, "1.2.0")
    assert (found.place, found.reason) == ("refused", WHY)


def test_holds_are_found_by_policy_wherever_they_may_reach() -> None:
    own, others = hold("staging", "1.0.0"), replace(hold("staging", "1.0.0"), policy="flux-system/other")
    index = HoldIndex([own, others, DENIED, FREEZE])
    assert set(index.near(POLICY)) == {own, DENIED, FREEZE}


VERSIONS = [f"1.{minor}.0" for minor in range(5)]


@given(
    tags=st.sets(st.sampled_from(VERSIONS[1:])),
    there=st.tuples(st.sampled_from(VERSIONS), st.sampled_from(VERSIONS)),
    is_open=st.none() | st.sampled_from(VERSIONS),
    denied=st.sets(st.sampled_from(VERSIONS), min_size=1),
    is_by_digest=st.booleans(),
    others=st.sets(st.sampled_from([FREEZE, replace(FREEZE, stage="staging"), hold("production", "1.3.0")])),
    changed_spec=st.booleans(),
)
def test_a_denied_tag_is_in_no_proposal_whatever_the_state_and_lifting_gives_the_plan_that_would_have_been(
    *,
    tags: set[str],
    there: tuple[str, str],
    is_open: str | None,
    denied: set[str],
    is_by_digest: bool,
    others: set[Hold],
    changed_spec: bool,
) -> None:
    staging, production = there
    tags |= {is_open} if is_open else set()
    pulls = [pull(8, "production", is_open)] if is_open else []
    free = replace(
        lane(*tags, holds=tuple(others), pulls=pulls, staging=staging, production=production), changed_spec=changed_spec
    )
    by_digest = [replace(BY_DIGEST, id=tag, digest=digest(tag)) for tag in denied]
    denials = by_digest if is_by_digest else [replace(DENIED, tags=tuple(denied))]
    found = replace(free, holds=(*free.holds, *denials)).plan()
    assert not denied & {move.tag for one in (*found.proposals, *found.put_off) for move in one.moves}
    kept = {8} - {one.number for one in found.closures} - {8 for one in found.proposals if one.stage == "production"}
    assert not kept or is_open not in denied
    lifted = tuple(replace(one, until=NOW) for one in denials)
    assert replace(free, holds=(*free.holds, *lifted)).plan() == free.plan()
