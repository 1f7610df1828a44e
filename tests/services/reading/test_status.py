"""How things stand is told in numbers, with nothing left out where there is nothing."""

from datetime import datetime, timedelta

from sqlalchemy import text

from app.core.images import ImageName
from app.db import builds, deliveries, lanes, latencies, measures, outbox, storms
from app.db.database import Database
from app.db.deliveries import NewDelivery
from app.db.outbox import Channel, Outcome, Telling
from app.db.storms import Storm
from app.services.reading.status import Status, read_status
from tests.db.facts import build, record_push
from tests.services.history import IMAGE, LANE, NOW, write_history

SECOND = timedelta(seconds=1)


def status(database: Database, now: datetime = NOW) -> Status:
    return read_status(database, lambda: now)


def delivery(external_id: str = "1", *, at: datetime = NOW) -> NewDelivery:
    return NewDelivery(source="ci", kind="jenkins", external_id=external_id, headers={}, body=b"{}", received_at=at)


def test_an_empty_database_has_zeros(database: Database) -> None:
    told = status(database)
    assert told.deliveries == {"waiting": 0, "done": 0, "unusable": 0, "dead": 0}
    assert (told.oldest_delivery_s, told.lanes, told.lanes_due, told.oldest_due_s) == (0, 0, 0, 0)
    assert (told.lane_attempts, told.open_pull_requests, told.promotions["merged"]) == ({}, 0, 0)
    assert (told.body_bytes, told.bodies_dropped, told.flux_dropped) == ({}, {}, {})
    assert (told.retries, told.sweeps, told.sweep_found) == ({"delivery": 0, "lane": 0, "telling": 0}, {}, {})
    assert (told.storms, told.stalled, told.lane_leases_s) == (0, {"delivery": 0, "lane": 0}, {})
    latency = told.webhook_to_pull_request
    assert (latency.count, latency.sum_s, latency.at_most["inf"]) == (0, 0, 0)


def test_what_waits_is_counted_with_its_age(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        deliveries.keep(connection, delivery("late", at=NOW + 60 * SECOND))
        deliveries.keep(connection, delivery())
    told = status(database, NOW + 90 * SECOND)
    assert (told.deliveries["waiting"], told.oldest_delivery_s) == (2, 90)
    assert (told.lanes, told.lanes_due, told.oldest_due_s) == (1, 1, 90)
    assert (told.promotions["merged"], told.promotions["waiting"]) == (1, 1)


def test_many_deliveries_are_counted_in_steps(database: Database) -> None:
    with database.transaction() as connection:
        deliveries.keep_all(connection, [delivery(str(number)) for number in range(10)])
        waiting = deliveries.DeliveryState.WAITING
        counted, after = [], ""
        while after is not None:
            some, end = deliveries.count_some(connection, waiting, after, limit=4)
            counted.append(some)
            if end is None:
                break
            after = end
    assert counted == [4, 4, 2]


def test_a_lane_that_fails_shows_its_attempts(database: Database) -> None:
    with database.transaction() as connection:
        lanes.ensure(connection, "fleet", "release/2026", NOW)
        claim = lanes.claim_due(connection, owner="w", now=NOW, lease=30 * SECOND)
        assert claim is not None
        lanes.fail(connection, claim, due_at=NOW, error="no", counts=True)
    assert status(database).lane_attempts == {LANE: 1}


def test_a_lane_that_runs_is_not_due_and_shows_since_when(database: Database) -> None:
    with database.transaction() as connection:
        lanes.ensure(connection, "fleet", "release/2026", NOW)
        assert lanes.claim_due(connection, owner="w", now=NOW, lease=30 * SECOND) is not None
    told = status(database, NOW + 40 * SECOND)
    assert (told.lane_leases_s, told.lanes_due) == ({LANE: 40}, 0)


def test_what_should_be_due_and_is_not_is_counted(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        deliveries.keep(connection, delivery())
        connection.execute(text("UPDATE lanes SET due_at = NULL"))
        connection.execute(text("UPDATE deliveries SET due_at = due_at + 7200000"))
    assert status(database).stalled == {"delivery": 1, "lane": 1}


def test_what_is_counted_over_all_processes_is_told(database: Database) -> None:
    with database.transaction() as connection:
        storms.note(connection, Storm(sweep="tags", key="k", found=900, sample="1.0.0", since=NOW))
        for name, label, by in (
            ("retries", "lane", 3),
            ("sweeps", "tags:ok", 2),
            ("sweeps", "builds:failed", 1),
            ("sweep_found", "tags", 7),
        ):
            measures.add(connection, name, label, by)
        for seconds in (0.5, 4, 4.9, 9000):
            latencies.note(connection, timedelta(seconds=seconds))
    told = status(database)
    assert (told.retries, told.storms) == ({"delivery": 0, "lane": 3, "telling": 0}, 1)
    assert (told.sweeps, told.sweep_found) == ({"tags:ok": 2, "builds:failed": 1}, {"tags": 7})
    latency = told.webhook_to_pull_request
    assert (latency.count, latency.sum_s) == (4, 9009.4)
    assert [latency.at_most[bound] for bound in ("1", "2.5", "5", "3600", "inf")] == [1, 1, 3, 3, 4]


def test_the_newest_webhook_that_told_of_a_tag_or_its_build_counts(database: Database) -> None:
    later = NOW + 60 * SECOND
    with database.transaction() as connection:
        of_push, of_build, of_other = (
            deliveries.keep(connection, delivery(str(number), at=NOW + number * SECOND)) for number in (1, 9, 30)
        )
        for tag, delivery_id in (("1.0.0", of_push), ("2.0.0", of_other)):
            record_push(connection, IMAGE, tag, None, at=None, now=NOW, source="registry", delivery_id=delivery_id)
        builds.record(connection, build(), is_ours=False, source="ci", delivery_id=of_build, now=NOW)
        build_id = builds.page(connection, limit=1).items[0].id

        def told(tag: str, build_id: str | None, until: datetime = later, image: ImageName = IMAGE) -> datetime | None:
            return latencies.told_at(connection, image, tag, build_id=build_id, until=until)

        assert told("1.0.0", None) == NOW + SECOND
        assert told("1.0.0", build_id) == NOW + 9 * SECOND
        assert told("1.0.0", build_id, until=NOW + 2 * SECOND) == NOW + SECOND
        assert told("3.0.0", None) is None


def test_it_tells_what_waits_in_the_outbox_and_what_could_not_be_told(database: Database) -> None:
    with database.transaction() as connection:
        for key in ("refused", "waits"):
            telling = Telling(channel=Channel.RECEIVER, target=f"fleet/{key}", key=key, payload={})
            outbox.tell_once(connection, telling, now=NOW)
        claim = outbox.claim_due(connection, owner="w", now=NOW, lease=timedelta(seconds=30))
        assert claim is not None
        outbox.end(connection, claim, Outcome.FAILED, why="it has no such path", now=NOW)
        measures.add(connection, "tellings", "receiver:failed")
    told = read_status(database, lambda: NOW + timedelta(minutes=1)).outbox
    assert (told.waiting, told.oldest_s, told.told) == ({"receiver": 1, "comment": 0}, 60, {"receiver:failed": 1})
    [trouble] = told.troubles
    assert (trouble.target, trouble.error, trouble.due_at) == (claim.target, "it has no such path", None)
