"""Budgets: how much all processes together have asked of each forge, and until when it wants to be left alone."""

from sqlalchemy import Column, Integer, Table

from app.db.tables import Instant, SafeString, SafeText, metadata

forge_budgets = Table(
    "forge_budgets",
    metadata,
    Column("forge", SafeString(400), primary_key=True),
    Column("window_at", Instant, nullable=False),
    Column("writes", Integer, nullable=False),
    Column("blocked_until", Instant),
    Column("why", SafeText),
)
