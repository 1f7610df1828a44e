"""What all processes together may ask of a forge, and until when it is left alone."""

from datetime import timedelta

import pytest

from app.db import forge_budgets
from app.db.database import Database
from app.services.work.spend import BudgetSpent, spend
from tests.db.facts import MINUTE, NOW, SECOND

FORGE = "https://api.acme.example with the file /run/token"
HOUR = timedelta(hours=1)


def take(database: Database, count: int, *, at: timedelta = timedelta(0), per_hour: int = 360) -> int:
    """Try so many writes at once; returns how many were let through."""
    done = 0
    for _ in range(count):
        with database.transaction() as connection:
            done += forge_budgets.spend(connection, FORGE, now=NOW + at, per_hour=per_hour) is None
    return done


def test_sixty_writes_may_follow_on_each_other(database: Database) -> None:
    assert take(database, 100) == 60


def test_after_that_they_keep_to_the_pace(database: Database) -> None:
    take(database, 60)
    assert take(database, 10, at=35 * SECOND) == 3
    assert take(database, 10, at=HOUR + 35 * SECOND) == 10


def test_an_hour_never_lets_more_through_than_its_share_and_one_burst(database: Database) -> None:
    assert sum(take(database, 5, at=minute * MINUTE, per_hour=100) for minute in range(60)) <= 100 + 60


def test_idle_hours_are_not_saved_up(database: Database) -> None:
    take(database, 1)
    assert take(database, 100, at=9 * HOUR) == 60


def test_writes_that_belong_together_are_let_through_together_or_not_at_all(database: Database) -> None:
    take(database, 59)
    with pytest.raises(BudgetSpent) as refused:
        spend(database, lambda: NOW, FORGE, 360, 2)
    assert refused.value.retry_after == 10 * SECOND
    assert take(database, 5) == 1
    spend(database, lambda: NOW + 20 * SECOND, FORGE, 360, 2)


def test_more_than_may_follow_on_each_other_are_let_through_once_nothing_is_spent(database: Database) -> None:
    take(database, 1)
    with pytest.raises(BudgetSpent) as refused:
        spend(database, lambda: NOW, FORGE, 360, 90)
    assert refused.value.retry_after == 10 * SECOND
    spend(database, lambda: NOW + 10 * SECOND, FORGE, 360, 90)
    assert take(database, 1, at=10 * SECOND) == 0


def test_who_is_refused_is_told_when_to_come_back(database: Database) -> None:
    take(database, 60)
    with pytest.raises(BudgetSpent, match=r"got its 360 writes an hour from us; more follow in 10 s") as refused:
        spend(database, lambda: NOW, FORGE, 360)
    assert refused.value.retry_after == 10 * SECOND
    spend(database, lambda: NOW + 10 * SECOND, FORGE, 360)


def test_another_forge_has_a_budget_of_its_own(database: Database) -> None:
    take(database, 60)
    spend(database, lambda: NOW, "another", 360)


def test_a_forge_is_left_alone_until_the_latest_time_that_was_told(database: Database) -> None:
    with database.transaction() as connection:
        forge_budgets.block(connection, FORGE, until=NOW + 5 * MINUTE, why="rate limit", now=NOW)
        forge_budgets.block(connection, FORGE, until=NOW + MINUTE, why="rate limit", now=NOW)
        assert forge_budgets.blocked(connection, NOW) == {FORGE: NOW + 5 * MINUTE}
        assert forge_budgets.blocked(connection, NOW + 5 * MINUTE) == {}
        forge_budgets.block(connection, FORGE, until=NOW + 9 * MINUTE, why="rate limit", now=NOW)
        assert forge_budgets.blocked(connection, NOW + 5 * MINUTE) == {FORGE: NOW + 9 * MINUTE}
