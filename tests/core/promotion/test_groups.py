"""What moves together is one pull request, made of what each of its policies would do alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from app.core.promotion.planning import plan
from app.core.promotion.plans import Plan, Standing
from app.core.promotion.rules_document import InvalidRules
from app.core.promotion.rules_reading import read_rules
from app.core.promotion.state import LaneState, OpenPullRequest
from app.core.promotion.tags import TagState
from app.core.writing import texts
from tests.core.promotion.lanes import NOW, Lane, deployment, hold, policy_file, report, tag_state

API, WEB = "flux-system/api", "flux-system/web"
SHOP = b"""
groups:
  shop: {policies: ["flux-system/*"], together: any}
"""


@dataclass(frozen=True)
class Shop:
    """Two policies of one group, each with tags of its own."""

    api: tuple[TagState, ...] = ()
    web: tuple[TagState, ...] = ()
    present: Mapping[str, str] = field(default_factory=lambda: {"api": "1.0.0", "web": "1.0.0"})
    lane: Lane = field(default_factory=lambda: Lane({}, rules=SHOP))

    def state(self) -> LaneState:
        """The state of the lane as a run reads it."""
        files = {f"images/{name}.yaml": policy_file(name=name) for name in self.present}
        files |= {f"apps/{name}.yaml": deployment(tag, name=name) for name, tag in self.present.items()}
        both = replace(self.lane, files=files).state()
        one_each = [replace(self.lane, files=files, tags=tags).state() for tags in (self.api, self.web)]
        policies = [
            next(one for one in each.policies if one.name.name == name)
            for each, name in zip(one_each, ("api", "web"), strict=True)
        ]
        return replace(both, policies=tuple(policies))

    def plan(self) -> Plan:
        """Plan it at the time of the tests."""
        return plan(self.state(), NOW)

    def with_open(self, **tags: str) -> "Shop":
        """The group's pull request is open with these tags."""
        carried = {f"flux-system/{name}": tag for name, tag in tags.items()}
        pull = OpenPullRequest(number=7, stage="all", group="shop", tags=carried, branch="fluxbridge/main/all/shop")
        return replace(self, lane=replace(self.lane, pulls=(pull,)))


def moved(found: Plan) -> list[Mapping[str, str]]:
    """What each pull request brings."""
    return [one.tags for one in found.proposals]


def test_what_moves_of_a_group_is_one_pull_request_on_the_groups_branch() -> None:
    found = Shop(api=(tag_state("1.1.0"),), web=(tag_state("2.0.0"),)).plan()
    assert moved(found) == [{API: "1.1.0", WEB: "2.0.0"}]
    [one] = found.proposals
    assert (one.group, one.branch) == ("shop", "fluxbridge/main/all/shop")
    assert one.files == ("apps/api.yaml", "apps/web.yaml")


def test_a_group_goes_on_without_a_member_that_has_nothing_new() -> None:
    assert moved(Shop(web=(tag_state("2.0.0"),)).plan()) == [{WEB: "2.0.0"}]


def test_another_member_joins_what_is_open() -> None:
    shop = Shop(api=(tag_state("1.1.0"),), web=(tag_state("2.0.0"),)).with_open(api="1.1.0")
    found = shop.plan()
    assert (moved(found), found.closures) == ([{API: "1.1.0", WEB: "2.0.0"}], ())


def test_a_member_that_is_held_leaves_the_others_to_go_on() -> None:
    shop = Shop(api=(tag_state("1.1.0"),), web=(tag_state("2.0.0"),)).with_open(api="1.1.0", web="2.0.0")
    held = replace(hold("all", "1.1.0"), policy=API)
    found = replace(shop, lane=replace(shop.lane, holds=(held,))).plan()
    assert (moved(found), found.closures) == ([{WEB: "2.0.0"}], ())
    assert [one.standing for one in found.outcomes if one.policy == API] == [Standing.HELD]


def test_it_is_closed_only_when_none_of_its_members_moves_any_more() -> None:
    found = Shop().with_open(api="1.1.0", web="2.0.0").plan()
    assert [one.number for one in found.closures] == [7]


def test_what_a_member_of_which_nothing_can_be_said_brings_is_not_lost_for_another_one() -> None:
    shop = Shop(api=(tag_state("1.1.0"),), web=(tag_state("2.0.0"),)).with_open(api="1.1.0", web="1.9.0")
    state = shop.state()
    blind = tuple(
        replace(one, waits_for="catalogue not listed") if str(one.name) == API else one for one in state.policies
    )
    found = plan(replace(state, policies=blind), NOW)
    assert (found.proposals, found.closures) == ((), ())
    web = next(one for one in found.outcomes if one.policy == WEB and one.tag == "2.0.0")
    assert web.standing is Standing.WAITING
    assert "pull request 7 also carries flux-system/api, which has to stay as it is: catalogue not listed" in web.reason


