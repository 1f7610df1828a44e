"""Schedules: when each sweep is due, and who runs it now."""

from sqlalchemy import BigInteger, Column, Integer, Table

from app.db.tables import Instant, SafeString, SafeText, metadata

schedules = Table(
    "schedules",
    metadata,
    Column("name", SafeString(64), primary_key=True),
    Column("next_at", Instant, nullable=False),
    Column("owner", SafeString(64)),
    Column("lease_until", Instant),
    Column("fence", BigInteger, nullable=False),
    Column("last_started_at", Instant),
    Column("last_ended_at", Instant),
    Column("last_found", Integer),
    Column("last_error", SafeText),
)
