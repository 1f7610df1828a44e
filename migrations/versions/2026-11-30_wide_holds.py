"""Holds that reach further than one policy in one stage, and end by themselves."""

import sqlalchemy as sa
from alembic import op

revision = "wide_holds"
down_revision = "outbox"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a hold be for every stage, policy or tag, and have an end."""
    with op.batch_alter_table("holds") as holds:
        holds.alter_column("stage", existing_type=sa.String(length=64), nullable=True)
        holds.alter_column("policy", existing_type=sa.Text(), nullable=True)
        holds.alter_column("tags", existing_type=sa.JSON(), nullable=True)
        holds.add_column(sa.Column("until", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop those that the version before cannot tell."""
    op.execute("DELETE FROM holds WHERE stage IS NULL OR policy IS NULL OR tags IS NULL")
    with op.batch_alter_table("holds") as holds:
        holds.drop_column("until")
        holds.alter_column("stage", existing_type=sa.String(length=64), nullable=False)
        holds.alter_column("policy", existing_type=sa.Text(), nullable=False)
        holds.alter_column("tags", existing_type=sa.JSON(), nullable=False)
