"""A sweep is run by one process at a time, and by another one when that process died."""

from datetime import timedelta
from functools import partial

import pytest

from app.db import measures, schedules, storms, sweep_marks
from app.db.database import Database
from app.db.schedules import ScheduleRow, SweepClaim
from app.db.storms import Storm
from tests.db.facts import LEASE, MINUTE, NOW, SECOND
from tests.db.threads import at_once

LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _known(database: Database) -> None:
    with database.transaction() as connection:
        schedules.ensure(connection, "tags", NOW)
        schedules.ensure(connection, "builds", NOW - MINUTE)
        schedules.ensure(connection, "mirrors", None)


def claim_due(database: Database, owner: str = "a", *, at: timedelta = timedelta(0)) -> SweepClaim | None:
    with database.transaction() as connection:
        return schedules.claim_due(connection, owner=owner, now=NOW + at, lease=LEASE)


def claimed(database: Database, owner: str = "a", *, at: timedelta = timedelta(0)) -> SweepClaim:
    claim = claim_due(database, owner, at=at)
    assert claim is not None
    return claim


def finish(database: Database, claim: SweepClaim) -> bool:
    with database.transaction() as connection:
        return schedules.finish(connection, claim, now=NOW, next_at=LATER, found=3, error=None)


def row(database: Database, name: str) -> ScheduleRow:
    with database.transaction() as connection:
        return {one.name: one for one in schedules.every(connection)}[name]


def test_the_sweep_that_has_been_due_longest_comes_first_and_one_without_a_time_never(database: Database) -> None:
    names = [claimed(database).name, claimed(database).name]
    assert (names, claim_due(database)) == (["builds", "tags"], None)


def test_a_finished_sweep_is_due_at_its_next_time_and_tells_how_it_ended(database: Database) -> None:
    claim = claimed(database)
    assert finish(database, claim)
    ended = row(database, claim.name)
    assert (ended.next_at, ended.last_started_at, ended.last_ended_at, ended.last_found) == (LATER, NOW, NOW, 3)
    assert ended.owner is None
    assert finish(database, claimed(database))
    assert claim_due(database) is None
    assert claimed(database, at=timedelta(hours=1)).name == claim.name


def test_what_a_process_that_died_was_at_is_taken_over_after_the_lease_and_it_writes_nothing_more(
    database: Database,
) -> None:
    dead, _ = claimed(database), claimed(database)
    assert claim_due(database, "b", at=LEASE) is None
    taken = claimed(database, "b", at=LEASE + SECOND)
    assert (taken.name, taken.fence) == (dead.name, dead.fence + 1)
    with database.transaction() as connection:
        assert not schedules.renew(connection, dead, now=NOW, lease=LEASE)
        schedules.release(connection, dead)
    assert not finish(database, dead)
    assert row(database, dead.name).owner == "b"
    assert finish(database, taken)


def test_a_claim_that_its_own_process_took_once_more_writes_nothing_more(database: Database) -> None:
    dead, _ = claimed(database), claimed(database)
    taken = claimed(database, at=LEASE + SECOND)
    assert (taken.name, taken.owner) == (dead.name, dead.owner)
    with database.transaction() as connection:
        assert not schedules.renew(connection, dead, now=NOW, lease=LEASE)
        schedules.release(connection, dead)
    assert not finish(database, dead)
    assert finish(database, taken)


def test_what_was_run_without_a_claim_is_written_down_and_is_due_as_before(database: Database) -> None:
    with database.transaction() as connection:
        schedules.note(connection, "tags", started_at=NOW - MINUTE, ended_at=NOW, found=3, error="no\0")
    noted = row(database, "tags")
    assert (noted.last_started_at, noted.last_ended_at, noted.last_found) == (NOW - MINUTE, NOW, 3)
    assert (noted.last_error, noted.next_at, noted.owner) == ("no\N{REPLACEMENT CHARACTER}", NOW, None)


def test_a_renewed_lease_keeps_others_away(database: Database) -> None:
    claims = [claimed(database), claimed(database)]
    with database.transaction() as connection:
        assert all(schedules.renew(connection, claim, now=NOW + LEASE, lease=LEASE) for claim in claims)
    assert claim_due(database, "b", at=LEASE + SECOND) is None


def test_the_same_process_cannot_take_what_it_runs_already(database: Database) -> None:
    first = claimed(database)
    with database.transaction() as connection:
        assert schedules.claim(connection, first.name, owner="a", now=NOW, lease=LEASE) is None