def test_a_new_group_takes_over_what_was_open_of_its_policies_alone() -> None:
    shop = Shop(api=(tag_state("1.1.0"),))
    alone = OpenPullRequest(number=3, stage="all", group=API, tags={API: "1.1.0"})
    found = replace(shop, lane=replace(shop.lane, pulls=(alone,))).plan()
    assert moved(found) == [{API: "1.1.0"}]
    assert [(one.number, one.reason) for one in found.closures] == [
        (3, "its policies are proposed in other groups now")
    ]


def test_two_groups_that_claim_one_policy_move_neither_and_say_so() -> None:
    rules = b'groups: {a: {policies: ["flux-system/api"]}, b: {policies: ["flux-system/*"]}}'
    shop = Shop(api=(tag_state("1.1.0"),), web=(tag_state("2.0.0"),))
    found = replace(shop, lane=replace(shop.lane, rules=rules)).plan()
    assert moved(found) == [{WEB: "2.0.0"}]
    [said] = [one for one in found.outcomes if one.policy == API]
    assert (said.standing, said.reason) == (
        Standing.STUCK,
        "the groups a and b both claim it: name it in one of them",
    )


def test_a_stage_that_is_one_group_moves_all_its_policies_together_whatever_groups_claim_them() -> None:
    rules = b"""
stages: {previews: {paths: [apps/api.yaml, apps/web.yaml], group: stage}}
groups: {a: {policies: ["flux-system/api"]}, b: {policies: ["flux-system/*"]}}
"""
    shop = Shop(api=(tag_state("1.1.0"),), web=(tag_state("2.0.0"),))
    [one] = replace(shop, lane=replace(shop.lane, rules=rules)).plan().proposals
    assert (one.tags, one.group) == ({API: "1.1.0", WEB: "2.0.0"}, "previews")
    assert one.branch == "fluxbridge/main/previews/previews"


def test_a_groups_pull_request_is_given_more_no_sooner_than_its_pace_allows() -> None:
    shop = Shop(api=(tag_state("1.1.0"),), web=(tag_state("2.0.0"),)).with_open(api="1.1.0")
    pulls = tuple(replace(one, given_at=NOW - timedelta(seconds=5)) for one in shop.lane.pulls)
    found = replace(shop, lane=replace(shop.lane, pulls=pulls, update_every=timedelta(seconds=30))).plan()
    assert (moved(found), found.next_look_at) == ([{API: "1.1.0"}], NOW + timedelta(seconds=25))


def test_the_texts_of_many_moves_name_each() -> None:
    built = report("2.0.0", number=12)
    gated = b"stages: {all: {paths: [apps], requires: {build: success}}}" + SHOP
    shop = Shop(api=(tag_state("1.1.0", report("1.1.0")),), web=(tag_state("2.0.0", built),))
    [found] = replace(shop, lane=replace(shop.lane, rules=gated)).plan().proposals
    assert texts.title(found) == "Promote shop: api 1.1.0, web 2.0.0"
    ids = {("all", API): "01AAA", ("all", WEB): "01BBB"}
    assert texts.commit_message(found, promotion_ids=ids).splitlines()[2:] == [
        "Fluxbridge-Promotion: 01AAA",
        "Image: registry.acme.example/team/api:1.1.0@" + (found.moves[0].digest or ""),
        "Build: build 1 of team/app/main",
        "Policy: flux-system/api",
        "Fluxbridge-Promotion: 01BBB",
        "Image: registry.acme.example/team/web:2.0.0@" + (found.moves[1].digest or ""),
        "Build: build 12 of team/app/main",
        "Policy: flux-system/web",
    ]
    body = texts.body(found, build_urls={"build-12": "https://ci.acme.example/job/12/"})
    assert (
        body.index("## `api`")
        < body.index("`apps/api.yaml:3`")
        < body.index("## `web`")
        < body.index("`apps/web.yaml:3`")
    )
    assert body.count("(https://ci.acme.example/job/12/)") == 1
    assert body.endswith("Closing holds them: they are not proposed again until higher tags pass.\n")


def test_a_title_of_very_many_moves_is_cut() -> None:
    [found] = Shop(api=(tag_state("1.1.0"),)).plan().proposals
    many = replace(found, moves=found.moves * 100)
    assert len(texts.title(many)) == 250


def test_what_groups_cannot_ask_for_is_a_mistake_and_not_taken_for_any() -> None:
    with pytest.raises(InvalidRules, match=r"groups\.shop\.together: must be 'any', 'same-tag' or 'same-build'"):
        read_rules(b'groups: {shop: {policies: ["flux-system/*"], together: same-commit}}')
