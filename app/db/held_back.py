"""What sweeps found too much of at once: held back until a person confirms it."""

from sqlalchemy import Column, Integer, Table

from app.db.tables import Instant, SafeString, SafeText, metadata

held_back = Table(
    "held_back",
    metadata,
    Column("sweep", SafeString(64), primary_key=True),
    Column("key", SafeString(1200), primary_key=True),
    Column("found", Integer, nullable=False),
    Column("sample", SafeText, nullable=False),
    Column("held_at", Instant, nullable=False),
)
