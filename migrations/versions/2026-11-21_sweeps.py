"""Sweeps on a schedule, budgets of forges, what is counted over all processes, and indexes for long lists."""

import sqlalchemy as sa
from alembic import op

revision = "sweeps"
down_revision = "selections"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and the columns for dropped bodies, the age of a lease and what pull requests say."""
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("last_started_at", sa.BigInteger(), nullable=True),
        sa.Column("last_ended_at", sa.BigInteger(), nullable=True),
        sa.Column("last_found", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
    )
    op.create_index("ix_schedules_next_at", "schedules", ["next_at"], unique=False)
    op.create_table(
        "sweep_marks",
        sa.Column("sweep", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=1200), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sweep", "key", name=op.f("pk_sweep_marks")),
    )
    op.create_table(
        "held_back",
        sa.Column("sweep", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=1200), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("sample", sa.Text(), nullable=False),
        sa.Column("held_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sweep", "key", name=op.f("pk_held_back")),
    )
    op.create_table(
        "measures",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "label", name=op.f("pk_measures")),
    )
    op.create_table(
        "forge_budgets",
        sa.Column("forge", sa.String(length=400), nullable=False),
        sa.Column("spent_until", sa.BigInteger(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("forge", name=op.f("pk_forge_budgets")),
    )
    op.add_column("deliveries", sa.Column("dropped_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_deliveries_dropped_at_ended_at", "deliveries", ["dropped_at", "ended_at"], unique=False)
    op.create_index("ix_deliveries_state_id", "deliveries", ["state", "id"], unique=False)
    op.create_index("ix_builds_job_id", "builds", ["job", "id"], unique=False)
    op.create_index("ix_promotions_state_id", "promotions", ["state", "id"], unique=False)
    op.add_column("pull_requests", sa.Column("text_hash", sa.String(length=64), nullable=True))
    op.add_column("lanes", sa.Column("claimed_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("lanes", "claimed_at")
    op.drop_column("pull_requests", "text_hash")
    op.drop_index("ix_promotions_state_id", table_name="promotions")
    op.drop_index("ix_builds_job_id", table_name="builds")
    op.drop_index("ix_deliveries_state_id", table_name="deliveries")
    op.drop_index("ix_deliveries_dropped_at_ended_at", table_name="deliveries")
    op.drop_column("deliveries", "dropped_at")
    for name in ("forge_budgets", "measures", "held_back", "sweep_marks", "schedules"):
        op.drop_table(name)
