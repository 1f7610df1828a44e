"""The questions that every worker asks all the time are answered by an index, however much is kept."""

from typing import Any

import pytest
from sqlalchemy import Connection, Select, text
from sqlalchemy.sql.dml import Update

from app.db import deliveries, delivery_claims, kept_bodies, lanes, outbox, owed_answers, schedules
from app.db.database import Database
from app.db.outbox import Channel, Telling
from tests.db.facts import IMAGE, LEASE, MINUTE, NOW, claim_next, delivery

pytestmark = pytest.mark.new_database


@pytest.fixture(autouse=True)
def _much_is_kept(database: Database) -> None:
    with database.transaction() as connection:
        deliveries.keep_all(connection, [delivery(str(number)) for number in range(2000)])
        connection.execute(text("UPDATE deliveries SET state = 'done'"))
        for number in range(500):
            lanes.ensure(connection, "fleet", str(number), NOW)
        connection.execute(text("UPDATE lanes SET due_at = NULL"))
        for number in range(1000):
            schedules.ensure(connection, str(number), NOW + MINUTE)
            owed_answers.owe_once(connection, IMAGE, str(number), is_deletion=False, source="ci", now=NOW + MINUTE)
            telling = Telling(channel=Channel.COMMENT, target="fleet#1", key=str(number), payload={})
            outbox.tell_once(connection, telling, now=NOW + MINUTE)
        connection.execute(deliveries.deliveries.update().values(ended_at=NOW))
        connection.execute(text("ANALYZE"))


QUERIES: dict[str, Select[Any] | Update] = {
    "ix_deliveries_state_source_due_at": delivery_claims.NEXT_DUE.params(now=NOW, excluding=[], most=8, after="ci"),
    "ix_lanes_due_at": lanes.next_due(NOW),
    "ix_schedules_next_at": schedules.next_due(NOW),
    "ix_outbox_due_at": outbox.NEXT_DUE.params(now=NOW, excluding=[], most=1),
    "ix_owed_answers_due_at": owed_answers.next_due(NOW).limit(20),
    "ix_deliveries_dropped_at_ended_at": kept_bodies.kept_before(NOW - MINUTE).limit(100),
}


def test_claims_and_retention_use_an_index_and_what_is_not_due_is_not_claimed(database: Database) -> None:
    with database.transaction() as connection:
        plans = {index: _plan(connection, query) for index, query in QUERIES.items()}
        assert [plan for index, plan in plans.items() if index not in plan] == []
        assert claim_next(connection, owner="a", now=NOW, lease=LEASE) is None
        assert lanes.claim_due(connection, owner="a", now=NOW, lease=LEASE) is None


def _plan(connection: Connection, query: Select[Any] | Update) -> str:
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    prefix = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    return "\n".join(str(row) for row in connection.exec_driver_sql(f"{prefix} {compiled}"))
