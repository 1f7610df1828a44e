"""How far each sweep has looked: for every Jenkins job the number up to which all its builds are known."""

from sqlalchemy import BigInteger, Column, Table

from app.db.tables import Instant, SafeString, metadata

sweep_marks = Table(
    "sweep_marks",
    metadata,
    Column("sweep", SafeString(64), primary_key=True),
    Column("key", SafeString(1200), primary_key=True),
    Column("mark", BigInteger, nullable=False),
    Column("looked_at", Instant, nullable=False),
)
