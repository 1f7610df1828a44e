"""Trials B1 and B6: what it takes to go down, and what a chart's versions mean."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from app.core.errors import Refused
from app.core.images import ImageName
from app.core.policies.selection import compile_policy
from app.core.policies.spec import PolicySpec, SemVer
from app.core.policies.stored import read_spec
from app.db import catalogue, lanes, owed_answers, selections, storms
from app.db.database import Database, DatabaseUnavailable
from app.db.storms import Storm
from app.services.catalogue.gone_storms import watch_gone
from app.services.reading.status import read_status
from app.services.sweeps.schedule import Sweeps
from app.services.sweeps.watch import Watch
from tests.db.facts import record_listing, record_push
from tests.db.threads import at_once
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import IMAGE, LANE, NOW, Lane, digest
from tests.trials.scripted_registries import Scripted, over, owed, titles

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """An app at 1.1.0 in Git, of which 1.0.0 and 1.1.0 were shown."""
    made = Lane.create(tmp_path, database, {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.1.0")})
    for tag in ("1.0.0", "1.1.0"):
        made.push(tag)
    made.run()
    return made


def list_with(lane: Lane, registry: Scripted) -> None:
    lane.now += MINUTE
    Watch(lane.database, over(lane, registry), lambda: lane.now, lane.ready).list_repository(IMAGE)


def test_a_list_that_is_short_again_and_again_moves_nothing_while_the_manifest_answers(lane: Lane) -> None:
    registry = Scripted({IMAGE.path: ["1.0.0"]}, {(IMAGE.path, "1.1.0"): digest("1.1.0")})
    for _ in range(4):
        list_with(lane, registry)
        assert titles(lane) == []
    problems = read_status(lane.database, lambda: lane.now).listing_problems
    assert [one.image for one in problems] == [str(IMAGE)]
    assert "1.1.0" in problems[0].problem
    registry.tags_of[IMAGE.path] = ["1.0.0", "1.1.0"]
    list_with(lane, registry)
    assert read_status(lane.database, lambda: lane.now).listing_problems == []


def test_a_list_that_is_short_is_told_for_as_long_as_it_is(lane: Lane) -> None:
    registry = Scripted(digests={(IMAGE.path, "1.1.0"): digest("1.1.0")})
    for is_short in (True, True, True, False, True, False):
        registry.tags_of[IMAGE.path] = ["1.0.0"] if is_short else ["1.0.0", "1.1.0"]
        list_with(lane, registry)
        assert bool(read_status(lane.database, lambda: lane.now).listing_problems) == is_short
        with lane.database.transaction() as connection:
            known = catalogue.find_tag(connection, IMAGE, "1.1.0")
        assert known is not None
        assert known.presence.missed_at is None


def test_a_tag_that_one_list_lacks_is_not_gone_although_its_manifest_is_not_there(lane: Lane) -> None:
    registry = Scripted({IMAGE.path: ["1.0.0"]})
    list_with(lane, registry)
    assert registry.asked == [f"{IMAGE.path}:1.1.0"]
    assert titles(lane) == []


def test_a_tag_whose_manifest_cannot_be_asked_for_is_not_gone(lane: Lane) -> None:
    registry = Scripted({IMAGE.path: ["1.0.0"]}, {(IMAGE.path, "1.1.0"): Refused("it answered 403")})
    for _ in range(4):
        list_with(lane, registry)
        assert titles(lane) == []


def test_a_pull_request_that_goes_down_says_so_in_title_first_line_and_commit_with_the_cause(lane: Lane) -> None:
    for _ in range(2):
        list_with(lane, Scripted({IMAGE.path: ["1.0.0"]}))
    assert titles(lane) == ["Move app down, 1.1.0 to 1.0.0: tag 1.1.0 is gone from the registry"]
    [pull] = lane.open_pulls()
    first = pull.body.splitlines()[0]
    assert first == "**This goes down**, from `1.1.0`: `tag 1.1.0 is gone from the registry`."
    message = lane.repository.commit(pull.head_sha).message
    assert message.startswith("Move app down, 1.1.0 to 1.0.0")
    with lane.database.transaction() as connection:
        row = lanes.find(connection, LANE)
    assert row is not None
    assert row.plan is not None
    assert "down from 1.1.0: tag 1.1.0 is gone from the registry" in row.plan


def test_a_tag_that_lists_lacked_before_it_came_into_git_is_asked_for_first(lane: Lane) -> None:
    lane.push("0.9.0")
    with lane.telling_of("0.9.0") as connection:
        for minutes in (1, 2):
            record_listing(connection, IMAGE, ["1.0.0", "1.1.0"], lane.now, asked_at=lane.now + minutes * MINUTE)
    lane.config.commit("main", {"images/app.yaml": policy(), "apps/app.yaml": deployment("0.9.0")})
    lane.run()
    [one] = [one for one in owed(lane.database) if one.reference == "0.9.0"]
    assert one.is_deletion


APPS = tuple(f"app{number}" for number in range(8))


def many_apps(tmp_path: Path, database: Database) -> Lane:
    """Eight apps at 1.1.0 of one registry."""
    files: dict[str, str] = {}
    for name in APPS:
        files[f"images/{name}.yaml"] = policy(name, path=f"team/{name}")
        files[f"apps/{name}.yaml"] = deployment("1.1.0", name=name, path=f"team/{name}")
    made = Lane.create(tmp_path, database, files)
    with database.transaction() as connection:
        for name in APPS:
            image = ImageName(IMAGE.registry, f"team/{name}")
            record_listing(connection, image, ["1.0.0", "1.1.0"], NOW - timedelta(days=1))
            for tag in ("1.0.0", "1.1.0"):
                catalogue.set_digest(connection, image, tag, digest(tag), asked_at=NOW)
    made.run()
    return made


def lose(made: Lane, names: tuple[str, ...]) -> None:
    registry = Scripted({f"team/{name}": ["1.0.0"] for name in names})
    watch = Watch(made.database, over(made, registry), lambda: made.now, made.ready)
    for _ in range(2):
        made.now += MINUTE
        for name in names:
            watch.list_repository(ImageName(IMAGE.registry, f"team/{name}"))


def sweeps_without(made: Lane, names: tuple[str, ...]) -> Sweeps:
    """The sweeps over a registry that has lost what Git has of these apps."""
    return Sweeps(
        database=made.database,
        systems=over(made, Scripted({f"team/{name}": ["1.0.0"] for name in names})),
        clock=lambda: made.now,
        owner="tests",
        ready=made.ready,
    )


def test_many_tags_that_turn_gone_at_once_move_nothing_before_a_person_accepts_it(
    tmp_path: Path, database: Database
) -> None:
    made = many_apps(tmp_path, database)
    lose(made, APPS)
    assert titles(made) == []
    status = read_status(made.database, lambda: made.now)
    assert [one.key for one in status.waits_for_person] == [f"gone from {IMAGE.registry}"]
    sweeps_without(made, APPS).run_now(["tags"], is_dry=False, is_confirmed=True)
    assert len(titles(made)) == len(APPS)
    with made.database.transaction() as connection:
        assert list(storms.every(connection)) == []


def deny(connection: Connection, name: str, at: datetime) -> None:
    """It was told that an app's 1.1.0 was deleted, and the registry has it no more."""
    image = ImageName(IMAGE.registry, f"team/{name}")
    catalogue.lock(connection, [image], at)
    catalogue.note_missing(connection, image, "1.1.0", is_deleted=True, asked_at=at)
    watch_gone(connection, IMAGE.registry, at)


