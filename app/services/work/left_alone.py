"""Leave a forge alone that wants to be: all processes keep to what one of them was told."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from app.core.ports import RateLimited
from app.db import forge_budgets
from app.db.database import Database
from app.services.systems import Clock, ConfigRepo

_SHORTEST_REST = timedelta(minutes=1)


@contextmanager
def asking_forge(database: Database, clock: Clock, repo: ConfigRepo, *, is_dry: bool = False) -> Iterator[None]:
    """Ask a forge only while it is not left alone, and leave it alone once it wants that; outside of transactions.

    Raises RateLimited, both when it is left alone already and when it wants that now; with `is_dry` that is not kept.
    """
    now = clock()
    with database.transaction() as connection:
        until = forge_budgets.blocked(connection, now).get(repo.forge_budget)
    if until is not None:
        told = f"its forge wants to be left alone until {until:%Y-%m-%d %H:%M:%S}"
        raise RateLimited(told, retry_after=until - now)
    try:
        yield
    except RateLimited as error:
        if not is_dry:
            until = clock() + (error.retry_after or _SHORTEST_REST)
            with database.transaction() as connection:
                forge_budgets.block(connection, repo.forge_budget, until=until, why=str(error)[:2000], now=now)
        raise
