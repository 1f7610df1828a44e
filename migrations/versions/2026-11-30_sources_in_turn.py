"""Sources take turns: what is due next of each is found by an index."""

from alembic import op

revision = "sources_in_turn"
down_revision = "at_once"
branch_labels = None
depends_on = None

_INDEX, _COLUMNS = "ix_deliveries_state_source_due_at", ["state", "source", "due_at"]


def upgrade() -> None:
    """Make the index."""
    op.create_index(_INDEX, "deliveries", _COLUMNS)


def downgrade() -> None:
    """Drop the index."""
    op.drop_index(_INDEX, "deliveries")
