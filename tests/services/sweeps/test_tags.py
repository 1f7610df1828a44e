"""A look at the registries finds tags that no webhook told of, and never too many at once without a person."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.errors import Refused, Unavailable
from app.core.images import ImageName
from app.core.policies.spec import PolicySpec, SemVer
from app.db import catalogue, lanes, listing_wishes
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.heads.judge import Judge
from app.services.sweeps.list_repository import list_repository
from app.services.sweeps.schedule import NoSuchStorm
from app.services.sweeps.sweep_run import BrokenOff, SweepRun
from app.services.sweeps.watch import Watch
from tests.services.intake.webhooks import MAIN, NEXT, OTHER, Site, digest_of, envelope, push_event
from tests.services.sweeps.sweeping import ShownRegistry, everything, name_in_policies, sweep, waiting

HOST, ELSEWHERE = "registry.acme.example", "other.example"
APP, API = ImageName(HOST, "team/app"), ImageName(HOST, "team/api")
FAR = ImageName(ELSEWHERE, "team/far")


def shown(*tags: str) -> dict[str, str]:
    return {tag: digest_of(tag) for tag in tags}


def many(count: int, *, after: int = 0) -> dict[str, str]:
    return shown(*(f"1.0.{number}" for number in range(after, after + count)))


@pytest.fixture
def registry(site: Site) -> ShownRegistry:
    """Two registries, of which policies name two repositories and one."""
    registry = ShownRegistry({APP.path: shown("1.0.0"), API.path: shown("1.0.0")})
    far = ShownRegistry({FAR.path: shown("1.0.0")})
    site.systems = replace(site.systems, registries={HOST: registry, ELSEWHERE: far}, aliases={})
    name_in_policies(site, [APP, API, FAR, ImageName("not.configured", "app")])
    with site.database.transaction() as connection:
        lanes.replace_images(connection, MAIN, [APP])
        lanes.replace_images(connection, NEXT, [API, FAR])
    return registry


def tags(site: Site, image: ImageName = APP) -> dict[str, bool]:
    """The tags that are known, and whether each is still there."""
    with site.database.transaction() as connection:
        return {known.tag: not known.is_gone for known in catalogue.tags_after(connection, image, "", limit=10_000)}


@pytest.mark.usefixtures("registry")
def test_every_repository_that_policies_name_is_listed_and_its_lanes_are_due(site: Site) -> None:
    run = sweep(site, "tags")
    assert (run.found, run.failures, run.storms) == (3, [], [])
    assert [tags(site, image) for image in (APP, API, FAR)] == [{"1.0.0": True}] * 3
    assert site.wanted() == {MAIN: 1, NEXT: 2, OTHER: 0}


@pytest.mark.usefixtures("registry")
def test_a_second_look_changes_nothing(site: Site) -> None:
    sweep(site, "tags")
    before = site.facts(), site.wanted(), site.wakes
    run = sweep(site, "tags")
    assert (run.found, run.told) == (0, [])
    assert (site.facts(), site.wanted(), site.wakes) == before


def test_what_a_webhook_brought_already_is_no_news(site: Site, registry: ShownRegistry) -> None:
    site.systems = replace(
        site.systems,
        sources={
            "registry": replace(
                site.systems.sources["registry"],
                images=(),
                origin=replace(site.systems.sources["registry"].origin, registry=HOST),
            )
        },
    )
    sweep(site, "tags")
    registry.shown[APP.path] = shown("1.0.0", "1.1.0")
    site.send("registry", envelope(push_event("1.1.0", digest_of("1.1.0"))))
    before = tags(site), site.wanted()
    assert sweep(site, "tags").found == 0
    assert (tags(site), site.wanted()) == before


def test_a_tag_is_gone_when_two_looks_in_a_row_lack_it_and_a_third_tells_nothing_more(
    site: Site, registry: ShownRegistry
) -> None:
    registry.shown[APP.path] = shown("1.0.0", "1.1.0")
    sweep(site, "tags")
    registry.shown[APP.path] = shown("1.0.0")
    looks = [(sweep(site, "tags").told, tags(site)["1.1.0"]) for _ in range(3)]
    assert looks == [([f"{APP}: 1 missing"], True), ([f"{APP}: 1 gone"], False), ([], False)]


@pytest.mark.parametrize("error", [Unavailable("down"), Refused("no access"), ValueError("odd")], ids=repr)
def test_a_repository_that_cannot_be_listed_is_told_and_stops_no_other(
    site: Site, registry: ShownRegistry, error: Exception
) -> None:
    registry.shown[API.path] = error
    run = sweep(site, "tags")
    assert (len(run.failures), str(API) in run.failures[0]) == (1, True)
    assert run.error is not None
    assert run.error.startswith("1 failed: ")
    assert [tags(site, image) for image in (APP, FAR)] == [{"1.0.0": True}] * 2


def test_a_registry_that_is_down_is_soon_asked_no_more_and_the_rest_is_told(
    site: Site, registry: ShownRegistry
) -> None:
    images = [ImageName(HOST, f"down/app{number}") for number in range(20)]
    registry.shown |= {image.path: Unavailable("down") for image in images}
    name_in_policies(site, [*images, FAR])
    run = sweep(site, "tags")
    assert len(registry.asked) == 3
    assert run.failures[-1] == f"registry {HOST}: 17 more were not asked for"
    assert tags(site, FAR) == {"1.0.0": True}


def test_three_repositories_that_never_answer_keep_no_other_from_being_listed(
    site: Site, registry: ShownRegistry
) -> None:
    images = [ImageName(HOST, f"broken/app{number}") for number in range(3)]
    registry.shown |= {image.path: Unavailable("answers 500") for image in images}
    name_in_policies(site, [*images, APP])
    sweep(site, "tags")
    sweep(site, "tags")
    assert tags(site, APP) == {"1.0.0": True}


def test_a_dry_look_writes_nothing_and_tells_what_would_be_taken_in(site: Site, registry: ShownRegistry) -> None:
    sweep(site, "tags")
    registry.shown[APP.path] = shown("1.1.0")
    registry.shown[API.path] = shown("1.0.0") | many(6, after=1)
    before = everything(site)
    run = sweep(site, "tags", is_dry=True, max_new=5)
    assert run.told == [f"{APP}: 1 new, 1 missing"]
    assert [(one.key, one.found) for one in run.storms] == [(str(API), 6)]
    assert everything(site) == before


def test_the_first_list_is_taken_in_however_long_it_is(site: Site, registry: ShownRegistry) -> None:
    registry.shown[APP.path] = many(1000)
    assert sweep(site, "tags", max_new=5).storms == []
    assert len(tags(site)) == 1000


def test_a_list_counts_only_once_it_is_taken_in_as_a_whole(site: Site, registry: ShownRegistry) -> None:
    registry.shown[APP.path] = many(1000)
    steps = iter(range(3))

    def go_on() -> None:
        if next(steps, None) is None:
            raise BrokenOff("tags")

    broken_off = SweepRun(
        sweep="tags",
        database=site.database,
        systems=site.systems,
        clock=lambda: site.now,
        ready=ReadyPolicies(),
        go_on=go_on,
    )
    with pytest.raises(BrokenOff):
        list_repository(broken_off, APP)
    assert (len(tags(site)), is_listed(site), site.wanted()[MAIN]) == (900, False, 0)
    sweep(site, "tags", max_new=5)
    assert (len(tags(site)), is_listed(site), site.wanted()[MAIN]) == (1000, True, 1)


def is_listed(site: Site) -> bool:
    with site.database.transaction() as connection:
        return catalogue.is_listed(connection, APP)


def test_too_many_new_tags_at_once_wait_for_a_person(site: Site, registry: ShownRegistry) -> None:
    sweep(site, "tags")
    registry.shown[APP.path] = many(7)
    wanted = site.wanted()
    run = sweep(site, "tags", max_new=5)
    [one] = waiting(site)
    assert (run.found, len(run.storms)) == (0, 1)
    assert (one.sweep, one.key, one.found) == ("tags", str(APP), 6)
    assert one.sample == "6 new: 1.0.1, 1.0.2, 1.0.3, 1.0.4, 1.0.5, …"
    assert (tags(site), site.wanted()) == ({"1.0.0": True}, wanted)
    confirmed = sweep(site, "tags", max_new=5, is_confirmed=True)
    assert (confirmed.found, waiting(site), len(tags(site))) == (6, [], 7)
    assert site.wanted()[MAIN] == wanted[MAIN] + 1


def test_a_person_takes_in_one_thing_and_the_rest_waits(site: Site, registry: ShownRegistry) -> None:
    sweep(site, "tags")
    registry.shown |= {APP.path: many(7), API.path: many(7)}
    sweep(site, "tags", max_new=5)
    assert [one.key for one in waiting(site)] == [str(API), str(APP)]
    run = sweep(site, "tags", max_new=5, accepted=[str(APP)])
    assert (run.found, [one.key for one in run.storms]) == (6, [str(API)])
    assert (len(tags(site)), len(tags(site, API))) == (7, 1)


def test_a_storm_that_there_is_not_cannot_be_accepted(site: Site, registry: ShownRegistry) -> None:
    sweep(site, "tags")
    registry.shown[APP.path] = many(7)
    sweep(site, "tags", max_new=5)
    with pytest.raises(NoSuchStorm, match=f"there is: {APP}"):
        sweep(site, "tags", max_new=5, accepted=[str(API)])
    assert [one.key for one in waiting(site)] == [str(APP)]


def test_what_is_no_longer_too_much_is_taken_in_by_itself(site: Site, registry: ShownRegistry) -> None:
    sweep(site, "tags")
    registry.shown[APP.path] = many(7)
    sweep(site, "tags", max_new=5)
    registry.shown[APP.path] = many(6)
    assert sweep(site, "tags", max_new=5).found == 5
    assert (waiting(site), len(tags(site))) == ([], 6)


def test_as_many_as_may_come_at_once_are_taken_in(site: Site, registry: ShownRegistry) -> None:
    sweep(site, "tags")
    registry.shown[APP.path] = many(6)
    assert sweep(site, "tags", max_new=5).storms == []


def test_too_many_missing_tags_at_once_wait_for_a_person_and_then_need_a_second_look(
    site: Site, registry: ShownRegistry
) -> None:
    registry.shown[APP.path] = many(8)
    sweep(site, "tags")
    registry.shown[APP.path] = many(1)
    assert len(sweep(site, "tags", max_new=5).storms) == 1
    assert all(tags(site).values())
    sweep(site, "tags", max_new=5, is_confirmed=True)
    assert all(tags(site).values())
    sweep(site, "tags", max_new=5)
    assert sum(tags(site).values()) == 1


def test_a_list_that_is_suddenly_empty_waits_for_a_person_however_short_it_was(
    site: Site, registry: ShownRegistry
) -> None:
    sweep(site, "tags")
    registry.shown[APP.path] = {}
    sweep(site, "tags")
    assert [one.key for one in waiting(site)] == [str(APP)]
    sweep(site, "tags", is_confirmed=True)
    sweep(site, "tags")
    assert (tags(site), waiting(site)) == ({"1.0.0": False}, [])


def test_a_list_that_a_lane_asked_for_may_be_a_storm_as_well(site: Site, registry: ShownRegistry) -> None:
    sweep(site, "tags")
    registry.shown[APP.path] = many(200)
    with site.database.transaction() as connection:
        listing_wishes.want_listing(connection, APP, site.now)
    Watch(site.database, site.systems, lambda: site.now, ReadyPolicies()).list_wanted()
    assert [one.key for one in waiting(site)] == [str(APP)]
    with site.database.transaction() as connection:
        assert list(listing_wishes.wanted_listings(connection, limit=9)) == []


def test_a_long_list_moves_the_choices_along(site: Site) -> None:
    name_in_policies(site, [site.image])
    for count in (3, 500, 800, 20):
        registry = ShownRegistry({site.image.path: many(count)})
        site.swap_registry(registry)
        sweep(site, "tags", is_confirmed=True)
        site.check_choices()


def test_what_no_policy_names_any_more_is_no_storm_any_more(site: Site, registry: ShownRegistry) -> None:
    sweep(site, "tags")
    registry.shown[APP.path] = many(7)
    sweep(site, "tags", max_new=5)
    name_in_policies(site, [API])
    sweep(site, "tags", max_new=5, is_dry=True)
    assert len(waiting(site)) == 1
    sweep(site, "tags", max_new=5)
    assert waiting(site) == []


def digest_known(site: Site, tag: str) -> str | None:
    with site.database.transaction() as connection:
        known = catalogue.find_tag(connection, APP, tag)
    assert known is not None
    return known.digest


def chosen(site: Site, registry: ShownRegistry) -> None:
    """The app's policies choose a tag whose digest is known, and so is that of one that they do not choose."""
    registry.shown[APP.path] = shown("1.0.0", "1.1.0")
    with site.database.transaction() as connection:
        for tag, digest in shown("1.0.0", "1.1.0").items():
            catalogue.set_digest(connection, APP, tag, digest, asked_at=site.now)
    judge = Judge(database=site.database, systems=site.systems, ready=ReadyPolicies(), clock=lambda: site.now)
    judge.evaluate(APP, [PolicySpec(SemVer(">=1.0.0"))])
    sweep(site, "tags")
    sweep(site, "tags")


