"""Lanes run at once: since when one has waited is of no use any more."""

import sqlalchemy as sa
from alembic import op

revision = "at_once"
down_revision = "owed_looks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the column."""
    op.drop_column("lanes", "first_at")


def downgrade() -> None:
    """Make it again; what waits has done so since it became due."""
    op.add_column("lanes", sa.Column("first_at", sa.BigInteger(), nullable=True))
    op.execute("UPDATE lanes SET first_at = due_at")
