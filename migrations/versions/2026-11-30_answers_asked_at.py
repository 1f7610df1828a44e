"""Each answer about a tag carries when it was asked."""

import sqlalchemy as sa
from alembic import op

revision = "answers_asked_at"
down_revision = "long_digests"
branch_labels = None
depends_on = None

_TIMES = ("digest_at", "told_at", "refuted_at", "missed_at", "missed_before_at")


def upgrade() -> None:
    """Keep what is known: digests that the registry told, tags that are gone, and lists without them."""
    for name in _TIMES:
        op.add_column("tags", sa.Column(name, sa.BigInteger(), nullable=True))
    op.execute("UPDATE tags SET digest_at = looked_at WHERE digest IS NOT NULL")
    # What only a sender had told of, and the registry did not have.
    op.execute("UPDATE tags SET refuted_at = first_seen_at WHERE is_deleted AND looked_at IS NULL")
    op.execute("UPDATE tags SET is_deleted = FALSE WHERE looked_at IS NULL")
    op.execute("UPDATE tags SET missed_at = COALESCE(looked_at, first_seen_at) WHERE missed_listings > 0")
    op.execute("UPDATE tags SET missed_before_at = missed_at WHERE missed_listings > 1")
    op.drop_column("tags", "missed_listings")


def downgrade() -> None:
    """Count the lists again."""
    op.add_column("tags", sa.Column("missed_listings", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE tags SET missed_listings = 1 WHERE missed_at IS NOT NULL")
    op.execute("UPDATE tags SET missed_listings = 2 WHERE missed_before_at IS NOT NULL")
    op.execute("UPDATE tags SET is_deleted = TRUE WHERE looked_at IS NULL AND refuted_at IS NOT NULL")
    for name in _TIMES:
        op.drop_column("tags", name)
    with op.batch_alter_table("tags") as batch:
        batch.alter_column("missed_listings", existing_type=sa.Integer(), server_default=None)
