"""Why the list of a repository is none stands with the repository."""

import sqlalchemy as sa
from alembic import op

revision = "listing_problems"
down_revision = "answers_asked_at"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it, and when the registry was asked."""
    op.add_column("repositories", sa.Column("listing_problem", sa.Text(), nullable=True))
    op.add_column("repositories", sa.Column("listing_failed_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop both."""
    op.drop_column("repositories", "listing_failed_at")
    op.drop_column("repositories", "listing_problem")
