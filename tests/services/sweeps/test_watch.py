"""A look at branches and registries finds what no webhook brought, and one that fails costs the others nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from app.core.errors import Refused, Unavailable
from app.core.images import ImageName
from app.db import catalogue, lanes, listing_wishes
from app.db.database import Database
from app.db.lanes import LaneRow
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.sweeps.watch import Watch
from app.services.systems import ConfigRepo, Systems
from tests.services.broken_database import BrokenDatabase
from tests.services.intake.webhooks import MAIN, NEXT, NOW, OTHER, Site, digest_of

HOST = "registry.acme.example"
APP, API = ImageName(HOST, "team/app"), ImageName(HOST, "team/api")


@dataclass
class ListedRegistry:
    """Tag lists, or the error that stands in place of one."""

    lists: dict[str, list[str] | Exception]
    asked: list[str] = field(default_factory=list)

    def tags(self, path: str) -> list[str]:
        self.asked.append(path)
        found = self.lists[path]
        if isinstance(found, Exception):
            raise found
        return found

    def digest(self, path: str, reference: str) -> str | None:
        raise AssertionError(f"{path}:{reference}")


@dataclass
class Watched:
    """A config repository whose refs a test moves."""

    watch: Watch
    repo: ConfigRepo
    refs: dict[str, str]

    def look(self) -> bool:
        return self.watch.watch_branches(self.repo)


@pytest.fixture
def watched(site: Site) -> Watched:
    """The repository `fleet`, looked at for the first time."""
    refs = {"main": "a" * 40, "next": "b" * 40}
    repo = replace(site.systems.config_repos["fleet"], refs=lambda: dict(refs))
    watched = Watched(sweeper_of(site), repo, refs)
    watched.look()
    return watched


def sweeper_of(site: Site, database: Any = None) -> Watch:
    """A watch over the site as it is."""
    return Watch(database or site.database, site.systems, lambda: site.now, ReadyPolicies())


def want(database: Database, *images: ImageName) -> None:
    """Lanes ask for these lists, one after the other."""
    with database.transaction() as connection:
        for number, image in enumerate(images):
            listing_wishes.want_listing(connection, image, NOW - timedelta(hours=1) + timedelta(seconds=number))


def still_wanted(database: Database) -> list[ImageName]:
    with database.transaction() as connection:
        return list(listing_wishes.wanted_listings(connection, limit=100))


def tags(database: Database, image: ImageName) -> dict[str, bool]:
    """The tags that are known, and whether each is still there."""
    with database.transaction() as connection:
        return {known.tag: not known.is_gone for known in catalogue.tags_after(connection, image, "", limit=10_000)}


def lane(site: Site, key: str) -> LaneRow:
    with site.database.transaction() as connection:
        row = lanes.find(connection, key)
    assert row is not None
    return row


@pytest.mark.usefixtures("watched")
def test_the_first_look_makes_the_lanes_due_since_nobody_knows_what_moved_before(site: Site) -> None:
    assert (site.wanted(), site.wakes) == ({MAIN: 1, NEXT: 1, OTHER: 0}, 1)


def test_nothing_is_due_while_nothing_moves(watched: Watched, site: Site) -> None:
    before = site.wanted()
    assert not any(watched.look() for _ in range(3))
    assert (site.wanted(), site.wakes) == (before, 1)


CHANGES: list[Any] = [
    pytest.param({"main": "c" * 40}, id="a branch moved"),
    pytest.param({"fluxbridge/main/all/app": "c" * 40}, id="a branch appeared"),
    pytest.param({"next": None}, id="a branch disappeared"),
    pytest.param({"main": "b" * 40, "next": "a" * 40}, id="two branches changed places"),
]


@pytest.mark.parametrize("changes", CHANGES)
def test_a_move_makes_the_lanes_of_its_repository_due_once(
    watched: Watched, site: Site, changes: Mapping[str, str | None]
) -> None:
    before = site.wanted()
    site.now += timedelta(minutes=1)
    watched.refs.update({name: commit for name, commit in changes.items() if commit})
    for name in (name for name, commit in changes.items() if not commit):
        del watched.refs[name]
    assert [watched.look(), watched.look()] == [True, False]
    assert site.wanted() == {MAIN: before[MAIN] + 1, NEXT: before[NEXT] + 1, OTHER: 0}
    assert site.wakes == 2


def test_a_move_that_could_not_be_written_down_is_seen_by_the_next_look(site: Site) -> None:
    refs = {"main": "a" * 40}
    repo = replace(site.systems.config_repos["fleet"], refs=lambda: dict(refs))
    broken = BrokenDatabase(site.database)
    watch = sweeper_of(site, broken)
    watch.watch_branches(repo)
    refs["main"], broken.lost_commits = "b" * 40, 1
    with pytest.raises(Unavailable):
        watch.watch_branches(repo)
    assert watch.watch_branches(repo)
    assert site.wanted()[MAIN] == 2


def test_a_remote_that_does_not_answer_moves_nothing(watched: Watched, site: Site) -> None:
    def fail() -> Mapping[str, str]:
        raise Unavailable("no route")

    before = site.wanted()
    with pytest.raises(Unavailable):
        watched.watch.watch_branches(replace(watched.repo, refs=fail))
    assert not watched.look()
    assert site.wanted() == before


def test_the_branches_of_one_repository_say_nothing_of_another(watched: Watched, site: Site) -> None:
    other = replace(site.systems.config_repos["other"], refs=lambda: dict(watched.refs))
    watched.watch.watch_branches(other)
    watched.refs["main"] = "c" * 40
    assert watched.look()
    assert site.wanted()[OTHER] == 1


def listing(site: Site, lists: dict[str, list[str] | Exception]) -> tuple[Watch, ListedRegistry]:
    """A watch over a registry with these lists."""
    registry = ListedRegistry(lists)
    site.systems = replace(site.systems, registries={HOST: registry})
    return sweeper_of(site), registry


def test_a_wanted_repository_is_listed_once_and_its_lanes_are_due(site: Site) -> None:
    watch, registry = listing(site, {APP.path: ["1.0.0", "1.1.0"]})
    with site.database.transaction() as connection:
        lanes.replace_images(connection, MAIN, [APP])
    want(site.database, APP)
    want(site.database, APP)
    assert site.wakes == 2, "who lists hears of each wish at once"
    assert [watch.list_wanted(), watch.list_wanted()] == [1, 0]
    assert registry.asked == [APP.path]
    assert tags(site.database, APP) == {"1.0.0": True, "1.1.0": True}
    assert (site.wanted(), site.wakes) == ({MAIN: 1, NEXT: 0, OTHER: 0}, 3)
    assert lane(site, MAIN).due_at == NOW


def test_a_list_from_the_real_registry_leaves_out_what_is_no_image(site: Site) -> None:
    site.put_image("1.0.0")
    site.put_image(f"sha256-{'0' * 64}.sig")
    want(site.database, site.image)
    sweeper_of(site).list_wanted()
    assert tags(site.database, site.image) == {"1.0.0": True}


@pytest.mark.parametrize(
    ("asked_for", "rest"),
    [
        pytest.param(timedelta(minutes=20), timedelta(minutes=20), id="as long as it asks for"),
        pytest.param(timedelta(days=1), timedelta(hours=1), id="no longer than an hour"),
        pytest.param(timedelta(0), timedelta(seconds=2), id="no shorter than without a wish"),
    ],
)
def test_a_registry_that_asks_for_time_gets_it(site: Site, asked_for: timedelta, rest: timedelta) -> None:
    watch, registry = listing(site, {APP.path: Unavailable("limit", retry_after=asked_for), API.path: ["1.0.0"]})
    want(site.database, APP, API)
    watch.list_wanted()
    site.now = NOW + rest - timedelta(milliseconds=1)
    assert (watch.list_wanted(), registry.asked) == (0, [APP.path])
    site.now = NOW + rest
    registry.lists[APP.path] = ["1.0.0"]
    assert watch.list_wanted() == 2


def test_the_same_list_again_changes_nothing(site: Site) -> None:
    watch, _ = listing(site, {APP.path: ["1.0.0"]})
    for minutes in range(3):
        site.now = NOW + timedelta(minutes=minutes)
        watch.list_repository(APP)
    with site.database.transaction() as connection:
        [known] = catalogue.tags_after(connection, APP, "", limit=10_000)
    assert (known.tag, known.first_seen_at, known.is_gone) == ("1.0.0", NOW, False)


def test_a_tag_is_gone_when_two_lists_in_a_row_lack_it(site: Site) -> None:
    lists: dict[str, list[str] | Exception] = {APP.path: ["1.0.0", "1.1.0"]}
    watch, _ = listing(site, lists)
    seen = []
    for present in (["1.0.0", "1.1.0"], ["1.0.0"], ["1.0.0", "1.1.0"], ["1.0.0"], ["1.0.0"], ["1.0.0", "1.1.0"]):
        lists[APP.path] = present
        watch.list_repository(APP)
        seen.append(tags(site.database, APP)["1.1.0"])
    assert seen == [True, True, True, True, False, True]


def test_a_list_moves_the_choices_along(site: Site) -> None:
    for shown in (["1.0.0", "2.0.0"], ["1.0.0"], ["1.0.0"], ["1.0.0", "2.0.0"]):
        site.swap_registry(_Shows(shown))
        sweeper_of(site).list_repository(site.image)
        site.check_choices()
    assert tags(site.database, site.image) == {"1.0.0": True, "2.0.0": True}


@dataclass
class _Shows:
    """A registry with these tags."""

    shown: list[str]

    def tags(self, path: str) -> list[str]:
        del path
        return self.shown

    def digest(self, path: str, reference: str) -> str | None:
        del path
        return digest_of(reference) if reference in self.shown else None


@pytest.mark.parametrize("error", [Unavailable("down"), Refused("no access")], ids=["down", "refused"])
def test_a_repository_that_cannot_be_listed_stops_no_other_and_is_tried_again(
    site: Site, error: Unavailable | Refused
) -> None:
    lists: dict[str, list[str] | Exception] = {APP.path: error, API.path: ["2.0.0"]}
    watch, _ = listing(site, lists)
    want(site.database, APP, API)
    watch.list_wanted()
    assert still_wanted(site.database)[-1] == APP
    with site.database.transaction() as connection:
        assert not catalogue.is_listed(connection, APP)
    site.now += timedelta(minutes=5)
    watch.list_wanted()
    assert tags(site.database, API) == {"2.0.0": True}
    lists[APP.path] = ["1.0.0"]
    site.now += timedelta(minutes=5)
    assert watch.list_wanted() == 1
    assert tags(site.database, APP) == {"1.0.0": True}


def test_a_registry_that_is_down_is_asked_once_and_delays_no_other(site: Site) -> None:
    other = ListedRegistry({"team/app": ["1.0.0"]})
    down = ListedRegistry({f"team/app{number}": Unavailable("down") for number in range(30)})
    site.systems = replace(site.systems, registries={HOST: down, "other.example": other})
    elsewhere = ImageName("other.example", "team/app")
    want(site.database, *(ImageName(HOST, f"team/app{number}") for number in range(30)), elsewhere)
    watch = sweeper_of(site)
    assert [watch.list_wanted(), watch.list_wanted()] == [0, 1]
    assert len(down.asked) == 1
    assert tags(site.database, elsewhere) == {"1.0.0": True}


def test_a_registry_that_stays_down_is_left_alone_longer_each_time_until_it_answers(site: Site) -> None:
    lists: dict[str, list[str] | Exception] = {APP.path: Unavailable("down")}
    watch, registry = listing(site, lists)
    want(site.database, APP)
    asked_at = []
    for second in range(0, 60, 2):
        site.now = NOW + timedelta(seconds=second)
        before = len(registry.asked)
        watch.list_wanted()
        asked_at += [second] if len(registry.asked) > before else []
    assert asked_at == [0, 2, 6, 14, 30]
    lists[APP.path] = ["1.0.0"]
    site.now = NOW + timedelta(minutes=2)
    assert watch.list_wanted() == 1


def test_a_database_that_is_gone_is_told(site: Site) -> None:
    with pytest.raises(Unavailable):
        sweeper_of(site, BrokenDatabase(site.database, is_down=True)).list_wanted()


def test_however_many_cannot_be_listed_another_gets_its_turn(site: Site) -> None:
    private = [ImageName(HOST, f"private/app{number}") for number in range(30)]
    lists: dict[str, list[str] | Exception] = {image.path: Refused("no access") for image in private}
    watch, _ = listing(site, lists | {APP.path: ["1.0.0"]})
    want(site.database, *private, APP)
    for _ in range(2):
        watch.list_wanted()
        site.now += timedelta(minutes=1)
    assert tags(site.database, APP) == {"1.0.0": True}


def test_an_empty_list_is_a_list(site: Site) -> None:
    watch, _ = listing(site, {APP.path: []})
    want(site.database, APP)
    watch.list_wanted()
    with site.database.transaction() as connection:
        assert catalogue.is_listed(connection, APP)


def test_a_registry_that_is_not_configured_is_not_listed(site: Site) -> None:
    site.systems = Systems(config_repos=site.systems.config_repos)
    want(site.database, APP)
    sweeper_of(site).list_wanted()
    with site.database.transaction() as connection:
        assert not catalogue.is_listed(connection, APP)


def test_a_wish_for_a_registry_that_is_no_longer_configured_takes_no_place(site: Site) -> None:
    gone = [ImageName("removed.example", f"app{number}") for number in range(20)]
    site.systems = replace(site.systems, registries={HOST: ListedRegistry({"team/app": ["1.0.0"]})})
    want(site.database, *gone, APP)
    for _ in range(2):
        sweeper_of(site).list_wanted()
    assert still_wanted(site.database) == []
    with site.database.transaction() as connection:
        assert catalogue.is_listed(connection, APP)
