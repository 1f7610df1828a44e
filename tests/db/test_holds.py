"""Holds reach the lanes that they say, are lifted once, and stay on record."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.core.images import ImageName
from app.core.promotion.holds import GIT, Hold, HoldKind
from app.db import holds
from app.db.database import Database
from app.db.holds import HoldFilters

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
FREEZE = Hold(
    id="h1",
    stage="production",
    policy="flux-system/*",
    tags=None,
    kind=HoldKind.MANUAL,
    who="ada",
    why="holidays",
    since=NOW,
    until=NOW + HOUR,
)
DENIED = Hold(
    id="h2",
    stage=None,
    policy=None,
    tags=("1.2.0",),
    kind=HoldKind.DENIED,
    who=GIT,
    why="loses orders",
    since=NOW,
    image=ImageName("registry.acme.example", "team/app"),
    is_in_git=True,
)


def listed(database: Database, filters: HoldFilters | None = None, *, at: datetime = NOW) -> list[str]:
    with database.transaction() as connection:
        page = holds.page(connection, filters or HoldFilters(), now=at, limit=50)
    return [one.hold.id for one in page.items]


def active(database: Database, lane: str) -> Sequence[Hold]:
    with database.transaction() as connection:
        return holds.active(connection, lane)


@pytest.mark.parametrize(
    ("lane", "repo", "reached"),
    [
        pytest.param("fleet:main", None, {"fleet:main"}, id="one-lane"),
        pytest.param(None, "fleet", {"fleet:main", "fleet:next"}, id="a-repository"),
        pytest.param(None, None, {"fleet:main", "fleet:next", "fleet-2:main"}, id="everything"),
    ],
)
def test_a_hold_is_on_the_lanes_that_it_reaches(
    database: Database, lane: str | None, repo: str | None, reached: set[str]
) -> None:
    with database.transaction() as connection:
        holds.add(connection, lane, FREEZE, pull_request=None, repo=repo)
    assert {one for one in ("fleet:main", "fleet:next", "fleet-2:main") if active(database, one)} == reached


def test_every_part_of_a_hold_is_kept(database: Database) -> None:
    with database.transaction() as connection:
        holds.add(connection, "fleet:main", FREEZE, pull_request=None)
        holds.add(connection, "fleet:main", DENIED, pull_request=None)
    assert list(active(database, "fleet:main")) == [FREEZE, DENIED]


def test_the_same_hold_is_added_once_and_one_with_another_end_beside_it(database: Database) -> None:
    with database.transaction() as connection:
        assert holds.add(connection, None, FREEZE, pull_request=None) == "h1"
        assert holds.add(connection, None, replace(FREEZE, id="h3", since=NOW + HOUR), pull_request=None) == "h1"
        assert holds.add(connection, None, replace(FREEZE, id="h4", until=None), pull_request=None) == "h4"
        assert holds.add(connection, None, replace(FREEZE, id="h5"), pull_request=None, repo="fleet") == "h5"
    assert listed(database) == ["h5", "h4", "h1"]


def test_a_hold_is_lifted_once_and_stays_on_record(database: Database) -> None:
    with database.transaction() as connection:
        holds.add(connection, None, FREEZE, pull_request=None)
        assert holds.lift(connection, "h1", who="bob", why="over", at=NOW)
        assert not holds.lift(connection, "h1", who="eve", why="again", at=NOW + HOUR)
        assert not holds.lift(connection, "none", who="eve", why="again", at=NOW)
        row = holds.find(connection, "h1")
    assert row is not None
    assert (row.hold, row.lifted_by, row.lifted_why, row.lifted_at) == (FREEZE, "bob", "over", NOW)
    assert list(active(database, "fleet:main")) == []
    assert listed(database) == ["h1"]


def test_lists_are_narrowed_by_what_still_stops_by_stage_and_by_repository(database: Database) -> None:
    with database.transaction() as connection:
        holds.add(connection, None, FREEZE, pull_request=None, repo="fleet")
        holds.add(connection, "other:main", DENIED, pull_request=None)
        holds.add(connection, None, replace(FREEZE, id="h3", stage="staging"), pull_request=None)
    assert listed(database, HoldFilters(is_active=True), at=NOW) == ["h3", "h2", "h1"]
    assert listed(database, HoldFilters(is_active=True), at=NOW + HOUR) == ["h2"]
    assert listed(database, HoldFilters(is_active=False), at=NOW + HOUR) == ["h3", "h1"]
    assert listed(database, HoldFilters(stage="production")) == ["h2", "h1"]
    assert listed(database, HoldFilters(repo="fleet")) == ["h3", "h1"]


def test_pages_tell_every_hold_once(database: Database) -> None:
    with database.transaction() as connection:
        for number in range(5):
            holds.add(connection, f"fleet:{number}", replace(FREEZE, id=f"h{number}"), pull_request=None)
        seen: list[str] = []
        after: str | None = None
        while True:
            page = holds.page(connection, HoldFilters(), now=NOW, limit=2, after=after)
            seen += [one.hold.id for one in page.items]
            after = page.next
            if after is None:
                break
    assert seen == ["h4", "h3", "h2", "h1", "h0"]


def test_what_stands_in_git_is_brought_in_line_and_what_people_hold_stays(database: Database) -> None:
    finer = replace(DENIED, id="h3", why="half \ud800 a character", until=NOW + timedelta(microseconds=1500))
    with database.transaction() as connection:
        holds.add(connection, "fleet:main", FREEZE, pull_request=None)
        assert holds.replace_in_git(connection, "fleet:main", [DENIED, finer], now=NOW)
        again = [replace(DENIED, id="h4"), replace(finer, id="h5")]
        assert not holds.replace_in_git(connection, "fleet:main", again, now=NOW)
        assert holds.replace_in_git(connection, "fleet:main", [replace(DENIED, id="h6")], now=NOW + HOUR)
        gone = holds.find(connection, "h3")
    assert [one.id for one in active(database, "fleet:main")] == ["h1", "h2"]
    assert gone is not None
    assert (gone.lifted_by, gone.lifted_at) == (GIT, NOW + HOUR)


def test_holds_of_a_policy_are_those_that_ever_reached_it(database: Database) -> None:
    exact = replace(FREEZE, id="h3", kind=HoldKind.CLOSED, policy="clusters/prod:flux-system/app", tags=("1.0.0",))
    other = replace(FREEZE, id="h4", policy="other/*")
    with database.transaction() as connection:
        for one in (FREEZE, exact, other):
            holds.add(connection, "fleet:main", one, pull_request=None)
        found = holds.of_policy(connection, "fleet:main", "clusters/prod:flux-system/app")
    assert [one.hold.id for one in found] == ["h1", "h3"]
