"""Digests of every algorithm that OCI knows have room."""

import sqlalchemy as sa
from alembic import op

revision = "long_digests"
down_revision = "standings"
branch_labels = None
depends_on = None

_COLUMNS = (("tags", True), ("pushes", False), ("build_artifacts", False), ("promotions", True))


def upgrade() -> None:
    """Widen them."""
    _resize(80, 255)


def downgrade() -> None:
    """Forget what has no room any more, and narrow them."""
    for table, is_nullable in _COLUMNS:
        empty = "NULL" if is_nullable else "substr(digest, 1, 80)"
        op.execute(f"UPDATE {table} SET digest = {empty} WHERE length(digest) > 80")  # noqa: S608 (names of ours)
    _resize(255, 80)


def _resize(before: int, after: int) -> None:
    for table, is_nullable in _COLUMNS:
        with op.batch_alter_table(table) as batch:
            batch.alter_column(
                "digest",
                existing_type=sa.String(length=before),
                type_=sa.String(length=after),
                existing_nullable=is_nullable,
            )
