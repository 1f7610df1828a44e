"""What the last run of a lane saw is told until the next one."""

import pytest

from app.core.errors import NotFound
from app.db.database import Database
from app.services.reading.lanes import lane, lane_plan, list_lanes
from tests.services.history import COMMIT, NOW, settle_with_plan, write_history


def test_a_lane_is_told_with_its_last_run(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        settle_with_plan(connection)
        told = lane(connection, "fleet", "release/2026")
        assert list_lanes(connection).items == [told]
    assert (told.last_head, told.last_run_at, told.due_at, told.is_running) == (COMMIT, NOW, None, False)


def test_the_plan_of_the_last_run_is_told_as_it_was_kept(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        kept = settle_with_plan(connection)
        assert lane_plan(connection, "fleet", "release/2026") == kept


def test_a_lane_that_never_ran_has_no_plan(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        with pytest.raises(NotFound, match="not been run yet"):
            lane_plan(connection, "fleet", "release/2026")


def test_a_lane_that_is_not_configured_is_not_found(database: Database) -> None:
    with database.transaction() as connection, pytest.raises(NotFound, match="config_repos"):
        lane(connection, "fleet", "main")
