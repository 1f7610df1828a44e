# ruff: noqa: S608 (the statements are the tests' own)
"""What a person has to mend in the database is told with its row and what to do; a healthy one has nothing to tell."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import pytest
from sqlalchemy import insert, select, text

from app.db import deliveries, promotions
from app.db.database import Database
from app.db.promotions import PromotionState
from app.services.upkeep.check_database import STRETCH, ViolationView, check_database, check_page
from tests.filled_database import AT_REST, WAITING, a_delivery, file_of, fill, run, tells
from tests.services.history import LANE, NOW


@pytest.fixture
def database(database: Database) -> Database:
    """One with a delivery of each kind, a lane, and a promotion whose pull request is open."""
    fill(database)
    return database


def _check(database: Database) -> Sequence[ViolationView]:
    return check_database(database, now=NOW)


def test_a_healthy_database_has_nothing_to_tell(database: Database) -> None:
    assert _check(database) == []


def test_an_empty_database_has_nothing_to_tell(sqlite_url: str) -> None:
    fresh = Database(sqlite_url + "-fresh")
    fresh.migrate()
    assert check_database(fresh) == []
    fresh.close()


@pytest.mark.parametrize(
    ("law", "row", "statement"),
    [
        pytest.param("waiting-delivery-is-due", "delivery", f"SET due_at = due_at + 7200000 {WAITING}", id="due late"),
        pytest.param("waiting-delivery-is-due", "delivery", f"SET dropped_at = 1 {WAITING}", id="no body"),
    ],
)
def test_a_broken_delivery_is_told(database: Database, law: str, row: str, statement: str) -> None:
    run(database, f"UPDATE deliveries {statement}")
    tells(_check(database), law, row)


@pytest.mark.parametrize(
    ("law", "statement"),
    [
        pytest.param("wanted-lane-is-due", "due_at = NULL", id="never ran and is not due"),
        pytest.param("wanted-lane-is-due", "due_at = NULL, next_look_at = 7, last_run_at = 5", id="look"),
    ],
)
def test_a_broken_lane_is_told(database: Database, law: str, statement: str) -> None:
    run(database, f"UPDATE lanes SET {statement}")
    tells(_check(database), law, f"lane {LANE}")


@pytest.mark.parametrize("statement", AT_REST)
def test_a_lane_at_rest_is_not_told(database: Database, statement: str) -> None:
    run(database, f"UPDATE lanes SET {statement}")
    assert _check(database) == []


@pytest.mark.parametrize(
    ("law", "row", "statement"),
    [
        pytest.param(
            "promotion-is-as-its-last-event-says",
            "promotion",
            "UPDATE promotions SET state = 'refused' WHERE state = 'waiting'",
            id="another state",
        ),
        pytest.param(
            "promotion-is-as-its-last-event-says",
            "promotion",
            "DELETE FROM promotion_events WHERE id = (SELECT max(id) FROM promotion_events)",
            id="the last event is gone",
        ),
        pytest.param(
            "history-is-whole",
            f"lane {LANE} event 2",
            "UPDATE promotion_events SET who = 'nobody' WHERE seq = 2",
            id="changed event",
        ),
        pytest.param(
            "history-is-whole", f"lane {LANE} event 2", "DELETE FROM promotion_events WHERE seq = 2", id="lost event"
        ),
    ],
)
def test_a_broken_history_is_told(database: Database, law: str, row: str, statement: str) -> None:
    run(database, statement)
    tells(_check(database), law, row)


def test_a_schema_of_another_version_is_told(database: Database) -> None:
    run(database, "UPDATE alembic_version SET version_num = 'another'")
    tells(_check(database), "schema-is-current", "alembic_version")


def test_a_damaged_file_is_told(sqlite_url: str) -> None:
    with closing(sqlite3.connect(file_of(sqlite_url))) as raw:
        [(page,)] = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_lanes_due_at'").fetchall()
        [(size,)] = raw.execute("PRAGMA page_size").fetchall()
    with file_of(sqlite_url).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 64)
    assert {one.law for one in _check_file(sqlite_url)} == {"file-is-whole"}


def _check_file(sqlite_url: str) -> Sequence[ViolationView]:
    with closing(Database(sqlite_url)) as opened:
        return _check(opened)


def test_many_deliveries_are_gone_through_page_by_page(database: Database) -> None:
    with database.transaction() as connection:
        for start in range(0, STRETCH + 5, 100):
            deliveries.keep_all(connection, [a_delivery(f"more-{start + number}") for number in range(100)])
        connection.execute(text("UPDATE deliveries SET due_at = due_at + 7200000 WHERE state = 'waiting'"))
        waiting = deliveries.counts_by_state(connection)["waiting"]
    _each_is_told_once(database, "waiting-delivery-is-due", waiting)


def test_many_promotions_are_gone_through_page_by_page(database: Database) -> None:
    table = promotions.promotions
    with database.transaction() as connection:
        merged = connection.execute(select(table).where(table.c.state == PromotionState.MERGED)).mappings().one()
        copies = [{**merged, "id": f"copy-{number}"} for number in range(STRETCH + 5)]
        connection.execute(insert(table), copies)
    _each_is_told_once(database, "promotion-is-as-its-last-event-says", len(copies))


def _each_is_told_once(database: Database, law: str, count: int) -> None:
    broken = [one.row for one in _check(database) if one.law == law]
    assert len(set(broken)) == len(broken) == count > STRETCH


def test_pages_follow_each_other_until_all_was_looked_at(database: Database) -> None:
    run(database, "UPDATE lanes SET due_at = NULL", "UPDATE promotions SET state = 'refused' WHERE state = 'waiting'")
    found: list[str] = []
    after: str | None = None
    pages = 0
    while pages == 0 or after is not None:
        page = check_page(database, after, now=NOW)
        found += [one.law for one in page.items]
        after, pages = page.next, pages + 1
    assert found == ["wanted-lane-is-due", "promotion-is-as-its-last-event-says"]
    assert pages == 3


def _tells(database: Database, law: str, row: str) -> None:
    told = [one for one in _check(database) if one.law == law]
    assert told, _check(database)
    assert any(one.row.startswith(row) for one in told), told
    assert all(one.what and one.remedy for one in told)
