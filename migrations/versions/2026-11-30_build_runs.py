"""Several runs of one build number, for jobs that were deleted and made anew, and the lives of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "build_runs"
down_revision = "sweeps"
branch_labels = None
depends_on = None

_OLD, _NEW = ("controller", "job", "number"), ("controller", "job", "number", "run")
_AT_ONCE = 500


def upgrade() -> None:
    """Every build that is known is the first run of its number, in the first life of its job."""
    op.add_column("builds", sa.Column("run", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("builds", sa.Column("life", sa.Integer(), nullable=False, server_default="1"))
    _constrain(_OLD, _NEW)
    op.create_index("ix_builds_controller_job_life", "builds", ["controller", "job", "life"], unique=False)


def downgrade() -> None:
    """Of each number the newest run stays, as another version knows one only."""
    older = sa.table("builds", *map(sa.column, ("id", *_NEW)))
    newer = older.alias()
    is_same = sa.and_(*(older.c[name] == newer.c[name] for name in _OLD), older.c.run < newer.c.run)
    dropped = sa.select(older.c.id).where(sa.exists().where(is_same)).correlate(None)
    ids = list(op.get_bind().execute(dropped).scalars())
    artifacts = sa.table("build_artifacts", sa.column("build_id"))
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        op.execute(sa.delete(artifacts).where(artifacts.c.build_id.in_(some)))
        op.execute(sa.delete(older).where(older.c.id.in_(some)))
    op.drop_index("ix_builds_controller_job_life", table_name="builds")
    _constrain(_NEW, _OLD)
    op.drop_column("builds", "life")
    op.drop_column("builds", "run")


def _constrain(old: tuple[str, ...], new: tuple[str, ...]) -> None:
    """Have other columns unique together."""
    with op.batch_alter_table("builds") as batch:
        batch.drop_constraint(f"uq_builds_{'_'.join(old)}", type_="unique")
        batch.create_unique_constraint(f"uq_builds_{'_'.join(new)}", list(new))
