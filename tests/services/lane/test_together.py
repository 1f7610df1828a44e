"""A release of one build is a unit: proposed, closed, reopened, merged and taken back as such."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.images import ImageName
from app.core.ports import PullRequest
from app.db import builds, catalogue, holds
from app.db.database import Database
from app.db.promotions import PromotionState
from app.services.catalogue.keep_selections import keep_selections
from app.services.reading.policy_explained import Question, explain_policy
from tests.db.facts import record_listing
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import LANE, Lane, digest

_NAMES = ("api", "job", "web")
_IMAGES = {name: ImageName("registry.acme.example", f"team/{name}") for name in _NAMES}
_PLACES = {name: f"flux-system/{name}" for name in _NAMES}
FIRST = {"api": "1.1.0", "job": "1.1.0-3", "web": "1.1.0"}


def in_two_files(tags: dict[str, str]) -> dict[str, str]:
    """Two of the images in one file, the third in another."""
    text = {name: deployment(tag, name=name, path=f"team/{name}") for name, tag in tags.items()}
    return {"apps/shop.yaml": f"{text['api']}---\n{text['web']}", "apps/jobs.yaml": text["job"]}


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """Three policies that move by build, and one that is in no group."""
    files = {
        f"images/{name}.yaml": policy(name, "semver: {range: '>=1.0.0-0'}", path=f"team/{name}") for name in _NAMES
    }
    rules = 'groups: {shop: {policies: ["flux-system/*"], together: same-build}}\n'
    files |= {".fluxbridge.yaml": rules, **in_two_files(dict.fromkeys(_NAMES, "1.0.0"))}
    lane = Lane.create(tmp_path, database, files)
    with database.transaction() as connection:
        for image in _IMAGES.values():
            record_listing(connection, image, ["1.0.0"], lane.now - timedelta(days=1))
    return lane


def pushed(lane: Lane, tags: dict[str, str]) -> None:
    """Tags were pushed, and the registry has shown them."""
    for name, tag in tags.items():
        image = _IMAGES[name]
        with lane.database.transaction() as connection:
            catalogue.lock(connection, [image], lane.now)
            catalogue.record_push(
                connection, image, tag, digest(tag), at=None, now=lane.now, source="registry", delivery_id=None
            )
            catalogue.set_digest(connection, image, tag, digest(tag), asked_at=lane.now)
            keep_selections(connection, lane.ready, image, [tag])


def built(lane: Lane, number: int, tags: dict[str, str]) -> None:
    """A build ended that published these tags."""
    told = BuildFinished(
        controller="ci",
        job="team/shop/main",
        number=number,
        result=BuildResult.SUCCESS,
        artifacts=tuple(Artifact("image", _IMAGES[name], tag, digest(tag)) for name, tag in tags.items()),
    )
    with lane.database.transaction() as connection:
        builds.record(connection, told, source="ci", delivery_id=None, now=lane.now, is_ours=False)


def released(lane: Lane, number: int, tags: dict[str, str]) -> list[PullRequest]:
    """A build published these; returns what is open after the lane's run."""
    pushed(lane, tags)
    built(lane, number, tags)
    lane.run()
    return lane.open_pulls()


def brought(lane: Lane, pull: PullRequest) -> dict[str, str]:
    """The files as a pull request has them."""
    return {file: lane.config.text(pull.head, file) for file in ("apps/shop.yaml", "apps/jobs.yaml")}


def states(lane: Lane) -> dict[tuple[str, str], PromotionState]:
    """Where the newest promotion of each policy and tag stands."""
    return {(one.policy, one.tag): one.state for one in reversed(lane.promotions())}


def held(lane: Lane) -> list[tuple[str | None, tuple[str, ...] | None]]:
    """Which tags of which policies are held."""
    with lane.database.transaction() as connection:
        return sorted((one.policy, one.tags) for one in holds.active(connection, LANE))


def test_a_release_of_three_images_is_one_pull_request_over_two_files(lane: Lane) -> None:
    (pull,) = released(lane, 7, FIRST)
    assert pull.head == "fluxbridge/main/all/shop"
    assert brought(lane, pull) == in_two_files(FIRST)
    assert states(lane) == {(_PLACES[name], tag): PromotionState.PROPOSED for name, tag in FIRST.items()}


def test_what_was_pushed_waits_for_the_build_that_published_it(lane: Lane) -> None:
    pushed(lane, FIRST)
    lane.run()
    assert lane.open_pulls() == []
    assert set(states(lane).values()) == {PromotionState.WAITING}
    built(lane, 7, FIRST)
    lane.run()
    assert len(lane.open_pulls()) == 1


