"""A registry that sends no webhooks is listed as often as its settings say, and no more than once for all processes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.images import ImageName
from app.db import catalogue, listing_wishes
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.sweeps.watch import Watch
from tests.services.intake.webhooks import NOW, Site, digest_of
from tests.services.sweeps.sweeping import ShownRegistry, name_in_policies

HOST, OTHER_HOST = "registry.acme.example", "other.acme.example"
APP, API, UNUSED = (ImageName(HOST, f"team/{name}") for name in ("app", "api", "unused"))
ELSEWHERE = ImageName(OTHER_HOST, "team/app")
EVERY = timedelta(seconds=60)


@pytest.fixture
def registry(site: Site) -> ShownRegistry:
    """Policies name some repositories of two registries, all of which were listed just now."""
    shown = ShownRegistry({one.path: {"1.0.0": digest_of("1.0.0")} for one in (APP, API, UNUSED)})
    site.systems = replace(
        site.systems,
        registries={HOST: shown, OTHER_HOST: shown},
        sweeps=replace(site.systems.sweeps, often={HOST: EVERY}),
    )
    name_in_policies(site, [APP, API, ELSEWHERE])
    with site.database.transaction() as connection:
        for image in (APP, API, UNUSED, ELSEWHERE):
            listing_wishes.want_listing(connection, image, NOW)
    assert watch_of(site).list_wanted() == 4
    shown.asked.clear()
    return shown


def watch_of(site: Site) -> Watch:
    return Watch(site.database, site.systems, lambda: site.now, ReadyPolicies())


def test_what_policies_name_is_listed_again_once_its_time_has_come(site: Site, registry: ShownRegistry) -> None:
    watch = watch_of(site)
    site.now = NOW + EVERY - timedelta(seconds=7)
    assert watch.list_wanted() == 0
    site.now = NOW + EVERY
    assert watch.list_wanted() == 2
    assert sorted(registry.asked) == [API.path, APP.path]


def test_another_process_lists_nothing_that_was_listed_just_now(site: Site, registry: ShownRegistry) -> None:
    one, other = watch_of(site), watch_of(site)
    site.now = NOW + EVERY
    assert [one.list_wanted(), other.list_wanted()] == [2, 0]
    site.now += EVERY
    assert [other.list_wanted(), one.list_wanted()] == [2, 0]
    assert len(registry.asked) == 4


def test_one_that_does_not_answer_is_left_alone_as_ever(site: Site, registry: ShownRegistry) -> None:
    registry.shown[APP.path] = OSError("odd")
    with site.database.transaction() as connection:
        listing_wishes.want_listing(connection, APP, NOW)
        listing_wishes.put_off_listing(connection, APP, NOW + timedelta(minutes=5))
    site.now = NOW + EVERY
    assert watch_of(site).list_wanted() == 1
    assert registry.asked == [API.path]


def test_a_new_tag_is_found_so(site: Site, registry: ShownRegistry) -> None:
    registry.shown[APP.path] = {"1.0.0": digest_of("1.0.0"), "1.1.0": digest_of("1.1.0")}
    site.now = NOW + EVERY
    watch_of(site).list_wanted()
    with site.database.transaction() as connection:
        assert [one.tag for one in catalogue.tags_after(connection, APP, "", limit=9)] == ["1.0.0", "1.1.0"]
