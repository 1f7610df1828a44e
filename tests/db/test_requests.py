"""Requests are kept whole, end once, and stay on record; what they held goes with them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.core.promotion.holds import Hold, HoldKind
from app.core.promotion.requests import Request, RequestKind, RequestState, Target, Undone
from app.db import holds, requests
from app.db.database import Database
from app.db.requests import RequestFilters, RequestRow

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
LANE, APP, API = "fleet:main", "clusters/prod:flux-system/app", "clusters/prod:flux-system/api"
TARGET = Target(
    policy=APP,
    image="registry.acme.example/team/app",
    tag="1.1.0",
    digest=f"sha256:{'a' * 64}",
    was_there=True,
    ceiling="1.2.0",
    leaves_hold=True,
    undoes=Undone(tag="1.2.0", since=NOW - HOUR, build="build 7 of team/app", pull_request=7, who="mira"),
)
ASKED = Request(
    id="r1",
    kind=RequestKind.ROLLBACK,
    stage="production",
    targets=(TARGET, Target(policy=API, image="registry.acme.example/team/api", tag="1.0.0", undoes=Undone(tag="2"))),
    who="ada",
    why="loses orders",
    since=NOW,
    until=NOW + 7 * 24 * HOUR,
    is_forced=True,
    undoes=7,
)


def add(database: Database, *asked: Request, lane: str = LANE) -> None:
    with database.transaction() as connection:
        for one in asked:
            requests.add(connection, lane, one)


def found(database: Database, request: str) -> RequestRow:
    with database.transaction() as connection:
        row = requests.find(connection, request)
    assert row is not None
    return row


def listed(database: Database, filters: RequestFilters | None = None) -> list[str]:
    with database.transaction() as connection:
        page = requests.page(connection, filters or RequestFilters(), limit=50)
    return [one.request.id for one in page.items]


def end(database: Database, request: str, state: RequestState, *, at: datetime = NOW) -> bool:
    with database.transaction() as connection:
        return requests.end(connection, request, state, who="bob", why="mended", at=at)


def held(database: Database) -> list[str]:
    with database.transaction() as connection:
        return [one.id for one in holds.active(connection, LANE)]


def test_every_part_of_a_request_is_kept(database: Database) -> None:
    bare = replace(ASKED, id="r2", targets=(replace(TARGET, undoes=None, digest=None),), undoes=None, is_forced=False)
    add(database, ASKED, bare)
    assert found(database, "r1") == RequestRow(request=ASKED, lane=LANE, state=RequestState.OPEN)
    assert found(database, "r2").request == bare
    assert found(database, "r1").repo == "fleet"
    with database.transaction() as connection:
        assert requests.find(connection, "none") is None


@pytest.mark.parametrize("state", [one for one in RequestState if one is not RequestState.OPEN])
def test_it_ends_once(database: Database, state: RequestState) -> None:
    add(database, ASKED)
    assert end(database, "r1", state)
    assert not end(database, "r1", RequestState.EXPIRED, at=NOW + HOUR)
    row = found(database, "r1")
    assert (row.state, row.ended_by, row.ended_why, row.ended_at) == (state, "bob", "mended", NOW)


@pytest.mark.parametrize(
    ("state", "left"),
    [(RequestState.MERGED, ["h1", "h2"]), (RequestState.FULFILLED, ["h1", "h2"]), (RequestState.WITHDRAWN, ["h2"])],
)
def test_what_it_held_is_lifted_unless_it_was_carried_out(
    database: Database, state: RequestState, left: list[str]
) -> None:
    add(database, ASKED)
    with database.transaction() as connection:
        holds.add(connection, LANE, ASKED.hold_on(TARGET, "h1"))
        holds.add(connection, LANE, replace(ASKED.hold_on(TARGET, "h2"), request="r2"))
    end(database, "r1", state)
    assert held(database) == left


def test_what_was_lifted_with_it_is_held_again_and_what_somebody_lifted_before_is_not(database: Database) -> None:
    freeze = Hold(
        id="h3",
        stage="production",
        policy=APP,
        tags=None,
        kind=HoldKind.MANUAL,
        who="ada",
        why="loses orders",
        since=NOW,
        request="r1",
    )
    add(database, ASKED)
    with database.transaction() as connection:
        holds.add(connection, LANE, ASKED.hold_on(TARGET, "h1"))
        holds.add(connection, LANE, freeze)
        holds.lift(connection, "h3", who="eve", why="no", at=NOW)
    end(database, "r1", RequestState.CLOSED, at=NOW + HOUR)
    with database.transaction() as connection:
        assert requests.reopen(connection, "r1")
        assert not requests.reopen(connection, "r1"), "it is open"
        holds.hold_again(connection, "r1", ended_at=NOW + HOUR, at=NOW + 2 * HOUR)
        [again] = holds.active(connection, LANE)
    assert replace(again, id="h1") == ASKED.hold_on(TARGET, "h1")
    assert again.id != "h1", "the first stays on record, lifted"
    row = found(database, "r1")
    assert (row.state, row.ended_by, row.ended_why, row.ended_at) == (RequestState.OPEN, None, None, None)


@pytest.mark.parametrize("state", [one for one in RequestState if one is not RequestState.CLOSED])
def test_only_what_a_person_closed_is_reopened(database: Database, state: RequestState) -> None:
    add(database, ASKED)
    end(database, "r1", state)
    with database.transaction() as connection:
        assert not requests.reopen(connection, "r1")


def test_its_pull_request_is_written_down(database: Database) -> None:
    add(database, ASKED)
    with database.transaction() as connection:
        requests.carried_by(connection, "r1", 7)
        requests.carried_by(connection, "r1", 9)
    assert found(database, "r1").pull_request == 9


def test_those_that_are_open_in_a_lane_are_told_oldest_first(database: Database) -> None:
    add(database, ASKED, replace(ASKED, id="r2"), replace(ASKED, id="r3"))
    add(database, replace(ASKED, id="r4"), lane="fleet:next")
    end(database, "r1", RequestState.CLOSED)
    with database.transaction() as connection:
        assert [one.request.id for one in requests.open_in(connection, LANE)] == ["r2", "r3"]
        assert [one.request.id for one in requests.of_policy(connection, LANE, API)] == ["r1", "r2", "r3"]
        assert requests.of_policy(connection, LANE, "flux-system/api") == []


def test_lists_are_narrowed(database: Database) -> None:
    add(database, ASKED, replace(ASKED, id="r2", stage="staging"))
    add(database, replace(ASKED, id="r3"), lane="fleet-2:main")
    end(database, "r1", RequestState.MERGED)
    assert listed(database) == ["r3", "r2", "r1"]
    assert listed(database, RequestFilters(is_open=True)) == ["r3", "r2"]
    assert listed(database, RequestFilters(is_open=False)) == ["r1"]
    assert listed(database, RequestFilters(stage="production")) == ["r3", "r1"]
    assert listed(database, RequestFilters(repo="fleet")) == ["r2", "r1"]


def test_pages_tell_every_request_once(database: Database) -> None:
    add(database, *(replace(ASKED, id=f"r{number}") for number in range(5)))
    seen: list[str] = []
    after: str | None = None
    with database.transaction() as connection:
        while True:
            page = requests.page(connection, RequestFilters(), limit=2, after=after)
            seen += [one.request.id for one in page.items]
            after = page.next
            if after is None:
                break
    assert seen == ["r4", "r3", "r2", "r1", "r0"]


def test_it_goes_by_the_new_names_of_its_places(database: Database) -> None:
    add(database, ASKED, replace(ASKED, id="r2", targets=(replace(TARGET, policy="other:flux-system/app"),)))
    with database.transaction() as connection:
        old, new = ("production", APP), ("production", "clusters/prod-eu:flux-system/app")
        assert requests.rename(connection, LANE, old, new) == 1
    assert found(database, "r1").request.policies == {"clusters/prod-eu:flux-system/app", API}
    assert found(database, "r2").request.policies == {"other:flux-system/app"}


def test_a_stage_that_is_called_otherwise_takes_the_whole_request_along(database: Database) -> None:
    add(database, ASKED)
    with database.transaction() as connection:
        for policy in (APP, API):
            requests.rename(connection, LANE, ("production", policy), ("live", policy))
    row = found(database, "r1").request
    assert (row.stage, set(row.policies)) == ("live", {APP, API})


def test_words_that_no_database_can_hold_are_kept_as_they_can_be(database: Database) -> None:
    add(database, replace(ASKED, why="half \ud800 a character", who="a\x00da"))
    row = found(database, "r1").request
    assert "half" in row.why
    assert "\x00" not in row.who
