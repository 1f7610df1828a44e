"""Registries in a disorderly world: late, short, broken and missing answers, and what is no digest."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from alembic import command
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.clients.registry.errors import RegistryUnavailable
from app.core.errors import Refused, Unavailable
from app.core.images import ImageName, ImageReference, InvalidImage
from app.core.tag_presence import TagPresence
from app.db import catalogue, lanes, listing_wishes
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.db.migrations import configuration
from app.services.reading.status import read_status
from app.services.sweeps.watch import Watch
from tests.clients.registry.scripted_registry import HOST, asking
from tests.db.facts import record_listing, record_push
from tests.end_to_end.bridge import deployment, policy
from tests.services.intake.webhooks import (
    MAIN,
    Site,
    delete_event,
    digest_of,
    envelope,
    push_event,
)
from tests.services.lanes import IMAGE, LANE, NOW, Lane, digest
from tests.services.sweeps.sweeping import BuiltJenkins, built, sweep
from tests.trials.scripted_registries import Scripted, over, sweeper_of

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
TAG = "1.1.0"


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
        record_push(connection, site.image, TAG, None, at=None, now=site.now, source="registry", delivery_id=None)
        record_listing(connection, site.image, ["1.0.0"], site.now, asked_at=site.now - SECOND)
        record_listing(connection, site.image, ["1.0.0"], site.now, asked_at=site.now - SECOND)
    known = site.tag(TAG)
    assert known is not None
    assert not known.is_gone


Answer = Callable[[TagPresence, datetime], TagPresence]
ANSWERS: Mapping[str, Answer] = {
    "told": lambda seen, at: seen.told(at),
    "old digest": lambda seen, at: seen.names("sha256:old", at),
    "new digest": lambda seen, at: seen.names("sha256:new", at),
    "deleted": lambda seen, at: seen.absent(at, is_deletion=True),
    "not there": lambda seen, at: seen.absent(at, is_deletion=False),
    "listed": lambda seen, at: seen.shown(at),
    "missed": lambda seen, at: seen.missed(at),
}


@given(st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=5))
def test_answers_come_to_the_same_in_whatever_order_they_arrive(names: list[str]) -> None:
    asked = [(name, NOW + number * SECOND) for number, name in enumerate(names)]

    def outcome(order: tuple[tuple[str, datetime], ...]) -> tuple[object, ...]:
        seen = TagPresence()
        for name, at in order:
            seen = ANSWERS[name](seen, at)
        return seen.is_gone, seen.is_shown, seen.is_proven_gone, seen.digest

    assert len({outcome(order) for order in itertools.permutations(asked)}) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_digests_the_one_that_was_asked_for_last_stands(database: Database, order: tuple[int, ...]) -> None:
    with database.transaction() as connection:
        for number in order:
            catalogue.set_digest(connection, IMAGE, TAG, digest(str(number)), asked_at=NOW + number * SECOND)
        known = catalogue.find_tag(connection, IMAGE, TAG)
    assert known is not None
    assert (known.digest, known.asked_at) == (digest("2"), NOW + 2 * SECOND)


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


@pytest.mark.parametrize("error", [Refused("it answered 403"), Unavailable("no tag list (text/html)")])
def test_why_a_repository_is_not_listed_stands_with_it_until_it_is(site: Site, error: Exception) -> None:
    registry = Scripted({"team/app": error})
    site.swap_registry(registry)
    with site.database.transaction() as connection:
        listing_wishes.want_listing(connection, site.image, site.now)
    before = site.wanted()[MAIN]
    sweeper_of(site).list_wanted()
    [problem] = read_status(site.database, lambda: site.now).listing_problems
    assert (problem.problem, problem.is_listed) == (str(error), False)
    assert site.wanted()[MAIN] == before + 1
    registry.tags_of["team/app"] = ["1.0.0"]
    site.now += timedelta(hours=1)
    sweeper_of(site).list_wanted()
    assert read_status(site.database, lambda: site.now).listing_problems == []


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
    watch = Watch(made.database, over(made, broken), lambda: made.now, made.ready)
    made.now += MINUTE
    assert watch.list_wanted() == 0
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
    assert {tag for tag, one in known.items() if one.presence.is_proven_gone} == {"deleted"}
    assert {tag for tag, one in known.items() if one.presence.is_shown} == {"there", "missed", "unlisted"}
    assert {one.digest for one in known.values()} == {digest("a")}
