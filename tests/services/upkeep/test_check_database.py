# ruff: noqa: S608 (the statements are the tests' own)
"""Whatever is wrong in the database is told with its row and what to do; a healthy one has nothing to tell."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from app.core.policies.spec import PolicySpec, SemVer
from app.core.ports import PullRequestState
from app.db import (
    catalogue,
    deliveries,
    delivery_claims,
    invariants,
    promotions,
    pull_requests,
    pushed_heads,
    selections,
)
from app.db.database import Database
from app.db.deliveries import DeliveryState, NewDelivery
from app.db.invariants import Violation
from app.db.promotions import NewPromotion, PromotionState
from app.db.pull_requests import PullRequestRow
from app.db.pushed_heads import PushedHead
from app.services.upkeep.check_database import check_database, check_page
from tests.db.facts import claim_next
from tests.services.history import IMAGE, LANE, NOW, POLICY, write_history

LEASE = timedelta(seconds=30)
HOUR = timedelta(hours=1)
HEAD = "e" * 40


@pytest.fixture
def database(database: Database) -> Database:
    """One with a delivery of each kind, a lane, and a promotion whose pull request is open."""
    with database.transaction() as connection:
        write_history(connection)
        for number in range(3):
            deliveries.keep(connection, _delivery(str(number)))
        claim = claim_next(connection, owner="w", now=NOW, lease=LEASE)
        assert claim is not None
        delivery_claims.finish(connection, claim, state=DeliveryState.DONE, outcome="no facts", now=NOW)
        assert claim_next(connection, owner="w", now=NOW, lease=LEASE) is not None
        catalogue.lock(connection, [IMAGE], NOW)
        selections.store(connection, IMAGE, PolicySpec(SemVer("1.x")), None)
        _propose(connection)
    return database


def _delivery(external_id: str) -> NewDelivery:
    return NewDelivery(source="ci", kind="jenkins", external_id=external_id, headers={}, body=b"{}", received_at=NOW)


def _propose(connection: Connection) -> None:
    new = NewPromotion(
        lane=LANE,
        stage="staging",
        policy=POLICY,
        image=str(IMAGE),
        tag="1.2.0",
        digest=None,
        from_tag="1.1.0",
        reason="passed",
        origin="fluxbridge",
    )
    begun = promotions.begin(connection, new, who="fluxbridge", at=NOW)
    head = PushedHead(lane=LANE, branch="b", sha=HEAD, base_sha="c" * 40, tags={POLICY: "1.2.0"}, recorded_at=NOW)
    pushed_heads.record(connection, head)
    pull_requests.upsert(connection, _open_pull(5))
    learned = {"pull_request": 5, "branch": "b", "head_sha": HEAD}
    state = PromotionState.PROPOSED
    promotions.move(connection, begun.id, state, reason="passed", who="fluxbridge", at=NOW, learned=learned)


def _open_pull(number: int) -> PullRequestRow:
    return PullRequestRow(
        lane=LANE,
        number=number,
        branch="b",
        stage="staging",
        group=POLICY,
        url="u",
        title="t",
        state=PullRequestState.OPEN,
        head_sha=HEAD,
        tags={POLICY: "1.2.0"},
        opened_at=NOW,
    )


def _check(database: Database, now: datetime = NOW) -> Sequence[Violation]:
    return check_database(database, now=now, lease=LEASE)


def _break(database: Database, *statements: str) -> None:
    with database.transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_a_healthy_database_has_nothing_to_tell(database: Database) -> None:
    assert _check(database) == []


def test_an_empty_database_has_nothing_to_tell(sqlite_url: str) -> None:
    fresh = Database(sqlite_url + "-fresh")
    fresh.migrate()
    assert check_database(fresh) == []
    fresh.close()


ONE = "WHERE id = (SELECT min(id) FROM deliveries WHERE state = '{}')"
DONE, WAITING = ONE.format("done"), ONE.format("waiting")


@pytest.mark.parametrize(
    ("law", "row", "statement"),
    [
        pytest.param("ended-delivery-has-an-outcome", "delivery", f"SET outcome = NULL {DONE}", id="no outcome"),
        pytest.param("ended-delivery-has-an-outcome", "delivery", f"SET ended_at = NULL {DONE}", id="no end"),
        pytest.param(
            "ended-delivery-has-an-outcome", "delivery", f"SET owner = 'w', lease_until = 1 {DONE}", id="held"
        ),
        pytest.param("waiting-delivery-is-due", "delivery", f"SET due_at = due_at + 7200000 {WAITING}", id="due late"),
        pytest.param("waiting-delivery-is-due", "delivery", f"SET dropped_at = 1 {WAITING}", id="no body"),
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
    _break(database, f"UPDATE deliveries {statement}")
    _tells(database, law, row)


@pytest.mark.parametrize(
    ("law", "statement"),
    [
        pytest.param("wanted-lane-is-due", "due_at = NULL", id="never ran and is not due"),
        pytest.param("wanted-lane-is-due", "due_at = NULL, next_look_at = 7, last_run_at = 5", id="look"),
        pytest.param("lease-has-an-owner", "owner = 'w'", id="no lease"),
        pytest.param("lease-ends", "owner = 'w', lease_until = 9999999999999", id="endless"),
    ],
)
def test_a_broken_lane_is_told(database: Database, law: str, statement: str) -> None:
    _break(database, f"UPDATE lanes SET {statement}")
    _tells(database, law, f"lane {LANE}")


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("due_at = NULL, last_error = 'no longer configured'", id="no longer configured"),
        pytest.param("due_at = NULL, last_run_at = 5", id="idle"),
        pytest.param("owner = 'w', claimed_at = 5, lease_until = 5", id="a lease that ran out"),
    ],
)
def test_a_lane_at_rest_is_not_told(database: Database, statement: str) -> None:
    _break(database, f"UPDATE lanes SET {statement}")
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
            "open-pull-request-has-our-head", f"pull request {LANE} 5", "DELETE FROM pushed_heads", id="not our head"
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
        pytest.param("image-is-known", "policy", "DELETE FROM repositories", id="unknown image"),
        pytest.param("image-is-known", "selection", "DELETE FROM repositories", id="a selection from nowhere"),
    ],
)
def test_a_broken_history_is_told(database: Database, law: str, row: str, statement: str) -> None:
    _break(database, statement)
    _tells(database, law, row)


def test_a_second_open_pull_request_of_a_branch_is_told(database: Database) -> None:
    with database.transaction() as connection:
        pull_requests.upsert(connection, _open_pull(6))
    _tells(database, "one-open-pull-request-a-branch", f"pull request {LANE} 6")


def test_a_second_open_promotion_of_a_tag_is_told(database: Database) -> None:
    _break(database, "DROP INDEX uq_promotions_open")
    _copy(database, "promotions", "'ffff'", where="state = 'waiting'")
    _tells(database, "one-of-lane-stage-policy-tag", "promotion ffff")


def test_a_push_that_is_there_twice_is_told(database: Database) -> None:
    _without_constraints(database, "pushes")
    _copy(database, "pushes", "4711")
    _tells(database, "one-of-image-tag-digest", "push 4711")


def test_a_build_that_is_there_twice_is_told(database: Database) -> None:
    _break(database, "DELETE FROM build_artifacts")
    _without_constraints(database, "builds")
    _copy(database, "builds", "'ffff'")
    _tells(database, "one-of-controller-job-number-run", "build ffff")


@pytest.mark.parametrize(
    ("table", "owner", "law", "row"),
    [
        pytest.param("build_artifacts", "builds", "build-is-known", "artifact", id="an artifact of no build"),
        pytest.param("applications", "promotions", "promotion-is-known", "application", id="of no promotion"),
    ],
)
def test_what_belongs_to_nothing_is_told(database: Database, table: str, owner: str, law: str, row: str) -> None:
    _without_constraints(database, table)
    _break(database, f"DELETE FROM {owner}")
    _tells(database, law, row)


def test_a_schema_of_another_version_is_told(database: Database) -> None:
    _break(database, "UPDATE alembic_version SET version_num = 'another'")
    _tells(database, "schema-is-current", "alembic_version")


def test_a_reference_to_nothing_in_the_file_is_told(sqlite_url: str) -> None:
    with closing(sqlite3.connect(_file(sqlite_url))) as raw, raw:
        raw.execute("INSERT INTO build_artifacts VALUES (1, 'none', 'image', 'i', 't', 'd', 5)")
    assert {"references-are-whole", "build-is-known"} == {one.law for one in _check_file(sqlite_url)}


def test_a_damaged_file_is_told(sqlite_url: str) -> None:
    with closing(sqlite3.connect(_file(sqlite_url))) as raw:
        [(page,)] = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_lanes_due_at'").fetchall()
        [(size,)] = raw.execute("PRAGMA page_size").fetchall()
    with _file(sqlite_url).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 64)
    assert {one.law for one in _check_file(sqlite_url)} == {"file-is-whole"}


def _file(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def _check_file(sqlite_url: str) -> Sequence[Violation]:
    with closing(Database(sqlite_url)) as opened:
        return _check(opened)


def test_a_long_table_is_gone_through_page_by_page(database: Database) -> None:
    count = invariants.STRETCH + 5
    with database.transaction() as connection:
        for start in range(0, count, 100):
            deliveries.keep_all(connection, [_delivery(f"more-{start + number}") for number in range(100)])
        connection.execute(text("UPDATE deliveries SET state = 'done', owner = NULL, lease_until = NULL"))
    told = _check(database)
    with database.transaction() as connection:
        kept = deliveries.counts_by_state(connection)["done"]
    broken = [one.row for one in told if one.law == "ended-delivery-has-an-outcome"]
    assert len(set(broken)) == len(broken) == kept - 1


def test_pages_follow_each_other_until_all_was_looked_at(database: Database) -> None:
    _break(database, "UPDATE lanes SET due_at = NULL", "DELETE FROM pushed_heads")
    found: list[str] = []
    after: str | None = None
    pages = 0
    while pages == 0 or after is not None:
        page = check_page(database, after, now=NOW, lease=LEASE)
        found += [one.law for one in page.items]
        after, pages = page.next, pages + 1
    assert found == ["wanted-lane-is-due", "open-pull-request-has-our-head"]
    assert pages == 3


def _tells(database: Database, law: str, row: str) -> None:
    told = [one for one in _check(database) if one.law == law]
    assert told, _check(database)
    assert any(one.row.startswith(row) for one in told), told
    assert all(one.what and one.remedy for one in told)


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
    _break(
        database,
        f"CREATE TABLE copied AS SELECT * FROM {table}",
        f"DROP TABLE {table} {cascade}",
        f"ALTER TABLE copied RENAME TO {table}",
        f"CREATE UNIQUE INDEX copied_id ON {table} (id)",
    )
