"""What the last run of a lane saw is told until the next one."""

import pytest

from app.core.errors import Conflict, NotFound
from app.db import policies
from app.db.database import Database
from app.services.reading.lanes import lane, lane_plan, list_lanes
from app.services.reading.policies import PolicyFilters, list_policies, policy
from tests.services.history import COMMIT, LANE, NOW, policy_row, settle_with_plan, write_history


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


def test_a_policy_whose_name_is_ambiguous_needs_its_root(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        with pytest.raises(Conflict, match="clusters/prod"):
            policy(connection, namespace="flux-system", name="web", repo="fleet", root=None)
        told = policy(connection, namespace="flux-system", name="web", repo="fleet", root="clusters/dev")
    assert (told.root, told.file) == ("clusters/dev", "clusters/dev/policies.yaml")
    assert told.spec == {"policy": {"semver": {"range": "1.x"}}}


def test_a_policy_that_no_lane_has_is_not_found(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        with pytest.raises(NotFound):
            policy(connection, namespace="flux-system", name="web", repo="other", root=None)


def test_policies_are_narrowed_by_the_first_words_of_their_status(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        rows = [policy_row("clusters/prod"), policy_row("clusters/dev", status="waiting: catalogue not listed")]
        policies.replace_all(connection, LANE, rows)
        found = list_policies(connection, PolicyFilters(status="waiting")).items
        assert list_policies(connection, PolicyFilters(repo="flee")).items == []
    assert [one.root for one in found] == ["clusters/dev"]
