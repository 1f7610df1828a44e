"""Registries and tags in a disorderly world: late, short, broken and missing answers move nothing wrongly."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.clients.registry import RegistryUnavailable
from app.core.errors import Refused, Unavailable
from app.core.images import ImageName, ImageReference, InvalidImage
from app.core.policies.selection import compile_policy
from app.core.policies.spec import PolicySpec, SemVer
from app.core.policies.stored import read_spec
from app.core.sightings import Sighting
from app.db import catalogue, held_back, lanes, owed_looks, selections
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.db.migrations import configuration
from app.db.owed_looks import OwedLook
from app.demo.registry import DemoRegistry
from app.services.read_facts import build as build_details
from app.services.read_status import read_status
from app.services.ready_policies import ReadyPolicies
from app.services.run_sweeps import Sweeps
from app.services.sweep import Sweeper
from app.services.systems import Systems
from tests.clients.scripted_registry import HOST, asking
from tests.db.facts import record_listing
from tests.end_to_end.bridge import deployment, policy
from tests.servers.jenkins import JenkinsServer
from tests.services.lanes import IMAGE, LANE, NOW, Lane, digest
from tests.services.sweeping import BuiltJenkins, built, sweep
from tests.services.webhooks import (
    MAIN,
    Site,
    build_report,
    delete_event,
    digest_of,
    envelope,
    open_site,
    push_event,
)

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
TAG = "1.1.0"


@dataclass
class Scripted:
    """Repositories as a test says; an error stands in place of what cannot be asked. `during` happens while it asks."""

    tags_of: dict[str, list[str] | Exception] = field(default_factory=dict)
    digests: dict[tuple[str, str], str | Exception | None] = field(default_factory=dict)
    during: Callable[[str], None] = lambda _: None
    asked: list[str] = field(default_factory=list)

    def tags(self, path: str) -> list[str]:
        found = self.tags_of.get(path, [])
        if isinstance(found, Exception):
            raise found
        return found

    def digest(self, path: str, reference: str) -> str | None:
        self.asked.append(f"{path}:{reference}")
        found = self.digests.get((path, reference))
        self.during(reference)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def site(database: Database) -> Iterator[Site]:
    """Webhooks to interpret, on each kind of database."""
    with DemoRegistry() as registry, JenkinsServer() as jenkins:
        opened = open_site(database, registry, jenkins)
        with closing(opened.systems):
            yield opened


def owed(database: Database) -> list[OwedLook]:
    with database.transaction() as connection:
        return list(owed_looks.due(connection, NOW + timedelta(days=365), limit=100))


def sweeper_of(site: Site) -> Sweeper:
    return Sweeper(site.database, site.systems, lambda: site.now, lambda: None, ReadyPolicies())


def two_images(site: Site) -> bytes:
    named = [
        {"repository": f"{site.registry.host}/team/{name}", "tag": TAG, "digest": digest_of(TAG)}
        for name in ("app", "private")
    ]
    return build_report(site.image, TAG, digest_of(TAG), number=5, images=named)


@pytest.mark.parametrize("error", [Refused("it answered 403 for team/private"), Unavailable("it answered 500")])
def test_a_build_counts_at_once_although_one_of_its_images_cannot_be_read(site: Site, error: Exception) -> None:
    answers: dict[tuple[str, str], str | Exception | None] = {
        ("team/app", TAG): digest_of(TAG),
        ("team/private", TAG): error,
    }
    site.swap_registry(Scripted(digests=answers))
    ended = site.send("ci", two_images(site))
    assert ended.state is DeliveryState.DONE
    assert [one.number for one in site.builds()] == [5]
    known = site.tag(TAG)
    assert known is not None
    assert known.sighting.is_shown
    assert [str(one) for one in owed(site.database)] == [f"{site.registry.host}/team/private:{TAG}"]


def test_what_is_owed_is_told_by_status_and_by_the_build(site: Site) -> None:
    refusal = Refused("it answered 403 for team/private")
    site.swap_registry(Scripted(digests={("team/app", TAG): digest_of(TAG), ("team/private", TAG): refusal}))
    site.send("ci", two_images(site))
    site.now += MINUTE
    status = read_status(site.database, lambda: site.now)
    assert (status.owed_looks, status.oldest_owed_look_s) == (1, 60)
    assert status.owed_errors[0].error == "it answered 403 for team/private"
    [report] = site.builds()
    with site.database.transaction() as connection:
        artifacts = build_details(connection, report.id).artifacts
    told = {one.image.rpartition("/")[2]: one.owed for one in artifacts}
    assert told["app"] is None
    assert told["private"] is not None
    assert "403" in told["private"]


def test_what_is_owed_is_asked_again_until_it_is_answered_and_then_the_lane_is_due(site: Site) -> None:
    registry = Scripted(digests={("team/app", TAG): Unavailable("down")})
    site.swap_registry(registry)
    site.send("registry", envelope(push_event(TAG, digest_of(TAG))))
    waits = []
    for _ in range(12):
        [one] = owed(site.database)
        waits.append(one.due_at - site.now)
        site.now = one.due_at - SECOND / 1000
        assert sweeper_of(site).ask_owed() == 0
        site.now = one.due_at
        assert sweeper_of(site).ask_owed() == 1
    assert SECOND <= waits[0] <= 2 * SECOND
    assert max(waits) <= 5 * MINUTE
    registry.digests["team/app", TAG] = digest_of(TAG)
    before, site.now = site.wanted()[MAIN], site.now + timedelta(hours=1)
    sweeper_of(site).ask_owed()
    assert owed(site.database) == []
    assert site.wanted()[MAIN] == before + 1


def test_who_asks_to_come_back_later_is_asked_no_sooner(site: Site) -> None:
    busy = Unavailable("too many requests", retry_after=20 * MINUTE)
    site.swap_registry(Scripted(digests={("team/app", TAG): busy}))
    site.send("registry", envelope(push_event(TAG, None)))
    [one] = owed(site.database)
    assert one.due_at - site.now == 20 * MINUTE


def test_a_worker_that_dies_after_the_facts_leaves_what_is_owed_to_others(site: Site) -> None:
    class Killed(BaseException):
        pass

    def die(_: str) -> None:
        raise Killed

    site.put_image(TAG)
    real = site.systems.registries[site.registry.host]
    site.swap_registry(Scripted(during=die))
    site.keep("registry", envelope(push_event(TAG, digest_of(TAG))))
    with pytest.raises(Killed):
        site.interpret()
    site.swap_registry(real)
    site.now += MINUTE
    assert sweeper_of(site).ask_owed() == 1
    known = site.tag(TAG)
    assert known is not None
    assert known.sighting.is_shown
    assert site.wanted()[MAIN] == 1


def test_the_sweep_of_builds_records_what_jenkins_has_while_a_registry_is_down(site: Site) -> None:
    jenkins = BuiltJenkins()
    jenkins.jobs = {"team/app/main": {}}
    for number in (1, 2):
        jenkins.put("team/app/main", number, built(number, image=str(site.image), tag=f"1.{number}.0"))
    site.systems = replace(site.systems, jenkins={"main": jenkins})
    site.swap_registry(Scripted(digests={("team/app", "1.1.0"): Unavailable("down"), ("team/app", "1.2.0"): None}))
    look = sweep(site, "builds", jobs={"main": ("team/*",)})
    assert look.failures == []
    assert {one.number for one in site.builds()} == {1, 2}
    assert [one.reference for one in owed(site.database)] == ["1.1.0"]


def test_an_answer_that_was_asked_for_before_a_push_does_not_make_it_gone(site: Site) -> None:
    site.put_image(TAG)
    site.send("registry", envelope(push_event(TAG, digest_of(TAG))))
    real = site.systems.registries[site.registry.host]

    def push(_: str) -> None:
        site.swap_registry(real)
        site.now += SECOND
        site.send("registry", envelope(push_event(TAG, digest_of(TAG))))

    site.swap_registry(Scripted(during=push))
    site.now += MINUTE
    site.send("registry", envelope(delete_event(tag=TAG)))
    known = site.tag(TAG)
    assert known is not None
    assert not known.is_gone


def test_an_older_digest_never_takes_the_place_of_one_that_was_asked_for_later(site: Site) -> None:
    """The sweep of builds asks for many, and a webhook comes in between."""
    jenkins = BuiltJenkins()
    jenkins.jobs = {"team/app/main": {}}
    for number, tag in ((1, TAG), (2, "1.2.0")):
        jenkins.put("team/app/main", number, built(number, image=str(site.image), tag=tag))
    site.systems = replace(site.systems, jenkins={"main": jenkins})
    registry = Scripted(digests={("team/app", TAG): digest_of("old"), ("team/app", "1.2.0"): digest_of("1.2.0")})

    def push(reference: str) -> None:
        site.now += SECOND
        if reference == "1.2.0" and registry.digests["team/app", TAG] == digest_of("old"):
            registry.digests["team/app", TAG] = digest_of("new")
            site.send("registry", envelope(push_event(TAG, digest_of("new"))))

    registry.during = push
    site.swap_registry(registry)
    sweep(site, "builds", jobs={"main": ("team/*",)})
    known = site.tag(TAG)
    assert known is not None
    assert known.digest == digest_of("new")


def test_a_list_that_was_asked_for_before_a_push_does_not_miss_its_tag(site: Site) -> None:
    registry = Scripted({"team/app": ["1.0.0"]}, {("team/app", "1.0.0"): digest_of("1.0.0")})
    site.swap_registry(registry)
    sweeper_of(site).list_repository(site.image)
    site.now += MINUTE
    with site.database.transaction() as connection:
        catalogue.record_push(
            connection, site.image, TAG, None, at=None, now=site.now, source="registry", delivery_id=None
        )
        record_listing(connection, site.image, ["1.0.0"], site.now, asked_at=site.now - SECOND)
        record_listing(connection, site.image, ["1.0.0"], site.now, asked_at=site.now - SECOND)
    known = site.tag(TAG)
    assert known is not None
    assert not known.is_gone


Answer = Callable[[Sighting, datetime], Sighting]
ANSWERS: Mapping[str, Answer] = {
    "told": lambda seen, at: seen.told(at),
    "old digest": lambda seen, at: seen.names("sha256:old", at),
    "new digest": lambda seen, at: seen.names("sha256:new", at),
    "deleted": lambda seen, at: seen.absent(at, is_deletion=True),
    "not there": lambda seen, at: seen.absent(at, is_deletion=False),
    "listed": lambda seen, at: seen.shown(at),
    "missed": lambda seen, at: seen.missed(at),
}


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=5))
def test_answers_come_to_the_same_in_whatever_order_they_arrive(names: list[str]) -> None:
    asked = [(name, NOW + number * SECOND) for number, name in enumerate(names)]

    def outcome(order: tuple[tuple[str, datetime], ...]) -> tuple[object, ...]:
        seen = Sighting()
        for name, at in order:
            seen = ANSWERS[name](seen, at)
        return seen.is_gone, seen.is_shown, seen.is_proven_gone, seen.digest

    assert len({outcome(order) for order in itertools.permutations(asked)}) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_digests_the_one_that_was_asked_for_last_stands(database: Database, order: tuple[int, ...]) -> None:
    with database.transaction() as connection:
        for number in order:
            catalogue.set_digest(connection, IMAGE, TAG, digest(str(number)), looked_at=NOW + number * SECOND)
        known = catalogue.find_tag(connection, IMAGE, TAG)
    assert known is not None
    assert (known.digest, known.looked_at) == (digest("2"), NOW + 2 * SECOND)


def test_a_link_to_the_registry_behind_its_proxy_is_followed_at_the_registry() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if "last" in request.url.params:
            return httpx.Response(200, json={"tags": ["1.1.0"]})
        link = '<http://registry-internal:5000/v2/team/app/tags/list?last=1.0.0&n=10>; rel="next"'
        return httpx.Response(200, json={"tags": ["1.0.0"]}, headers={"Link": link})

    with asking(answer) as registry:
        assert registry.tags("team/app") == ["1.0.0", "1.1.0"]
    assert all(url.startswith(f"https://{HOST}/v2/team/app/tags/list") for url in asked)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(httpx.Response(404, json={"errors": [{"code": "NAME_UNKNOWN"}]}), id="its own 404"),
        pytest.param(httpx.Response(404, html="<p>no</p>"), id="a proxy's 404"),
        pytest.param(httpx.Response(200, html="<p>log in</p>"), id="a page"),
        pytest.param(httpx.Response(200, json={"name": "team/app"}), id="no tags"),
        pytest.param(httpx.Response(500), id="500"),
    ],
)
def test_a_list_that_breaks_off_is_no_list(second: httpx.Response) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "last" in request.url.params:
            return second
        return httpx.Response(200, json={"tags": ["1.0.0"]}, headers={"Link": '<?last=1.0.0&n=1>; rel="next"'})

    with asking(answer) as registry, pytest.raises(RegistryUnavailable):
        registry.tags("team/app")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            httpx.Response(404, html="x", headers={"Docker-Distribution-Api-Version": "registry/2.0"}), id="a"
        ),
        pytest.param(httpx.Response(404, json={"errors": ["no route"]}), id="b"),
        pytest.param(httpx.Response(404, json={"errors": [{"code": "UNAUTHORIZED"}]}), id="c"),
        pytest.param(httpx.Response(404, json={"message": "no Route matched"}), id="d"),
        pytest.param(httpx.Response(200, html="<p>log in</p>"), id="e"),
    ],
)
def test_what_a_proxy_answers_says_nothing_of_a_tag(answer: httpx.Response) -> None:
    with asking(lambda _: answer) as registry, pytest.raises(RegistryUnavailable):
        registry.digest("team/app", "1.0.0")


def test_an_event_with_any_digest_that_oci_allows_is_a_hint(site: Site) -> None:
    site.put_image(TAG)
    for told in ("sha512:" + "a" * 128, "blake3:" + "A" * 40):
        ended = site.send("registry", envelope(push_event(TAG, told)))
        assert ended.state is DeliveryState.DONE
    known = site.tag(TAG)
    assert known is not None
    assert known.digest == digest_of(TAG)


@pytest.mark.parametrize("told", ["sha256:abc", "sha512:" + "a" * 127, "sha256:", "a:b:c", "x" * 300 + ":a"])
def test_what_is_no_digest_is_none(site: Site, told: str) -> None:
    ended = site.send("registry", envelope(push_event(TAG, told)))
    assert ended.state is DeliveryState.UNUSABLE


def test_a_sha512_digest_may_stand_in_a_reference_and_another_may_not() -> None:
    text = f"registry.acme.example/team/app@sha512:{'a' * 128}"
    assert str(ImageReference.parse(text)) == text
    with pytest.raises(InvalidImage):
        ImageReference.parse("registry.acme.example/team/app@blake3:aa")


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """An app at 1.1.0 in Git, of which 1.0.0 and 1.1.0 were shown."""
    made = Lane.create(tmp_path, database, {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.1.0")})
    for tag in ("1.0.0", "1.1.0"):
        made.push(tag)
    made.run()
    return made


def over(lane: Lane, registry: Scripted) -> Systems:
    return replace(lane.systems, registries={IMAGE.registry: registry})


def list_with(lane: Lane, registry: Scripted) -> None:
    lane.now += MINUTE
    Sweeper(lane.database, over(lane, registry), lambda: lane.now, lambda: None, lane.ready).list_repository(IMAGE)


def titles(lane: Lane) -> list[str]:
    lane.run()
    return [pull.title for pull in lane.open_pulls()]


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
                catalogue.set_digest(connection, image, tag, digest(tag), looked_at=NOW)
    made.run()
    return made


def lose(made: Lane, names: tuple[str, ...]) -> None:
    registry = Scripted({f"team/{name}": ["1.0.0"] for name in names})
    sweeper = Sweeper(made.database, over(made, registry), lambda: made.now, lambda: None, made.ready)
    for _ in range(2):
        made.now += MINUTE
        for name in names:
            sweeper.list_repository(ImageName(IMAGE.registry, f"team/{name}"))


def test_many_tags_that_turn_gone_at_once_move_nothing_before_a_person_accepts_it(
    tmp_path: Path, database: Database
) -> None:
    made = many_apps(tmp_path, database)
    lose(made, APPS)
    assert titles(made) == []
    status = read_status(made.database, lambda: made.now)
    assert [one.key for one in status.waits_for_person] == [f"gone from {IMAGE.registry}"]
    sweeps = Sweeps(
        database=made.database,
        systems=over(made, Scripted({f"team/{name}": ["1.0.0"] for name in APPS})),
        clock=lambda: made.now,
        owner="tests",
        ready=made.ready,
    )
    sweeps.run_now(["tags"], is_dry=False, is_confirmed=True)
    assert len(titles(made)) == len(APPS)
    with made.database.transaction() as connection:
        assert list(held_back.every(connection)) == []


def test_a_single_tag_that_is_gone_is_no_storm(tmp_path: Path, database: Database) -> None:
    made = many_apps(tmp_path, database)
    lose(made, APPS[:1])
    assert titles(made) == ["Move app0 down, 1.1.0 to 1.0.0: tag 1.1.0 is gone from the registry"]


def test_a_policy_that_was_changed_may_go_down_and_says_so(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": policy().replace(">=1.0.0", "<=1.0.0")})
    assert titles(lane) == ["Move app down, 1.1.0 to 1.0.0: the policy's spec changed"]


def test_a_tag_that_the_registry_has_not_shown_waits_and_says_why(lane: Lane) -> None:
    with lane.telling_of("1.2.0") as connection:
        catalogue.record_push(
            connection, IMAGE, "1.2.0", digest("1.2.0"), at=None, now=lane.now, source="registry", delivery_id=None
        )
    assert titles(lane) == []
    [one] = owed(lane.database)
    with lane.database.transaction() as connection:
        owed_looks.put_off(connection, one, due_at=lane.now + MINUTE, error="registry x: it answered 403")
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


@pytest.mark.parametrize("error", [Refused("it answered 403"), Unavailable("no tag list (text/html)")])
def test_why_a_repository_is_not_listed_stands_with_it_until_it_is(site: Site, error: Exception) -> None:
    registry = Scripted({"team/app": error})
    site.swap_registry(registry)
    with site.database.transaction() as connection:
        catalogue.want_listing(connection, site.image, site.now)
    before = site.wanted()[MAIN]
    sweeper_of(site).list_wanted()
    [problem] = read_status(site.database, lambda: site.now).listing_problems
    assert (problem.problem, problem.is_listed) == (str(error), False)
    assert site.wanted()[MAIN] == before + 1
    registry.tags_of["team/app"] = ["1.0.0"]
    site.now += timedelta(hours=1)
    sweeper_of(site).list_wanted()
    assert read_status(site.database, lambda: site.now).listing_problems == []


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


@pytest.mark.parametrize(
    "target",
    [
        pytest.param({"tag": TAG}, id="the tag"),
        pytest.param({"digest": digest_of(TAG)}, id="its digest"),
        pytest.param({}, id="the repository"),
    ],
)
def test_a_deletion_that_was_told_takes_no_tag_whose_manifest_answers(site: Site, target: dict[str, str]) -> None:
    site.put_image(TAG)
    site.send("registry", envelope(push_event(TAG, digest_of(TAG))))
    site.swap_registry(Scripted({"team/app": []}, {("team/app", TAG): digest_of(TAG)}))
    site.send("registry", envelope(delete_event(**target)))
    known = site.tag(TAG)
    assert known is not None
    assert not known.is_gone


def test_the_plan_says_why_a_repository_is_not_listed(tmp_path: Path, database: Database) -> None:
    files = {"images/api.yaml": policy("api", path="team/api"), "apps/api.yaml": deployment("1.0.0", name="api")}
    made = Lane.create(tmp_path, database, files)
    api = ImageName(IMAGE.registry, "team/api")
    made.run()
    broken = Scripted({api.path: Unavailable("registry x: it answered 429")})
    sweeper = Sweeper(made.database, over(made, broken), lambda: made.now, lambda: None, made.ready)
    made.now += MINUTE
    assert sweeper.list_wanted() == 0
    made.run()
    with database.transaction() as connection:
        row = lanes.find(connection, LANE)
    assert row is not None
    assert row.plan is not None
    assert "catalogue not listed: registry x: it answered 429" in row.plan


def test_what_a_database_of_before_knows_of_tags_is_kept(database: Database) -> None:
    with database.transaction() as connection:
        command.downgrade(configuration(connection), "sweeps")
    rows = {
        "there": (digest("a"), 1000, False, 0),
        "missed": (digest("a"), 1000, False, 1),
        "unlisted": (digest("a"), 1000, False, 2),
        "deleted": (digest("a"), 1000, True, 0),
        "never": (digest("a"), None, True, 0),
        "told": (digest("a"), None, False, 0),
    }
    with database.transaction() as connection:
        for tag, (named, looked_at, is_deleted, missed) in rows.items():
            connection.execute(
                text(
                    "INSERT INTO tags (image, tag, digest, first_seen_at, looked_at, is_deleted, missed_listings) "
                    "VALUES (:image, :tag, :digest, 500, :looked_at, :is_deleted, :missed)"
                ),
                {"image": str(IMAGE), "tag": tag, "digest": named, "looked_at": looked_at}
                | {"is_deleted": is_deleted, "missed": missed},
            )
    database.migrate()
    with database.transaction() as connection:
        known = {one.tag: one for one in catalogue.tags_after(connection, IMAGE, "", limit=10)}
    assert {tag for tag, one in known.items() if one.is_gone} == {"unlisted", "deleted", "never"}
    assert {tag for tag, one in known.items() if one.sighting.is_proven_gone} == {"deleted"}
    assert {tag for tag, one in known.items() if one.sighting.is_shown} == {"there", "missed", "unlisted"}
    assert {one.digest for one in known.values()} == {digest("a")}
