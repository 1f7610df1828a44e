"""What people asked for, to roll back or to promote, with the holds and pull requests that come of it."""

import sqlalchemy as sa
from alembic import op

revision = "requests"
down_revision = "plain_names"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep requests, and tell of holds and pull requests which made them."""
    op.create_table(
        "requests",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("lane", sa.String(length=400), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("targets", sa.JSON(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("is_forced", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("pull_request", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    op.create_index("ix_requests_lane_state", "requests", ["lane", "state"])
    with op.batch_alter_table("holds") as holds:
        holds.add_column(sa.Column("ceiling", sa.String(length=128), nullable=True))
        holds.add_column(sa.Column("request", sa.String(length=32), nullable=True))
    with op.batch_alter_table("pull_requests") as pull_requests:
        pull_requests.add_column(sa.Column("request", sa.String(length=32), nullable=True))


def downgrade() -> None:
    """Drop them, with the holds that the version before cannot tell."""
    op.execute("DELETE FROM holds WHERE kind = 'rolled back'")
    with op.batch_alter_table("pull_requests") as pull_requests:
        pull_requests.drop_column("request")
    with op.batch_alter_table("holds") as holds:
        holds.drop_column("request")
        holds.drop_column("ceiling")
    op.drop_index("ix_requests_lane_state", table_name="requests")
    op.drop_table("requests")
