"""How things stand is told in numbers, with nothing left out where there is nothing."""

from datetime import timedelta

from app.db import deliveries, lanes
from app.db.database import Database
from app.db.deliveries import NewDelivery
from app.services.read_status import read_status
from tests.services.history import LANE, NOW, write_history


def test_an_empty_database_has_zeros(database: Database) -> None:
    with database.transaction() as connection:
        told = read_status(connection, NOW)
    assert told.deliveries == {"waiting": 0, "done": 0, "unusable": 0, "dead": 0}
    assert (told.oldest_delivery_s, told.lanes, told.lanes_due, told.oldest_due_s) == (0, 0, 0, 0)
    assert (told.lane_attempts, told.open_pull_requests, told.promotions["merged"]) == ({}, 0, 0)


def test_what_waits_is_counted_with_its_age(database: Database) -> None:
    later = NOW + timedelta(seconds=90)
    with database.transaction() as connection:
        write_history(connection)
        delivery = NewDelivery(source="ci", kind="jenkins", external_id="1", headers={}, body=b"{}", received_at=NOW)
        deliveries.keep(connection, delivery)
        told = read_status(connection, later)
    assert (told.deliveries["waiting"], told.oldest_delivery_s) == (1, 90)
    assert (told.lanes, told.lanes_due, told.oldest_due_s) == (1, 1, 90)
    assert (told.promotions["merged"], told.promotions["waiting"]) == (1, 1)


def test_a_lane_that_fails_shows_its_attempts(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        claim = lanes.claim_due(connection, owner="w", now=NOW, lease=timedelta(seconds=30))
        assert claim is not None
        lanes.fail(connection, claim, due_at=NOW + timedelta(minutes=5), error="no route", counts=True)
        told = read_status(connection, NOW)
    assert (told.lane_attempts, told.lanes_due) == ({LANE: 1}, 0)
