# ruff: noqa: S608 (the statements are the tests' own)
"""The oracle sees whatever is wrong in the rows of a database; in a healthy one it sees nothing."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import text

from app.db import pull_requests
from app.db.database import Database
from tests.filled_database import AT_REST, DONE, LEASE, WAITING, file_of, fill, open_pull, run, tells
from tests.invariants import Violation, violations
from tests.services.history import LANE, NOW


@pytest.fixture
def database(database: Database) -> Database:
    """One with a delivery of each kind, a lane, and a promotion whose pull request is open."""
    fill(database)
    return database


def _check(database: Database) -> Sequence[Violation]:
    with database.transaction() as connection:
        return violations(connection, now=NOW, lease=LEASE)


def test_a_healthy_database_has_nothing_to_tell(database: Database) -> None:
    assert _check(database) == []


@pytest.mark.parametrize(
    ("law", "row", "statement"),
    [
        pytest.param("ended-delivery-has-an-outcome", "delivery", f"SET outcome = NULL {DONE}", id="no outcome"),
        pytest.param("ended-delivery-has-an-outcome", "delivery", f"SET ended_at = NULL {DONE}", id="no end"),
        pytest.param(
            "ended-delivery-has-an-outcome", "delivery", f"SET owner = 'w', lease_until = 1 {DONE}", id="held"
        ),
        pytest.param("packed-body-is-there", "delivery", f"SET unpacked_bytes = 2 {WAITING}", id="not packed"),
        pytest.param("packed-body-is-there", "delivery", f"SET unpacked_bytes = 9, body = '' {DONE}", id="empty body"),
        pytest.param("delivery-has-a-known-state", "delivery", f"SET state = 'lost' {DONE}", id="lost"),
        pytest.param("lease-has-an-owner", "delivery", "SET owner = NULL WHERE owner = 'w'", id="no owner"),
        pytest.param(
            "lease-ends", "delivery", "SET lease_until = lease_until + 9000000 WHERE owner = 'w'", id="endless"
        ),
    ],
)
def test_a_broken_delivery_is_told(database: Database, law: str, row: str, statement: str) -> None:
    run(database, f"UPDATE deliveries {statement}")
    tells(_check(database), law, row)


@pytest.mark.parametrize(
    ("law", "statement"),
    [
        pytest.param("lease-has-an-owner", "owner = 'w'", id="no lease"),
        pytest.param("lease-ends", "owner = 'w', lease_until = 9999999999999", id="endless"),
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
            "proposed-promotion-has-a-pull-request",
            "promotion",
            "UPDATE promotions SET pull_request = NULL WHERE state = 'proposed'",
            id="no number",
        ),
        pytest.param(
            "proposed-promotion-has-a-pull-request",
            "promotion",
            "DELETE FROM pull_requests WHERE number = 4",
            id="no row",
        ),
        pytest.param(
            "open-pull-request-has-our-head", f"pull request {LANE} 5", "DELETE FROM pushed_heads", id="not our head"
        ),
        pytest.param("image-is-known", "policy", "DELETE FROM repositories", id="unknown image"),
        pytest.param("image-is-known", "selection", "DELETE FROM repositories", id="a selection from nowhere"),
    ],
)
def test_a_broken_history_is_told(database: Database, law: str, row: str, statement: str) -> None:
    run(database, statement)
    tells(_check(database), law, row)


def test_a_second_open_pull_request_of_a_branch_is_told(database: Database) -> None:
    with database.transaction() as connection:
        pull_requests.upsert(connection, open_pull(6))
    tells(_check(database), "one-open-pull-request-a-branch", f"pull request {LANE} 6")


def test_a_second_open_promotion_of_a_tag_is_told(database: Database) -> None:
    run(database, "DROP INDEX uq_promotions_open")
    _copy(database, "promotions", "'ffff'", where="state = 'waiting'")
    tells(_check(database), "one-of-lane-stage-policy-tag", "promotion ffff")


def test_a_push_that_is_there_twice_is_told(database: Database) -> None:
    _without_constraints(database, "pushes")
    _copy(database, "pushes", "4711")
    tells(_check(database), "one-of-image-tag-digest", "push 4711")


def test_a_build_that_is_there_twice_is_told(database: Database) -> None:
    run(database, "DELETE FROM build_artifacts")
    _without_constraints(database, "builds")
    _copy(database, "builds", "'ffff'")
    tells(_check(database), "one-of-controller-job-number-run", "build ffff")


@pytest.mark.parametrize(
    ("table", "owner", "law", "row"),
    [
        pytest.param("build_artifacts", "builds", "build-is-known", "artifact", id="an artifact of no build"),
        pytest.param("applications", "promotions", "promotion-is-known", "application", id="of no promotion"),
    ],
)
def test_what_belongs_to_nothing_is_told(database: Database, table: str, owner: str, law: str, row: str) -> None:
    _without_constraints(database, table)
    run(database, f"DELETE FROM {owner}")
    tells(_check(database), law, row)


def test_a_reference_to_nothing_in_the_file_is_told(sqlite_url: str) -> None:
    with closing(sqlite3.connect(file_of(sqlite_url))) as raw, raw:
        raw.execute("INSERT INTO build_artifacts VALUES (1, 'none', 'image', 'i', 't', 'd', 5)")
    assert {"references-are-whole", "build-is-known"} == {one.law for one in _check_file(sqlite_url)}


def _check_file(sqlite_url: str) -> Sequence[Violation]:
    with closing(Database(sqlite_url)) as opened:
        return _check(opened)


def _copy(database: Database, table: str, key: str, *, where: str = "1 = 1") -> None:
    """Write a row once more under another id."""
    with database.transaction() as connection:
        row: Any = connection.execute(text(f"SELECT * FROM {table} WHERE {where}")).mappings().first()
        names = ", ".join(f'"{name}"' for name in row if name != "id")
        chosen = f"SELECT {key}, {names} FROM {table} WHERE {where} LIMIT 1"
        connection.execute(text(f"INSERT INTO {table} (id, {names}) {chosen}"))


def _without_constraints(database: Database, table: str) -> None:
    """The same table as somebody's copy of it would be."""
    cascade = "" if database.is_sqlite else "CASCADE"
    run(
        database,
        f"CREATE TABLE copied AS SELECT * FROM {table}",
        f"DROP TABLE {table} {cascade}",
        f"ALTER TABLE copied RENAME TO {table}",
        f"CREATE UNIQUE INDEX copied_id ON {table} (id)",
    )
