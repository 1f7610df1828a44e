"""Of the bodies of deliveries that ended so many bytes are kept of each source and day; what waits is left alone."""

from datetime import datetime, timedelta

from sqlalchemy import func, select

from app.db import deliveries, delivery_claims, kept_bodies, measures
from app.db.database import Database
from app.db.deliveries import DeliveryRow, DeliveryState
from tests.db.facts import LEASE, MINUTE, NOW, claim_next, delivery
from tests.db.threads import at_once

DAY = timedelta(days=1)
A_DAY = 250


def end(
    database: Database,
    external_id: str,
    *,
    source: str = "ci",
    size: int = 100,
    at: datetime = NOW,
    state: DeliveryState = DeliveryState.DONE,
    ends_at: datetime = NOW + 30 * DAY,
) -> DeliveryRow:
    """Keep a delivery and end it."""
    with database.transaction() as connection:
        deliveries.keep(connection, delivery(external_id, source=source, body=b"x" * size, received_at=at))
    return end_next(database, state, now=ends_at)


def end_next(
    database: Database, state: DeliveryState = DeliveryState.DONE, *, now: datetime = NOW + 30 * DAY
) -> DeliveryRow:
    with database.transaction() as connection:
        claim = claim_next(connection, owner="w", now=now, lease=LEASE)
        assert claim is not None
    with database.transaction() as connection:
        assert delivery_claims.finish(connection, claim, state=state, outcome="", now=now)
        day_bytes = None if state is DeliveryState.DEAD else A_DAY
        kept_bodies.keep_within(connection, claim, day_bytes=day_bytes, now=now)
        row = deliveries.find(connection, claim.id)
    assert row is not None
    return row


def stored_bytes(database: Database) -> int:
    with database.transaction() as connection:
        total = select(func.sum(func.length(deliveries.deliveries.c.body)))
        return int(connection.execute(total).scalar_one() or 0)


def told(database: Database) -> dict[str, int]:
    with database.transaction() as connection:
        return kept_bodies.bytes_by_source(connection)


def test_what_a_day_has_no_room_for_is_dropped_at_its_end_and_counted(database: Database) -> None:
    ended = [end(database, str(number)) for number in range(5)]
    assert [row.dropped_at == row.ended_at for row in ended] == [False, False, True, True, True]
    assert (stored_bytes(database), told(database)) == (200, {"ci": 200})
    with database.transaction() as connection:
        assert measures.every(connection)[kept_bodies.DROPPED] == {"ci": 3}


def test_what_still_fits_is_kept_whatever_was_dropped_before(database: Database) -> None:
    sizes = (200, 100, 50, 1)
    assert [bool(end(database, str(size), size=size).dropped_at) for size in sizes] == [False, True, False, True]
    assert told(database) == {"ci": 250}


def test_another_source_and_another_day_have_rooms_of_their_own(database: Database) -> None:
    for number in range(3):
        end(database, str(number))
    assert end(database, "other", source="registry").dropped_at is None
    midnight = NOW.replace(hour=0) + DAY
    assert end(database, "late", at=midnight - timedelta(milliseconds=1)).dropped_at is not None
    assert end(database, "next day", at=midnight).dropped_at is None
    assert told(database) == {"ci": 300, "registry": 100}


def test_what_waits_is_kept_however_much_it_is(database: Database) -> None:
    for number in range(5):
        end(database, str(number))
    with database.transaction() as connection:
        new = [delivery(f"waits {number}", body=b"x" * 1000) for number in range(10)]
        assert len(set(deliveries.keep_all(connection, new))) == 10
    assert stored_bytes(database) == 200 + 10 * 1000


def test_what_was_given_up_keeps_its_body_and_takes_room(database: Database) -> None:
    assert end(database, "dead", size=1000, state=DeliveryState.DEAD).dropped_at is None
    assert end(database, "done", size=1).dropped_at is not None


def test_one_that_waits_again_gives_its_room_back_once(database: Database) -> None:
    first, second, _ = (end(database, str(number)) for number in range(3))
    for _ in range(2):
        with database.transaction() as connection:
            kept_bodies.let_go(connection, first.id)
            assert deliveries.replay(connection, first.id, now=NOW)
    assert told(database) == {"ci": 100}
    assert end_next(database).dropped_at is None
    assert told(database) == {"ci": 200}
    with database.transaction() as connection:
        assert deliveries.find(connection, second.id) == second


def test_what_is_dropped_by_its_age_gives_its_room_back(database: Database) -> None:
    for number in range(4):
        ends_at = NOW + 30 * DAY + timedelta(seconds=number)
        end(database, str(number), source=("ci", "registry")[number % 2], ends_at=ends_at)
    later = NOW + 31 * DAY
    with database.transaction() as connection:
        assert kept_bodies.drop(connection, later, now=later, limit=3) == 3
    assert told(database) == {"registry": 100}
    with database.transaction() as connection:
        assert kept_bodies.drop(connection, later, now=later, limit=3) == 1
        assert connection.execute(select(kept_bodies.kept_bodies)).all() == []


def test_many_that_end_at_once_share_one_room(database: Database) -> None:
    with database.transaction() as connection:
        deliveries.keep_all(connection, [delivery(str(number), body=b"x" * 100) for number in range(8)])
    ended = at_once(*[lambda: end_next(database)] * 8)
    assert sum(row.dropped_at is None for row in ended) == 2
    assert (stored_bytes(database), told(database)) == (200, {"ci": 200})


def test_ended_before_they_were_counted_they_leave_no_debt(database: Database) -> None:
    with database.transaction() as connection:
        deliveries.keep(connection, delivery("old", body=b"x" * 100))
        connection.execute(deliveries.deliveries.update().values(state="done", outcome="", ended_at=NOW))
        assert kept_bodies.drop(connection, NOW + MINUTE, now=NOW + MINUTE, limit=10) == 1
    assert told(database) == {}
