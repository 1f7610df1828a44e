"""The outbox: what is to be told is told once, or in its newest form, by one worker at a time."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from app.db import outbox
from app.db.database import Database
from app.db.outbox import Channel, ClaimedTelling, Outcome, Telling
from tests.db.facts import LEASE, MINUTE, NOW, SECOND


def telling(key: str = "fleet/prod:main", *, target: str = "fleet/prod", revision: str = "main@sha1:1") -> Telling:
    return Telling(channel=Channel.RECEIVER, target=target, key=key, payload={"revision": revision})


def claim(
    database: Database, *, later: timedelta = timedelta(), excluding: tuple[str, ...] = ()
) -> ClaimedTelling | None:
    with database.transaction() as connection:
        return outbox.claim_due(connection, owner="w", now=NOW + later, lease=LEASE, excluding=excluding)


def must_claim(database: Database, *, later: timedelta = timedelta()) -> ClaimedTelling:
    found = claim(database, later=later)
    assert found is not None
    return found


def tell_newest(database: Database, **changes: str) -> None:
    with database.transaction() as connection:
        outbox.tell_newest(connection, telling(**changes), now=NOW)


def end(database: Database, taken: ClaimedTelling, outcome: Outcome = Outcome.SENT, why: str | None = None) -> bool:
    with database.transaction() as connection:
        return outbox.end(connection, taken, outcome, why=why, now=NOW)


def test_what_is_told_once_keeps_its_first_form_also_after_it_was_sent(database: Database) -> None:
    with database.transaction() as connection:
        assert outbox.tell_once(connection, telling(revision="first"), now=NOW)
        assert not outbox.tell_once(connection, telling(revision="second"), now=NOW)
    taken = must_claim(database)
    assert taken.payload == {"revision": "first"}
    assert end(database, taken)
    with database.transaction() as connection:
        assert not outbox.tell_once(connection, telling(revision="third"), now=NOW)
    assert claim(database) is None


def test_the_newest_takes_the_place_of_one_that_was_not_sent(database: Database) -> None:
    tell_newest(database, revision="first")
    tell_newest(database, revision="second")
    assert must_claim(database).payload == {"revision": "second"}
    assert claim(database) is None


def test_the_newest_is_told_although_the_one_before_was_sent_or_failed(database: Database) -> None:
    for outcome in Outcome:
        tell_newest(database, revision=outcome)
        taken = must_claim(database)
        assert (taken.payload, taken.attempts) == ({"revision": outcome}, 0)
        assert end(database, taken, outcome)


def test_who_sends_an_older_one_does_not_end_the_newer_with_it(database: Database) -> None:
    tell_newest(database, revision="first")
    first = must_claim(database)
    tell_newest(database, revision="second")
    assert not end(database, first)
    with database.transaction() as connection:
        assert not outbox.put_off(connection, first, due_at=NOW + MINUTE, error="late", counts=True)
    assert must_claim(database).payload == {"revision": "second"}


def test_a_telling_that_was_taken_before_may_have_been_sent(database: Database) -> None:
    tell_newest(database)
    first = must_claim(database)
    assert not first.may_be_sent
    again = must_claim(database, later=LEASE + SECOND)
    assert again.may_be_sent
    assert not end(database, first), "another has taken it over"
    assert end(database, again)


def test_those_due_longest_come_first_and_none_to_a_target_that_is_busy(database: Database) -> None:
    with database.transaction() as connection:
        outbox.tell_newest(connection, telling("b", target="b"), now=NOW)
        outbox.tell_newest(connection, telling("a", target="a"), now=NOW - MINUTE)
    busy = claim(database, excluding=("a",))
    assert busy is not None
    assert busy.target == "b"
    assert must_claim(database).target == "a"


def test_what_was_put_off_is_due_later_and_counts_its_attempts(database: Database) -> None:
    tell_newest(database)
    for attempts, counts in ((1, True), (1, False), (2, True)):
        taken = must_claim(database, later=attempts * 10 * MINUTE)
        with database.transaction() as connection:
            due_at = NOW + attempts * 10 * MINUTE
            assert outbox.put_off(connection, taken, due_at=due_at, error="away", counts=counts)
            [row] = outbox.every(connection, limit=9)
        assert (row.attempts, row.error, row.due_at, row.owner) == (attempts, "away", due_at, None)


def test_after_a_crash_what_was_taken_is_free_at_once_and_what_its_taker_writes_is_not(database: Database) -> None:
    tell_newest(database)
    dead = must_claim(database)
    assert claim(database) is None
    with database.transaction() as connection:
        outbox.release_all(connection)
    again = must_claim(database)
    assert again.may_be_sent
    assert not end(database, dead)


def test_what_a_newer_version_tells_in_another_way_is_left_to_it(database: Database) -> None:
    tell_newest(database)
    with database.transaction() as connection:
        connection.execute(update(outbox.outbox).values(channel="pigeon"))
    assert claim(database) is None
    with database.transaction() as connection:
        assert outbox.waiting(connection) == {"receiver": 0, "comment": 0, "pigeon": 1}


def test_it_is_told_what_waits_since_when_and_what_failed(database: Database) -> None:
    tell_newest(database, key="sent")
    end(database, must_claim(database))
    tell_newest(database, key="refused")
    end(database, must_claim(database), Outcome.FAILED, "it has no such path")
    with database.transaction() as connection:
        outbox.tell_newest(connection, telling("waits"), now=NOW + MINUTE)
        assert outbox.waiting(connection) == {"receiver": 1, "comment": 0}
        assert outbox.oldest_waiting(connection) == NOW + MINUTE
        assert [(one.key, one.error) for one in outbox.in_trouble(connection, limit=5)] == [
            ("refused", "it has no such path")
        ]


@pytest.mark.parametrize("limit", [1, 10])
def test_what_ended_long_ago_is_dropped_a_few_at_a_time(database: Database, limit: int) -> None:
    for key in ("a", "b"):
        tell_newest(database, key=key)
        end(database, must_claim(database))
    tell_newest(database, key="waits")
    with database.transaction() as connection:
        assert outbox.count_ended(connection, NOW) == 0
        assert outbox.drop_ended(connection, NOW, limit=limit) == 0
        later = NOW + SECOND
        assert outbox.count_ended(connection, later) == 2
        dropped = outbox.drop_ended(connection, later, limit=limit)
        assert dropped == min(limit, 2)
        assert len(outbox.every(connection, limit=9)) == 3 - dropped
