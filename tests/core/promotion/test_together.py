"""Groups that move as one: to a tag that all may have, or to what one build published for those that it published."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.facts import BuildResult
from app.core.images import ImageName
from app.core.promotion.holds import Hold, HoldKind
from app.core.promotion.planning import plan
from app.core.promotion.plans import Standing
from tests.core.promotion.lanes import NOW
from tests.core.promotion.together import Build, Fleet

_BOTH = {"api": "1.0.0", "web": "1.0.0"}
TAGS = Fleet(_BOTH, "same-tag", tags={"api": ["1.4.0", "1.3.0"], "web": ["1.4.0", "1.3.0"]})
BUILDS = Fleet(_BOTH, "same-build", builds=[Build(7, {"api": "1.4.0", "web": "1.4.0-2"})])


@pytest.mark.parametrize(
    ("fleet", "expected"),
    [
        pytest.param(TAGS, [{"api": "1.4.0", "web": "1.4.0"}], id="all-may-have-it"),
        pytest.param(
            replace(TAGS, tags={**TAGS.tags, "web": ["1.3.0"]}), [{"api": "1.3.0", "web": "1.3.0"}], id="down-to-one"
        ),
        pytest.param(replace(TAGS, tags={"api": ["1.4.0"], "web": ["1.3.0"]}), [], id="none-in-common"),
        pytest.param(replace(TAGS, present={"api": "1.4.0", "web": "1.0.0"}), [{"web": "1.4.0"}], id="one-has-it"),
        pytest.param(replace(TAGS, present={"api": "1.4.0", "web": "1.4.0"}), [], id="all-have-it"),
        pytest.param(
            replace(TAGS, present={"api": "1.0.0", "web": "1.3.5"}, tags={"api": ["1.3.0"], "web": []}),
            [],
            id="never-backwards-for-any",
        ),
        pytest.param(TAGS.holding("web", "1.4.0"), [], id="a-held-one-and-nothing-lower"),
        pytest.param(
            replace(TAGS, tags={**TAGS.tags, "web": ["1.5.0", "1.4.0"]}).holding("web", "1.5.0"),
            [],
            id="nothing-lower-than-one-that-others-lack",
        ),
        pytest.param(
            replace(TAGS, choices={"web": "semver: {range: '<1.4.0'}"}),
            [{"api": "1.3.0", "web": "1.3.0"}],
            id="what-each-policy-takes",
        ),
        pytest.param(BUILDS, [{"api": "1.4.0", "web": "1.4.0-2"}], id="a-release-with-two-tags"),
        pytest.param(
            replace(BUILDS, builds=[Build(7, {"api": "1.4.0"})], tags={"web": ["1.4.0"]}),
            [{"api": "1.4.0"}],
            id="what-a-build-does-not-publish-stays",
        ),
        pytest.param(
            replace(BUILDS, builds=[Build(7, {"api": "1.4.0"}), Build(8, {"web": "1.5.0"})]),
            [{"api": "1.4.0"}],
            id="one-release-at-a-time",
        ),
        pytest.param(
            replace(BUILDS, present={"api": "1.4.0", "web": "1.0.0"}), [{"web": "1.4.0-2"}], id="the-rest-of-a-release"
        ),
        pytest.param(BUILDS.holding("web", "1.4.0-2"), [], id="a-held-member-holds-its-release"),
        pytest.param(
            replace(BUILDS, builds=[*BUILDS.builds, Build(8, {"api": "1.5.0"})]).holding("web", "1.4.0-2"),
            [{"api": "1.5.0"}],
            id="a-release-without-the-held-member",
        ),
        pytest.param(
            replace(BUILDS, builds=[*BUILDS.builds, Build(8, {"api": "1.3.0", "web": "1.3.0"})]).holding(
                "web", "1.4.0-2"
            ),
            [],
            id="no-lower-release-in-place-of-a-held-one",
        ),
        pytest.param(
            replace(
                BUILDS,
                choices={"web": "semver: {range: '>=1.0.0'}"},
                builds=[*BUILDS.builds, Build(8, {"api": "1.3.0", "web": "1.3.0"})],
            ),
            [{"api": "1.3.0", "web": "1.3.0"}],
            id="a-release-that-every-policy-takes",
        ),
        pytest.param(
            replace(BUILDS, present={"api": "1.0.0", "web": "1.6.0"}), [], id="a-release-is-never-backwards-for-any"
        ),
    ],
)
def test_what_moves(fleet: Fleet, expected: list[dict[str, str]]) -> None:
    assert fleet.moved() == expected


def test_an_open_pull_request_is_given_the_next_set_as_a_whole() -> None:
    fleet = replace(TAGS, tags={"api": ["1.4.0", "1.3.0"], "web": ["1.4.0", "1.3.0"]}).with_open(
        api="1.3.0", web="1.3.0"
    )
    found = fleet.plan()
    assert ([dict(one.tags) for one in found.proposals], found.closures) == (
        [{"flux-system/api": "1.4.0", "flux-system/web": "1.4.0"}],
        (),
    )


def test_a_member_that_waits_keeps_the_others_with_its_reason() -> None:
    fleet = replace(TAGS, is_gated=True, builds=[Build(7, {"api": "1.4.0"})])
    assert fleet.moved() == []
    [(standing, tag, reason)] = fleet.said("api")
    assert (standing, tag) == ("waiting", "1.4.0")
    assert reason.startswith("1.4.0 waits for flux-system/web of the group shop: no build has reported digest ")
    [(standing, tag, reason)] = fleet.said("web")
    assert (standing, tag) == ("waiting", "1.4.0")
    assert reason.startswith("no build has reported digest ")
    assert fleet.plan().next_look_at == NOW + timedelta(minutes=54)


def test_a_member_that_fails_a_gate_keeps_a_group_back_that_moves_as_one_and_any_other_not() -> None:
    failed = [Build(7, {"api": "1.4.0"}), Build(8, {"web": "1.4.0"}, BuildResult.FAILURE)]
    fleet = replace(TAGS, is_gated=True, builds=failed, tags={})
    assert fleet.moved() == []
    refused = "1.4.0 is kept back by flux-system/web of the group shop: build 8 of team/app/main ended FAILURE"
    [first, *_] = fleet.said("api")
    assert first == ("refused", "1.4.0", refused.replace("build 8 of team/app/main", "build team/app/main #8"))
    assert replace(fleet, together="any").moved() == [{"api": "1.4.0"}]


def test_what_a_member_lacks_is_waited_for_while_all_move_to_what_they_have() -> None:
    fleet = replace(TAGS, tags={**TAGS.tags, "web": ["1.3.0"]})
    [waits, moves] = fleet.said("api")
    assert waits[:2] == ("waiting", "1.4.0")
    assert waits[2].startswith("1.4.0 waits for flux-system/web of the group shop: nobody has told of this tag: ")
    assert moves[:2] == ("proposed", "1.3.0")
    assert moves[2].endswith("every member of the group shop may have it, or has it")


def test_a_held_member_is_told_with_who_held_it() -> None:
    fleet = BUILDS.holding("web", "1.4.0-2").with_open(api="1.4.0", web="1.4.0-2")
    found = fleet.plan()
    assert [(one.number, one.reason) for one in found.closures] == [
        (7, "flux-system/web: held: pull request 3 was closed, by mira")
    ]
    assert fleet.said("api") == [
        (
            "waiting",
            "1.4.0",
            "1.4.0 waits for flux-system/web of the group shop: 1.4.0-2: held: pull request 3 was closed, by mira",
        )
    ]
    assert fleet.said("web") == [("held", "1.4.0-2", "pull request 3 was closed, by mira")]


@pytest.mark.parametrize("fleet", [TAGS, BUILDS], ids=["same-tag", "same-build"])
def test_a_member_of_which_nothing_can_be_said_keeps_what_is_open(fleet: Fleet) -> None:
    opened = fleet.opened()
    state = opened.state()
    blind = [replace(one, waits_for="not listed") if one.name.name == "web" else one for one in state.policies]
    found = plan(replace(state, policies=tuple(blind)), NOW)
    assert (found.proposals, found.closures) == ((), ())
    api = next(one for one in found.outcomes if one.policy == "flux-system/api")
    assert (api.standing, api.is_by_group) == (Standing.WAITING, True)
    assert "waits for flux-system/web of the group shop: " in api.reason
    assert api.reason.endswith("not listed")


@pytest.mark.parametrize("fleet", [TAGS, BUILDS], ids=["same-tag", "same-build"])
def test_a_denied_tag_of_one_member_is_in_no_set_and_its_pull_request_goes_also_under_a_freeze(fleet: Fleet) -> None:
    denied = Hold(
        id="d1",
        stage=None,
        policy=None,
        tags=("1.4.0",),
        kind=HoldKind.DENIED,
        who="ada",
        why="loses orders",
        since=NOW,
        image=ImageName("registry.acme.example", "team/api"),
    )
    freeze = replace(denied, id="f1", tags=None, image=None, kind=HoldKind.MANUAL, why="holidays")
    opened = fleet.opened().state()
    for holds in ((denied,), (denied, freeze)):
        found = plan(replace(opened, holds=holds), NOW)
        proposed = {tag for one in found.proposals for policy, tag in one.tags.items() if policy == "flux-system/api"}
        assert "1.4.0" not in proposed
        is_replaced = bool(found.proposals)
        assert is_replaced or [one.number for one in found.closures] == [7]


def test_what_is_open_stays_while_the_next_set_waits_for_a_member() -> None:
    builds = [Build(7, {"api": "1.3.0", "web": "1.3.0"}), Build(8, {"api": "1.4.0"})]
    fleet = replace(TAGS, is_gated=True, builds=builds, tags={"web": ["1.4.0"]}).with_open(api="1.3.0", web="1.3.0")
    assert (fleet.moved(), fleet.plan().closures) == ([{"api": "1.3.0", "web": "1.3.0"}], ())


def test_what_is_open_gives_way_to_nothing_when_one_of_it_fails() -> None:
    fleet = replace(BUILDS, is_gated=True, builds=[replace(BUILDS.builds[0], result=BuildResult.FAILURE)])
    found = fleet.with_open(api="1.4.0", web="1.4.0-2").plan()
    assert [one.number for one in found.closures] == [7]
    assert "build team/app/main #7 ended FAILURE" in found.closures[0].reason


def test_a_release_goes_on_to_the_next_and_leaves_those_that_it_does_not_publish() -> None:
    fleet = replace(BUILDS, builds=[*BUILDS.builds, Build(8, {"api": "1.5.0"})]).with_open(api="1.4.0", web="1.4.0-2")
    assert (fleet.moved(), fleet.plan().closures) == ([{"api": "1.5.0"}], ())
    # web's own part of build 7 is not lost: api is beyond it by a build that did not publish web.
    assert fleet.merged().moved() == [{"web": "1.4.0-2"}]
    assert fleet.merged().merged().moved() == []


def test_half_of_a_release_is_not_mixed_with_the_half_of_another() -> None:
    builds = [
        Build(7, {"api": "1.4.0", "web": "1.4.0"}),
        Build(8, {"api": "1.5.0", "web": "1.5.0"}, BuildResult.FAILURE),
    ]
    fleet = replace(BUILDS, builds=builds, is_gated=True, present={"api": "1.5.0", "web": "1.0.0"})
    assert fleet.moved() == []
    first = next(one for one in fleet.outcomes("web") if one.tag == "1.4.0")
    assert (
        first.reason == "1.4.0 is kept back by flux-system/api of the group shop: it comes behind 1.5.0, which is there"
    )


def test_what_another_build_published_waits_for_its_turn_also_while_it_is_open() -> None:
    fleet = replace(BUILDS, builds=[Build(7, {"api": "1.4.0"}), Build(8, {"web": "1.5.0"})])
    assert fleet.said("web") == [
        ("waiting", "1.5.0", "one release at a time: what build 7 of team/app/main published comes first")
    ]
    assert fleet.with_open(web="1.5.0").moved() == [{"web": "1.5.0"}]


def test_a_release_of_which_no_build_is_known_waits_for_one_and_not_for_ever() -> None:
    fleet = Fleet(_BOTH, "same-build", tags={"api": ["1.4.0"]})
    [waits] = fleet.outcomes("api")
    assert (waits.standing, waits.tag) == (Standing.WAITING, "1.4.0")
    assert waits.reason.startswith("no build has reported digest ")
    later = [one for one in fleet.plan(after=timedelta(hours=2)).outcomes if one.policy == "flux-system/api"]
    assert later[0].standing is Standing.REFUSED


def test_the_pace_of_a_pull_request_is_that_of_its_whole_set() -> None:
    opened = TAGS.with_open(api="1.3.0", web="1.3.0")
    pulls = tuple(replace(one, given_at=NOW - timedelta(seconds=5)) for one in opened.pulls)
    fleet = replace(opened, pulls=pulls, lane=replace(opened.lane, update_every=timedelta(seconds=30)))
    found = fleet.plan()
    assert (fleet.moved(), found.next_look_at) == ([{"api": "1.3.0", "web": "1.3.0"}], NOW + timedelta(seconds=25))
    assert [(one.standing, one.tag) for one in fleet.outcomes("web")] == [
        (Standing.WAITING, "1.4.0"),
        (Standing.PROPOSED, "1.3.0"),
    ]