def test_the_next_release_takes_the_place_of_the_whole(lane: Lane) -> None:
    (first,) = released(lane, 7, FIRST)
    second = {"api": "1.2.0", "job": "1.2.0-1", "web": "1.2.0"}
    (pull,) = released(lane, 8, second)
    assert (pull.number, brought(lane, pull)) == (first.number, in_two_files(second))
    assert {states(lane)[_PLACES[name], tag] for name, tag in FIRST.items()} == {PromotionState.SUPERSEDED}


def test_closing_it_holds_every_member_and_reopening_lifts_all(lane: Lane) -> None:
    (pull,) = released(lane, 7, FIRST)
    forge: Any = lane.forge
    forge.close(pull.number, by="mira")
    lane.run()
    assert held(lane) == [(_PLACES[name], (FIRST[name],)) for name in _NAMES]
    assert (lane.open_pulls(), set(states(lane).values())) == ([], {PromotionState.CLOSED})
    lane.now += timedelta(seconds=1)
    forge.reopen(pull.number, by="mira")
    lane.run()
    assert (held(lane), [one.number for one in lane.open_pulls()]) == ([], [pull.number])
    assert set(states(lane).values()) == {PromotionState.PROPOSED}


def test_a_refused_member_does_not_come_back_with_another_release(lane: Lane) -> None:
    (pull,) = released(lane, 7, FIRST)
    forge: Any = lane.forge
    forge.close(pull.number, by="mira")
    lane.run()
    assert released(lane, 8, {"api": "1.2.0", "web": FIRST["web"]}) == []
    (api,) = [one for one in lane.promotions() if (one.policy, one.tag) == (_PLACES["api"], "1.2.0")]
    assert api.state is PromotionState.WAITING
    assert "1.2.0 waits for flux-system/web of the group shop: 1.1.0: held: pull request 1 was closed" in api.reason


def test_merged_and_one_member_taken_back_the_release_waits_for_the_next_one(lane: Lane) -> None:
    released(lane, 7, FIRST)
    lane.merge_open()
    assert set(states(lane).values()) == {PromotionState.MERGED}
    lane.config.commit("main", in_two_files({**FIRST, "web": "1.0.0"}))
    lane.run()
    assert states(lane)[_PLACES["web"], "1.1.0"] is PromotionState.REVERTED
    assert (held(lane), lane.open_pulls()) == ([(_PLACES["web"], ("1.1.0",))], [])
    second = {"api": "1.2.0", "job": "1.2.0-1", "web": "1.2.0"}
    (pull,) = released(lane, 8, second)
    assert brought(lane, pull) == in_two_files(second)


def test_a_member_that_the_build_did_not_publish_stays(lane: Lane) -> None:
    (pull,) = released(lane, 7, {"api": "1.1.0", "job": "1.1.0"})
    assert brought(lane, pull) == in_two_files({"api": "1.1.0", "job": "1.1.0", "web": "1.0.0"})


def test_one_tag_for_all_is_found_below_what_each_chooses_and_explain_says_what_the_group_adds(lane: Lane) -> None:
    rules = 'groups: {shop: {policies: ["flux-system/*"], together: same-tag}}\n'
    lane.config.commit("main", {".fluxbridge.yaml": rules})
    for tags in ({"api": "1.3.0", "job": "1.2.0", "web": "1.3.0"}, {"api": "1.2.0", "web": "1.2.0"}):
        pushed(lane, tags)
    lane.run()
    (pull,) = lane.open_pulls()
    assert brought(lane, pull) == in_two_files(dict.fromkeys(_NAMES, "1.2.0"))
    question = Question(namespace="flux-system", name="web")
    explained = explain_policy(lane.database, lane.systems, question, scans=lane.scans, now=lane.now)
    [stage] = explained.stages
    assert stage.summary == "1.3.0 may enter"
    assert (stage.kept_back or "").startswith("waiting: 1.3.0 waits for flux-system/job of the group shop: ")


def test_an_image_that_was_published_and_is_not_there_yet_keeps_its_release_back(lane: Lane) -> None:
    pushed(lane, {"api": "1.1.0"})
    built(lane, 7, {"api": "1.1.0", "web": "1.1.0"})
    lane.run()
    assert lane.open_pulls() == []
    pushed(lane, {"web": "1.1.0"})
    lane.run()
    (pull,) = lane.open_pulls()
    assert brought(lane, pull) == in_two_files({"api": "1.1.0", "job": "1.0.0", "web": "1.1.0"})
