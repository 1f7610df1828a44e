"""Policies are told as the last run of their lane saw them."""

import pytest

from app.core.errors import Conflict, NotFound
from app.db import policies
from app.db.database import Database
from app.services.reading.policies import PolicyFilters, is_named, list_policies, policy
from tests.services.history import LANE, POLICY, policy_row, write_history


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


def test_a_policy_is_named_in_full_or_by_its_last_parts() -> None:
    assert [is_named(POLICY, text) for text in (POLICY, "flux-system/web", "web", "prod:flux-system/web")] == [
        True,
        True,
        True,
        True,
    ]
    assert not is_named(POLICY, "b")
