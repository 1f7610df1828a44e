"""What the last run of a lane could not bring about."""

import sqlalchemy as sa
from alembic import op

revision = "lane_problem"
down_revision = "build_runs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column."""
    op.add_column("lanes", sa.Column("problem", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("lanes", "problem")
