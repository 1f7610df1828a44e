"""Selections, kept push by push."""

import sqlalchemy as sa
from alembic import op

revision = "selections"
down_revision = "first_tables"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and the indexes by which the tags and builds of a digest are found."""
    op.create_table(
        "selections",
        sa.Column("image", sa.String(length=400), nullable=False),
        sa.Column("spec_hash", sa.String(length=64), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("engine", sa.Integer(), nullable=False),
        sa.Column("standing", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("image", "spec_hash", name=op.f("pk_selections")),
    )
    op.add_column("policies", sa.Column("repository", sa.String(length=400), nullable=True))
    op.create_index("ix_policies_repository", "policies", ["repository"], unique=False)
    op.add_column("repositories", sa.Column("version", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_tags_image_digest", "tags", ["image", "digest"], unique=False)
    op.create_index("ix_build_artifacts_image_digest", "build_artifacts", ["image", "digest"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_build_artifacts_image_digest", table_name="build_artifacts")
    op.drop_index("ix_tags_image_digest", table_name="tags")
    op.drop_column("repositories", "version")
    op.drop_index("ix_policies_repository", table_name="policies")
    op.drop_column("policies", "repository")
    op.drop_table("selections")
