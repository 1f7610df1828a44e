"""What registries have still to say."""

import sqlalchemy as sa
from alembic import op

revision = "owed_looks"
down_revision = "listing_problems"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "owed_looks",
        sa.Column("image", sa.String(length=400), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("is_deletion", sa.Boolean(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("wanted_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("image", "reference", name=op.f("pk_owed_looks")),
    )
    op.create_index("ix_owed_looks_due_at", "owed_looks", ["due_at"], unique=False)


def downgrade() -> None:
    """Drop it: what was still owed is found by the sweeps."""
    op.drop_index("ix_owed_looks_due_at", table_name="owed_looks")
    op.drop_table("owed_looks")
