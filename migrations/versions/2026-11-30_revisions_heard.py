"""What is known of a revision besides its result: branch, delivery, why it is of no use, and work without result."""

import sqlalchemy as sa
from alembic import op

revision = "revisions_heard"
down_revision = "lane_problem"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("began_at", sa.BigInteger()),
    ("branch", sa.Text()),
    ("delivery_id", sa.String(length=32)),
    ("unused", sa.Text()),
    ("underway_reason", sa.Text()),
    ("underway_message", sa.Text()),
    ("underway_revision", sa.Text()),
    ("underway_at", sa.BigInteger()),
)


def upgrade() -> None:
    """Add the columns; of what was told before nothing of it is known."""
    for name, kind in _COLUMNS:
        op.add_column("revisions", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    """Drop them, and the rows that hold nothing else."""
    op.execute(sa.text("DELETE FROM revisions WHERE revision = ''"))
    for name, _ in reversed(_COLUMNS):
        op.drop_column("revisions", name)