def test_tags_that_turn_gone_at_the_same_moment_are_counted_one_after_the_other(
    tmp_path: Path, database: Database
) -> None:
    at = many_apps(tmp_path, database).now + MINUTE

    def deny_at_once() -> None:
        with database.transaction() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
            deny(connection, "app1", at)

    with database.transaction() as connection:
        deny(connection, "app0", at)
        if not database.is_sqlite:
            with pytest.raises(DatabaseUnavailable):
                at_once(deny_at_once)
    with database.transaction() as connection:
        deny(connection, "app1", at)
        assert [one.found for one in storms.every(connection)] == [2]


def test_who_accepts_something_else_does_not_accept_that_many_tags_are_gone(tmp_path: Path, database: Database) -> None:
    made = many_apps(tmp_path, database)
    lose(made, APPS)
    other = f"{IMAGE.registry}/team/{APPS[0]}"
    with database.transaction() as connection:
        storm = Storm(sweep="tags", key=other, found=240, sample="240 new: 1.0", since=made.now)
        storms.note(connection, storm)
    sweeps = sweeps_without(made, APPS)
    sweeps.run_now(["tags"], accepted=[other])
    assert titles(made) == []
    sweeps.run_now(["tags"], accepted=[f"gone from {IMAGE.registry}"])
    assert len(titles(made)) == len(APPS)


