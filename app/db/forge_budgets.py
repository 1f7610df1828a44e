"""Budgets: how much all processes together may ask of each forge, and until when it wants to be left alone."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Table, or_, select, update

from app.db.tables import Instant, SafeString, SafeText, insert_absent, metadata

_BURST = 60

forge_budgets = Table(
    "forge_budgets",
    metadata,
    Column("forge", SafeString(400), primary_key=True),
    Column("spent_until", Instant, nullable=False),
    Column("blocked_until", Instant),
    Column("why", SafeText),
)


def spend(connection: Connection, forge: str, *, now: datetime, per_hour: int, count: int = 1) -> datetime | None:
    """Take so many writes out of a forge's budget, all or none; returns None, or when there will be as many.

    Each write moves `spent_until` on by an hour's share from the present or from where it stands, and no further than
    sixty shares ahead: sixty writes may follow on each other, then they keep to the pace. More than sixty that belong
    together are let through once nothing is spent.
    """
    share = timedelta(hours=1) / per_hour
    insert_absent(connection, forge_budgets, {"forge": forge, "spent_until": now})
    of_forge = forge_budgets.c.forge == forge
    spent_until: datetime = connection.execute(
        select(forge_budgets.c.spent_until).where(of_forge).with_for_update()
    ).scalar_one()
    after = max(now, spent_until) + count * share
    furthest = max(_BURST, count) * share
    if after - now > furthest:
        return after - furthest
    connection.execute(update(forge_budgets).where(of_forge).values(spent_until=after))
    return None


def block(connection: Connection, forge: str, *, until: datetime, why: str, now: datetime) -> None:
    """Leave a forge alone until then; what is longer stands."""
    insert_absent(connection, forge_budgets, {"forge": forge, "spent_until": now})
    known = forge_budgets.c.blocked_until
    is_longer = or_(known.is_(None), known < until)
    connection.execute(
        update(forge_budgets).where(forge_budgets.c.forge == forge, is_longer).values(blocked_until=until, why=why)
    )


def blocked(connection: Connection, now: datetime) -> Mapping[str, datetime]:
    """The forges that want to be left alone, each with until when."""
    wanted = select(forge_budgets.c.forge, forge_budgets.c.blocked_until)
    found = connection.execute(wanted.where(forge_budgets.c.blocked_until > now))
    return {row.forge: row.blocked_until for row in found}