def test_where_a_registry_is_listed_often_other_content_is_found_as_often(site: Site, registry: ShownRegistry) -> None:
    chosen(site, registry)
    registry.shown[APP.path] = {tag: digest_of(f"{tag} again") for tag in ("1.0.0", "1.1.0")}
    site.systems = replace(site.systems, sweeps=replace(site.systems.sweeps, often={HOST: timedelta(seconds=60)}))
    site.now += timedelta(seconds=60)
    assert Watch(site.database, site.systems, lambda: site.now, ReadyPolicies()).list_wanted() == 2
    assert digest_known(site, "1.1.0") == digest_of("1.1.0 again")
    assert digest_known(site, "1.0.0") == digest_of("1.0.0")


def test_other_content_behind_a_tag_that_a_policy_chooses_is_found(site: Site, registry: ShownRegistry) -> None:
    chosen(site, registry)
    before = site.wanted()
    registry.shown[APP.path] = {tag: digest_of(f"{tag} again") for tag in ("1.0.0", "1.1.0")}
    run = sweep(site, "tags", is_dry=True)
    assert (run.found, digest_known(site, "1.1.0")) == (1, digest_of("1.1.0"))
    run = sweep(site, "tags")
    assert (run.found, run.told[-1]) == (1, f"{APP}:1.1.0: other content")
    assert digest_known(site, "1.1.0") == digest_of("1.1.0 again")
    assert digest_known(site, "1.0.0") == digest_of("1.0.0")
    assert site.wanted()[MAIN] == before[MAIN] + 1
    assert sweep(site, "tags").found == 0
