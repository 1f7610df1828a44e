"""Promotions that people ask for: any tag, or just what another stage runs; gates are asked unless it is forced."""

from pathlib import Path

import pytest

from app.core.promotion.requests import RequestKind
from app.db.database import Database
from tests.end_to_end.bridge import RULES, deployment, fleet
from tests.services.histories import Histories
from tests.services.lanes import IMAGE, Lane
from tests.services.people.asking import MINUTE, People, after

FORWARD = RequestKind.PROMOTION


def _gated(folder: Path, database: Database) -> People:
    lane = Lane.create(folder, database, {**fleet(), ".fluxbridge.yaml": RULES})
    lane.run()
    return People(lane, policy="app", stage="production")


@pytest.fixture
def gated(histories: Histories, tmp_path: Path, database: Database) -> People:
    """One app in two stages, of which production asks for a good build; people ask about production."""
    return histories.begin(_gated, tmp_path, database)


def there(people: People, ref: str = "main") -> str:
    return people.lane.config.text(ref, f"apps/{people.stage}/app.yaml")


@after("1.1.0", "2.0.0")
def test_a_hotfix_of_an_older_line_leaves_its_hold_when_it_is_merged(people: People) -> None:
    people.lane.push("1.1.1")
    asked = people.forward("1.1.1")
    pull = people.opened()
    assert pull.title == "Move app down, 2.0.0 to 1.1.1: ada asked for it: loses orders"
    assert people.held() == []
    people.merge()
    assert people.state(asked.id) == "merged"
    assert people.lane.config.text("main", "apps/app.yaml") == deployment("1.1.1")
    assert people.held() == [("rolled back", people.policy, ("1.1.1",))]
    assert people.run() == []
    people.lane.push("2.0.1")
    assert people.lane.config.text(people.opened().head, "apps/app.yaml") == deployment("2.0.1")


@after("1.1.0", "2.0.0")
def test_a_hotfix_that_is_not_merged_leaves_no_hold(people: People) -> None:
    people.lane.push("1.1.1")
    people.forward("1.1.1")
    people.close(people.opened().number)
    assert (people.held(), people.run()) == ([], [])


def test_what_the_policy_would_choose_anyway_leaves_no_hold(people: People) -> None:
    people.lane.push("1.1.0")
    people.forward("1.1.0")
    assert people.opened().title == "Promote app 1.0.0 to 1.1.0"
    people.merge()
    assert people.held() == []
    people.lane.push("1.1.1")
    assert people.opened()


def test_a_gate_refuses_it_and_says_who_may_force_it(gated: People) -> None:
    gated.lane.push("1.1.0")
    gated.run()
    asked = gated.forward("1.1.0")
    assert asked.waits_for is not None
    assert "no build has reported digest" in asked.waits_for
    assert [one.head.split("/")[2] for one in gated.run()] == ["staging"]
    assert gated.shown(asked.id).waits_for == f"waiting: ada asked for it: loses orders; {asked.waits_for}"


def test_forced_no_gate_of_entering_is_asked_and_everything_says_so(gated: People) -> None:
    gated.lane.push("1.1.0")
    gated.run()
    asked = gated.forward("1.1.0", is_forced=True)
    (pull,) = [one for one in gated.run() if "/production/" in one.head]
    assert pull.title == "Promote app 1.0.0 to 1.1.0 in production (forced)"
    assert "**Forced** by `ada`: the gates of entering were not asked." in pull.body
    assert "shown only, build: no build has reported digest" in pull.body
    message = gated.lane.config.git("log", "-1", "--format=%B", pull.head).decode()
    assert "Promoted-For: ada\nForced-By: ada\n" in message
    promotion = next(one for one in gated.lane.promotions() if one.stage == "production")
    assert "forced by ada: the gates of entering were not asked" in promotion.reason
    gated.merge(pull.number)
    assert (gated.state(asked.id), there(gated)) == ("merged", deployment("1.1.0"))