def test_a_single_tag_that_is_gone_is_no_storm(tmp_path: Path, database: Database) -> None:
    made = many_apps(tmp_path, database)
    lose(made, APPS[:1])
    assert titles(made) == ["Move app0 down, 1.1.0 to 1.0.0: tag 1.1.0 is gone from the registry"]


def test_a_policy_that_was_changed_may_go_down_and_says_so(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": policy().replace(">=1.0.0", "<=1.0.0")})
    assert titles(lane) == ["Move app down, 1.1.0 to 1.0.0: the policy's spec changed"]


def test_a_tag_that_the_registry_has_not_shown_waits_and_says_why(lane: Lane) -> None:
    with lane.telling_of("1.2.0") as connection:
        record_push(
            connection, IMAGE, "1.2.0", digest("1.2.0"), at=None, now=lane.now, source="registry", delivery_id=None
        )
    assert titles(lane) == []
    [one] = owed(lane.database)
    with lane.database.transaction() as connection:
        owed_answers.put_off(connection, one, due_at=lane.now + MINUTE, error="registry x: it answered 403")
    lane.run()
    [promotion] = lane.promotions()
    assert promotion.reason.startswith("the registry has not shown it yet: registry x: it answered 403; asked again at")


def test_a_chart_version_with_metadata_is_ordered_as_the_version_that_it_is() -> None:
    spec = PolicySpec(SemVer("1.x"), is_chart=True)
    compiled = compile_policy(spec)
    assert compiled.select(["1.0.0", "1.1.0_up2"]).tag == "1.1.0_up2"
    assert (compiled.compare("1.1.0_up2", "1.0.0") or 0) > 0
    assert compile_policy(replace(spec, is_chart=False)).select(["1.0.0", "1.1.0_up2"]).tag == "1.0.0"


def test_whether_a_policy_is_of_a_chart_is_kept_with_its_spec_and_changes_no_other() -> None:
    spec = PolicySpec(SemVer("1.x"))
    assert "is_chart" not in spec.as_json()
    chart = replace(spec, is_chart=True)
    assert read_spec(json.loads(chart.as_json())) == chart


RULES = """
policies:
  - {name: shop, chart: oci://registry.acme.example/charts/shop, policy: {semver: {range: 1.x}}}
fields:
  - {policy: flux-system/shop, files: Chart.yaml, dependency: shop}
"""
OBJECTS = policy("shop", "semver: {range: 1.x}", path="charts/shop")
CHART = """
apiVersion: v2
name: umbrella
version: 0.1.0
dependencies:
  - {name: shop, version: 1.1.0+up2, repository: oci://registry.acme.example/charts}
"""


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({".fluxbridge.yaml": RULES}, id="a declared policy"),
        pytest.param(
            {".fluxbridge.yaml": f"fields:{RULES.partition('fields:')[2]}", "images/shop.yaml": OBJECTS},
            id="an ImagePolicy",
        ),
    ],
)
def test_a_chart_never_moves_down_from_a_version_with_metadata(
    tmp_path: Path, database: Database, files: dict[str, str]
) -> None:
    made = Lane.create(tmp_path, database, {"Chart.yaml": CHART, **files})
    chart = ImageName(IMAGE.registry, "charts/shop")
    with database.transaction() as connection:
        record_listing(connection, chart, ["1.0.0", "1.1.0_up2"], NOW)
    assert titles(made) == []
    with database.transaction() as connection:
        record_listing(connection, chart, ["1.0.0", "1.1.0_up2", "1.2.0"], NOW + MINUTE)
        selections.forget(connection, chart)
    assert titles(made) == ["Promote shop 1.1.0_up2 to 1.2.0"]
