"""The digest of a selected tag that only a list told of is asked for once; a registry that is down stops nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.errors import Refused, Unavailable
from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.ports import Registry
from app.db import builds, catalogue, lanes
from app.db.catalogue import KnownTag
from app.db.database import Database
from app.services.heads.view import view_at
from app.services.lane.learn_digests import learn_digests
from app.services.lane.reconcile import reconcile
from app.services.lane.run import LaneRun
from tests.db.facts import record_listing
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import IMAGE, LANE, NOW, Lane, digest

Answer = Callable[[str], str | None]


@dataclass
class AskedRegistry:
    """Answers for digests as a test says and remembers which were asked for."""

    answer: Answer
    asked: list[str] = field(default_factory=list)

    def tags(self, path: str) -> list[str]:
        raise AssertionError(path)

    def digest(self, path: str, reference: str) -> str | None:
        self.asked.append(f"{path}:{reference}")
        return self.answer(reference)


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app whose tags 1.0.0, 1.1.0 and 1.2.0 a list told of."""
    created = Lane.create(tmp_path, database, {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")})
    with database.transaction() as connection:
        record_listing(connection, IMAGE, ["1.0.0", "1.1.0", "1.2.0"], created.now)
    return created


def run_with(lane: Lane, registry: Registry) -> LaneRun:
    """A run of the lane over another registry."""
    run = lane.claim()
    return replace(run, systems=replace(run.systems, registries={IMAGE.registry: registry}))


def learn(run: LaneRun) -> bool:
    view = view_at(run.repo.repository, run.scans, run.repo.repository.fetch()["main"])
    return learn_digests(run, run.judge.by_stored_choice(view, run.lane))


def known(lane: Lane, tag: str) -> KnownTag:
    with lane.database.transaction() as connection:
        found = catalogue.find_tag(connection, IMAGE, tag)
    assert found is not None
    return found


def test_the_selected_tag_gets_its_digest_and_is_not_asked_for_again(lane: Lane) -> None:
    registry = AskedRegistry(digest)
    run = run_with(lane, registry)
    assert [learn(run), learn(run)] == [True, False]
    assert registry.asked == [f"{IMAGE.path}:1.2.0"]
    assert (known(lane, "1.2.0").digest, known(lane, "1.1.0").digest) == (digest("1.2.0"), None)


def test_a_digest_that_only_our_own_build_made_takes_the_tag_out_of_the_choice(lane: Lane) -> None:
    build = BuildFinished(
        controller="main",
        job="team/app/fluxbridge",
        number=1,
        result=BuildResult.SUCCESS,
        artifacts=(Artifact("image", IMAGE, "preview", digest("1.2.0")),),
    )
    with lane.telling_of("preview") as connection:
        builds.record(connection, build, is_ours=True, source="ci", delivery_id=None, now=lane.now)
    run = run_with(lane, AskedRegistry(digest))
    assert [learn(run), learn(run), learn(run)] == [True, True, False]
    view = view_at(run.repo.repository, run.scans, run.repo.repository.fetch()["main"])
    [state] = run.judge.by_stored_choice(view, run.lane)
    assert state.selection is not None
    assert state.selection.tag == "1.1.0"


def test_a_registry_that_does_not_show_the_tag_just_now_deletes_nothing(lane: Lane) -> None:
    run = run_with(lane, AskedRegistry(lambda _: None))
    assert not learn(run)
    assert run.notes == [f"the registry has no {IMAGE}:1.2.0 just now"]
    assert not known(lane, "1.2.0").is_gone


ALWAYS = policy().replace(
    "  imageRepositoryRef", "  digestReflectionPolicy: Always\n  interval: 5m\n  imageRepositoryRef"
)


def test_under_always_the_registry_is_asked_again_when_the_interval_is_over(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": ALWAYS})
    registry, asked = AskedRegistry(digest), []
    for minutes in (0, 4, 6, 8, 12):
        lane.now = NOW + timedelta(minutes=minutes)
        learn(run_with(lane, registry))
        asked.append(len(registry.asked))
    assert asked == [1, 1, 2, 2, 3]
    assert known(lane, "1.2.0").asked_at == NOW + timedelta(minutes=12)


def test_a_tag_that_was_pushed_again_and_of_which_nobody_told_is_proposed_under_always(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": ALWAYS, "apps/app.yaml": deployment(f"1.2.0@{digest('1.2.0')}")})
    answers = {"1.2.0": digest("1.2.0")}
    reconcile(run_with(lane, AskedRegistry(answers.get)))
    assert lane.open_pulls() == []
    answers["1.2.0"] = digest("other bytes")
    lane.now += timedelta(minutes=5)
    reconcile(run_with(lane, AskedRegistry(answers.get)))
    [pull] = lane.open_pulls()
    assert f"1.2.0@{digest('other bytes')}" in lane.config.text(pull.head_sha, "apps/app.yaml")


def test_the_lane_is_due_when_the_registry_is_to_be_asked_again_and_not_at_once_where_it_just_failed(
    lane: Lane,
) -> None:
    lane.config.commit("main", {"images/app.yaml": ALWAYS})
    reconcile(run_with(lane, AskedRegistry(digest)))
    dues = [_due_after(lane)]
    lane.now += timedelta(minutes=7)
    reconcile(run_with(lane, AskedRegistry(lambda _: None)))
    dues.append(_due_after(lane))
    assert dues == [timedelta(minutes=5), timedelta(minutes=5)]


def _due_after(lane: Lane) -> timedelta:
    with lane.database.transaction() as connection:
        row = lanes.find(connection, LANE)
    assert row is not None
    assert row.next_look_at is not None
    return row.next_look_at - lane.now


IF_NOT_PRESENT = policy().replace(
    "  imageRepositoryRef", "  digestReflectionPolicy: IfNotPresent\n  imageRepositoryRef"
)


def test_a_tag_that_is_pushed_again_keeps_the_digest_of_its_open_pull_request(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": IF_NOT_PRESENT})
    reconcile(run_with(lane, AskedRegistry(digest)))
    [before] = lane.open_pulls()
    with lane.telling_of("1.2.0") as connection:
        catalogue.set_digest(connection, IMAGE, "1.2.0", digest("other bytes"), asked_at=lane.now)
    lane.run()
    [after] = lane.open_pulls()
    assert (after.number, after.head_sha) == (before.number, before.head_sha)


def test_a_tag_that_is_pushed_again_while_it_waits_gets_the_digest_that_passed_and_keeps_it(lane: Lane) -> None:
    rules = "stages: {all: {paths: [apps], requires: {build: success}}}\n"
    lane.config.commit("main", {"images/app.yaml": IF_NOT_PRESENT, ".fluxbridge.yaml": rules})
    lane.push("1.3.0")
    reconcile(run_with(lane, AskedRegistry(digest)))
    assert {one.digest for one in lane.promotions()} == {digest("1.3.0")}
    again = digest("other bytes")
    with lane.telling_of("1.3.0") as connection:
        catalogue.set_digest(connection, IMAGE, "1.3.0", again, asked_at=lane.now)
        builds.record(connection, _build("1.3.0", again), is_ours=False, source="ci", delivery_id=None, now=lane.now)
    numbers = set()
    for _ in range(4):
        reconcile(run_with(lane, AskedRegistry(lambda _: again)))
        numbers |= {pull.number for pull in lane.open_pulls()}
    assert numbers == {1}
    assert {one.digest for one in lane.promotions()} == {again}


def _build(tag: str, named: str) -> BuildFinished:
    return BuildFinished(
        controller="main",
        job="team/app/main",
        number=2,
        result=BuildResult.SUCCESS,
        artifacts=(Artifact("image", IMAGE, tag, named),),
    )


def test_the_history_has_the_digest_that_an_open_pull_request_was_given_later(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": ALWAYS})
    answers = {"1.2.0": digest("1.2.0")}
    reconcile(run_with(lane, AskedRegistry(answers.get)))
    answers["1.2.0"] = digest("other bytes")
    lane.now += timedelta(minutes=6)
    reconcile(run_with(lane, AskedRegistry(answers.get)))
    assert {one.digest for one in lane.promotions()} == {digest("other bytes")}


def test_an_answer_that_comes_late_does_not_take_the_place_of_a_newer_one(lane: Lane) -> None:
    def answer(_: str) -> str:
        lane.now += timedelta(seconds=1)
        with lane.telling_of("1.2.0") as connection:
            catalogue.set_digest(connection, IMAGE, "1.2.0", digest("newer"), asked_at=lane.now)
        return digest("older")

    learn(run_with(lane, AskedRegistry(answer)))
    assert known(lane, "1.2.0").digest == digest("newer")


def test_one_tag_is_asked_for_once_and_a_registry_that_is_silent_no_more_in_one_run(lane: Lane) -> None:
    for name in ("b", "c", "d"):
        choice = "semver: {range: '<=1.1.0'}" if name == "d" else "semver: {range: '>=1.0.0'}"
        files = {f"images/{name}.yaml": policy(name, choice), f"apps/{name}.yaml": deployment("1.0.0", name=name)}
        lane.config.commit("main", files)
    registry = AskedRegistry(digest)
    learn(run_with(lane, registry))
    assert sorted(registry.asked) == [f"{IMAGE.path}:1.1.0", f"{IMAGE.path}:1.2.0"]


def test_a_policy_without_fields_follows_no_digest(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": ALWAYS, "apps/app.yaml": "kind: Deployment\n"})
    registry = AskedRegistry(digest)
    for minutes in (0, 30):
        lane.now = NOW + timedelta(minutes=minutes)
        learn(run_with(lane, registry))
    assert len(registry.asked) == 1


def test_a_digest_that_was_learned_makes_the_other_lanes_of_its_image_due(lane: Lane) -> None:
    with lane.database.transaction() as connection:
        lanes.ensure(connection, "fleet", "next", lane.now)
        lanes.replace_images(connection, "fleet:next", [IMAGE])
    learn(run_with(lane, AskedRegistry(digest)))
    with lane.database.transaction() as connection:
        other = lanes.find(connection, "fleet:next")
    assert other is not None
    assert other.wanted == 2


def test_a_registry_that_is_not_configured_is_not_asked(lane: Lane) -> None:
    run = lane.claim()
    assert not learn(replace(run, systems=replace(run.systems, registries={})))


@pytest.mark.parametrize("error", [Unavailable("it is down"), Refused("no access")], ids=["down", "refused"])
def test_a_registry_that_cannot_be_asked_is_said_and_left_for_later(lane: Lane, error: Exception) -> None:
    def fail(_: str) -> str | None:
        raise error

    run = run_with(lane, AskedRegistry(fail))
    assert not learn(run)
    assert run.notes == [f"the digest of {IMAGE}:1.2.0 is not known: {error}"]
    assert not known(lane, "1.2.0").is_gone
