"""Holds that people add and lift, also for several lanes, for tags of an image and for digests, and those in Git."""

import sqlalchemy as sa
from alembic import op

revision = "holds_of_people"
down_revision = "closing_pull_requests"
branch_labels = None
depends_on = None

_NEW = ("repo", "image", "digest", "is_in_git", "lifted_by", "lifted_why")


def upgrade() -> None:
    """Let a hold be for every lane or those of a repository, and have an image, a digest and who lifted it."""
    with op.batch_alter_table("holds") as holds:
        holds.alter_column("lane", existing_type=sa.String(length=400), nullable=True)
        holds.add_column(sa.Column("repo", sa.String(length=64), nullable=True))
        holds.add_column(sa.Column("image", sa.String(length=400), nullable=True))
        holds.add_column(sa.Column("digest", sa.String(length=255), nullable=True))
        holds.add_column(sa.Column("is_in_git", sa.Boolean(), nullable=False, server_default=sa.false()))
        holds.add_column(sa.Column("lifted_by", sa.Text(), nullable=True))
        holds.add_column(sa.Column("lifted_why", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop those that the version before cannot tell, or would take for wider ones."""
    op.execute("DELETE FROM holds WHERE lane IS NULL OR image IS NOT NULL OR digest IS NOT NULL OR is_in_git")
    with op.batch_alter_table("holds") as holds:
        for name in _NEW:
            holds.drop_column(name)
        holds.alter_column("lane", existing_type=sa.String(length=400), nullable=False)