def test_forced_takes_the_place_of_the_same_that_waits_for_its_gates(gated: People) -> None:
    gated.lane.push("1.1.0")
    gated.run()
    waiting = gated.forward("1.1.0")
    forced = gated.forward("1.1.0", is_forced=True)
    assert (gated.state(waiting.id), forced.is_new) == ("overtaken", True)


def only_staging(people: People, *tags: str) -> None:
    """Let tags into staging only, one after the other."""
    for tag in tags:
        people.lane.now += MINUTE
        people.lane.push(tag)
        people.run()
        (pull,) = [one for one in people.lane.open_pulls() if "/staging/" in one.head]
        people.merge(pull.number)
        people.commits[tag] = people.lane.config.head("main") or ""


def test_what_another_stage_has_is_promoted_where_no_cluster_tells(gated: People) -> None:
    only_staging(gated, "1.1.0")
    asked = gated.forward(from_stage="staging", is_of_all=True, is_forced=True)
    assert [(one.policy, one.tag) for one in asked.targets] == [("images:flux-system/app", "1.1.0")]
    assert [(one.file, one.new) for one in asked.changes] == [("apps/production/app.yaml", f"{IMAGE}:1.1.0")]
    assert there(gated, gated.opened().head) == deployment("1.1.0")


def test_what_its_cluster_applied_is_promoted_and_not_what_was_merged_since(gated: People) -> None:
    only_staging(gated, "1.1.0")
    gated.tell("1.1.0")
    only_staging(gated, "1.2.0")
    asked = gated.forward(from_stage="staging", is_of_all=True, is_forced=True)
    assert [one.tag for one in asked.targets] == ["1.1.0"]


def test_a_stage_that_has_all_already_is_told_so(gated: People) -> None:
    words = gated.refused(FORWARD, from_stage="staging", is_of_all=True)
    assert words == "images:flux-system/app has 1.0.0 in production already: nothing would change"


def test_a_group_that_is_not_there_is_told_with_those_that_are(gated: People) -> None:
    words = gated.refused(FORWARD, from_stage="staging", group="images:flux-system/ap")
    assert "did you mean 'images:flux-system/app'?" in words


@after("1.1.0")
def test_unknown_tags_are_refused_with_the_nearest_named(people: People) -> None:
    words = people.refused(FORWARD, tag="1.1.00")
    assert words == ("flux-system/app cannot have 1.1.00 in all: nothing is known of such a tag; did you mean '1.1.0'?")
    assert people.refused(FORWARD, tag="1.1.0") == "flux-system/app has 1.1.0 in all already: nothing would change"


def test_a_tag_that_goes_is_refused(people: People) -> None:
    people.lane.push("1.1.0")
    people.delete("1.1.0")
    assert "it is gone from the registry" in people.refused(FORWARD, tag="1.1.0")


@pytest.mark.parametrize(
    ("kind", "named", "words"),
    [
        (FORWARD, {}, "give a policy and a tag, or --from"),
        (FORWARD, {"tag": "1.0.0", "pull": 3}, "give a policy and a tag, or --from"),
        (FORWARD, {"from_stage": "all"}, "give --group or --all, and no policy or tag"),
        (FORWARD, {"from_stage": "all", "is_of_all": True, "group": "x"}, "give --group or --all"),
        (FORWARD, {"from_stage": "all", "is_of_all": True, "policy": "app"}, "give --group or --all"),
        (FORWARD, {"from_stage": "al", "is_of_all": True}, "no stage is called 'al'"),
        (RequestKind.ROLLBACK, {"tag": "1.0.0", "pull": 3}, "give one of --to and --pull"),
        (RequestKind.ROLLBACK, {"policy": None}, "give a policy and its stage"),
        (RequestKind.ROLLBACK, {"group": "x"}, "give a policy and its stage"),
    ],
)
def test_what_is_not_clear_is_not_asked_for(
    people: People, kind: RequestKind, named: dict[str, object], words: str
) -> None:
    assert words in people.refused(kind, **named)
