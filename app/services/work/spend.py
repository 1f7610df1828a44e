"""Spend: take what is asked of a forge out of the budget that all processes share."""

from datetime import timedelta

from app.core.ports import RateLimited
from app.db import forge_budgets
from app.db.database import Database
from app.services.systems import Clock


class BudgetSpent(RateLimited):
    """We have asked as much of a forge as we allow ourselves."""

    def __init__(self, forge: str, *, per_hour: int, retry_after: timedelta) -> None:
        super().__init__(
            f"{forge} got its {per_hour} writes an hour from us; more follow in {retry_after.total_seconds():.0f} s "
            "(forge.writes_per_hour)",
            retry_after=retry_after,
        )


def spend(database: Database, clock: Clock, forge: str, per_hour: int, count: int = 1) -> None:
    """Take so many writes at once, all or none; to be called outside transactions. Raises BudgetSpent."""
    now = clock()
    with database.transaction() as connection:
        free_at = forge_budgets.spend(connection, forge, now=now, per_hour=per_hour, count=count)
    if free_at is not None:
        raise BudgetSpent(forge, per_hour=per_hour, retry_after=free_at - now)
