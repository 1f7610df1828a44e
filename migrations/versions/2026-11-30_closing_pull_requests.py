"""When we were about to close a pull request, for forges that do not tell who closed it."""

import sqlalchemy as sa
from alembic import op

revision = "closing_pull_requests"
down_revision = "wide_holds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody is about to close anything."""
    op.add_column("pull_requests", sa.Column("closing_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop it: closings are those that the forge tells."""
    op.drop_column("pull_requests", "closing_at")