def test_a_sweep_that_is_not_due_can_be_asked_for(database: Database) -> None:
    with database.transaction() as connection:
        claim = schedules.claim(connection, "mirrors", owner="a", now=NOW, lease=LEASE)
        assert schedules.claim(connection, "nothing", owner="a", now=NOW, lease=LEASE) is None
    assert claim is not None
    assert finish(database, claim)


def test_what_is_given_back_is_due_as_before_and_its_fence_is_raised(database: Database) -> None:
    first = claimed(database)
    with database.transaction() as connection:
        schedules.release(connection, first)
    assert not finish(database, first)
    again = claimed(database)
    assert again.name == first.name
    assert again.fence > first.fence


def test_a_process_that_is_alone_takes_everything_back(database: Database) -> None:
    dead = claimed(database)
    with database.transaction() as connection:
        schedules.release_all(connection)
        assert schedules.next_due_at(connection) == NOW - MINUTE
    assert not finish(database, dead)
    assert claimed(database).name == dead.name


def test_when_the_next_is_due_leaves_out_what_runs(database: Database) -> None:
    claimed(database)
    with database.transaction() as connection:
        assert schedules.next_due_at(connection) == NOW


def test_a_sweep_is_given_to_one_of_many_at_once(database: Database) -> None:
    claims = at_once(*(partial(claim_due, database, name) for name in "abcdefgh"))
    taken = [claim for claim in claims if claim is not None]
    assert sorted(claim.name for claim in taken) == ["builds", "tags"]


def test_one_of_two_who_take_over_gets_it(database: Database) -> None:
    dead, _ = claimed(database), claimed(database)
    late = LEASE + SECOND
    claims = at_once(*(partial(claim_due, database, name, at=late) for name in "bcde"))
    taken = [claim for claim in claims if claim is not None]
    assert sorted(claim.name for claim in taken) == ["builds", "tags"]
    assert all(claim.fence == dead.fence + 1 for claim in taken)


def test_a_storm_keeps_the_time_since_when(database: Database) -> None:
    storm = Storm(sweep="tags", key="acme.example/app", found=240, sample="240 new: a", since=NOW)
    more = Storm(sweep="tags", key="acme.example/app", found=300, sample="300 new: a", since=LATER)
    with database.transaction() as connection:
        storms.note(connection, storm)
        storms.note(connection, more)
        [known] = storms.every(connection)
        assert (known.found, known.sample, known.since, len(storms.every(connection))) == (
            300,
            more.sample,
            NOW,
            1,
        )
        storms.end(connection, "tags", "acme.example/app")
        assert len(storms.every(connection)) == 0


def test_marks_are_kept_by_sweep_and_key_and_forgotten_by_age(database: Database) -> None:
    with database.transaction() as connection:
        sweep_marks.put(connection, "builds", "main app", 7, now=NOW)
        sweep_marks.put(connection, "builds", "main app", 9, now=LATER)
        sweep_marks.put(connection, "builds", "main old", 1, now=NOW)
        sweep_marks.put(connection, "webhooks", "main old", 2, now=NOW)
        assert sweep_marks.of(connection, "builds", ["main app", "main old", "x"]) == {"main app": 9, "main old": 1}
        sweep_marks.forget_before(connection, "builds", LATER)
        assert sweep_marks.of(connection, "builds", ["main app", "main old"]) == {"main app": 9}
        assert sweep_marks.of(connection, "webhooks", ["main old"]) == {"main old": 2}


def test_one_mark_is_forgotten_and_one_that_is_not_there_costs_nothing(database: Database) -> None:
    with database.transaction() as connection:
        sweep_marks.put(connection, "builds", "a", 7, now=NOW)
        sweep_marks.put(connection, "builds", "b", 9, now=NOW)
        for key in ("a", "a", "c"):
            sweep_marks.forget(connection, "builds", key)
        assert sweep_marks.of(connection, "builds", ["a", "b", "c"]) == {"b": 9}


def test_measures_add_up(database: Database) -> None:
    for _ in range(2):
        with database.transaction() as connection:
            measures.add(connection, "sweeps", "tags:ok")
            measures.add(connection, "sweep_found", "tags", 3)
    with database.transaction() as connection:
        found = measures.every(connection)
    assert (found["sweeps"], found["sweep_found"]) == ({"tags:ok": 2}, {"tags": 6})
