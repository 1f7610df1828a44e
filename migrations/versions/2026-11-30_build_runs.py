"""Several runs of one build number, for jobs that were deleted and made anew, and the lives of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "build_runs"
down_revision = "sweeps"
branch_labels = None
depends_on = None

_OLD, _NEW = ("controller", "job", "number"), ("controller", "job", "number", "run")


def upgrade() -> None:
    """Every build that is known is the first run of its number, in the first life of its job."""
    op.add_column("builds", sa.Column("run", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("builds", sa.Column("life", sa.Integer(), nullable=False, server_default="1"))
    _constrain(_OLD, _NEW)
    op.create_index("ix_builds_controller_job_life", "builds", ["controller", "job", "life"], unique=False)


def downgrade() -> None:
    """Of each number the newest run stays, as another version knows one only."""
    older, newer = _known(), _known().alias()
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
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(f"uq_builds_{'_'.join(old)}", "builds", type_="unique")
        op.create_unique_constraint(f"uq_builds_{'_'.join(new)}", "builds", list(new))
        return
    # SQLite changes no constraint of a table. The artifacts refer to the builds also while these are written anew:
    # what they refer to is looked at when the transaction ends.
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute("CREATE TABLE builds_kept AS SELECT * FROM builds")
    op.drop_table("builds")
    _make(new)
    kept, made = _known("builds_kept"), _known()
    op.execute(sa.insert(made).from_select(list(kept.c), sa.select(kept)))
    op.drop_table("builds_kept")


_COLUMNS = (
    ("id", sa.String(length=32), False),
    ("controller", sa.String(length=64), False),
    ("job", sa.String(length=1000), False),
    ("number", sa.Integer(), False),
    ("result", sa.String(length=16), False),
    ("url", sa.Text(), True),
    ("started_at", sa.BigInteger(), True),
    ("finished_at", sa.BigInteger(), True),
    ("commit", sa.String(length=64), True),
    ("branch", sa.Text(), True),
    ("git_tag", sa.Text(), True),
    ("git_url", sa.Text(), True),
    ("change_id", sa.Text(), True),
    ("is_ours", sa.Boolean(), False),
    ("tests", sa.JSON(), True),
    ("parameters", sa.JSON(), False),
    ("source", sa.String(length=64), False),
    ("delivery_id", sa.String(length=32), True),
    ("recorded_at", sa.BigInteger(), False),
)
_COUNTED = ("run", "life")
_AT_ONCE = 500


def _known(name: str = "builds") -> sa.TableClause:
    return sa.table(name, *(sa.column(each) for each in (*(one for one, _, _ in _COLUMNS), *_COUNTED)))


def _make(unique: tuple[str, ...]) -> None:
    op.create_table(
        "builds",
        *(sa.Column(name, kind, nullable=is_nullable) for name, kind, is_nullable in _COLUMNS),
        *(sa.Column(name, sa.Integer(), nullable=False, server_default="1") for name in _COUNTED),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_builds")),
        sa.UniqueConstraint(*unique, name=op.f(f"uq_builds_{'_'.join(unique)}")),
    )
    op.create_index("ix_builds_job_id", "builds", ["job", "id"], unique=False)
