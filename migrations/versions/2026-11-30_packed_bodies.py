"""Bodies are packed, and those of deliveries that ended are counted by source and day."""

import zlib

import sqlalchemy as sa
from alembic import op

revision = "packed_bodies"
down_revision = "sources_in_turn"
branch_labels = None
depends_on = None

_DAY_MS = 86_400_000
_AT_ONCE = 50


def upgrade() -> None:
    """Bodies that are there stay as they are; those that are kept are counted."""
    op.add_column("deliveries", sa.Column("unpacked_bytes", sa.Integer(), nullable=True))
    op.create_table(
        "kept_bodies",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "day", name=op.f("pk_kept_bodies")),
    )
    op.execute(
        f"INSERT INTO kept_bodies (source, day, bytes) "  # noqa: S608 (a number of ours)
        f"SELECT source, received_at / {_DAY_MS}, sum(length(body)) FROM deliveries "
        f"WHERE ended_at IS NOT NULL AND dropped_at IS NULL GROUP BY source, received_at / {_DAY_MS}"
    )


def downgrade() -> None:
    """Unpack what was packed, some bodies at a time."""
    told = sa.table("deliveries", sa.column("id"), sa.column("body", sa.LargeBinary), sa.column("unpacked_bytes"))
    packed = sa.select(told.c.id, told.c.body).where(told.c.unpacked_bytes.is_not(None)).limit(_AT_ONCE)
    connection = op.get_bind()
    while rows := connection.execute(packed).all():
        for row in rows:
            unpacked = sa.update(told).where(told.c.id == row.id)
            connection.execute(unpacked.values(body=zlib.decompress(row.body), unpacked_bytes=None))
    op.drop_table("kept_bodies")
    op.drop_column("deliveries", "unpacked_bytes")
