"""Standings, and applications of which each is a change: lines that only repeat the one before are marked as such."""

import sqlalchemy as sa
from alembic import op

revision = "standings"
down_revision = "revisions_heard"
branch_labels = None
depends_on = None

_PLACE = ("lane", "stage", "policy", "cluster", "kustomization")
_RUNS = ("applied",)


def upgrade() -> None:
    """Make the table and the columns, and fill both from the lines that there are."""
    op.create_table(
        "standings",
        sa.Column("lane", sa.String(length=400), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("cluster", sa.String(length=64), nullable=False),
        sa.Column("kustomization", sa.String(length=512), nullable=False),
        sa.Column("is_expected", sa.Boolean(), nullable=False),
        sa.Column("promotion_id", sa.String(length=32), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("hindrance", sa.Text(), nullable=True),
        sa.Column("newest_id", sa.Integer(), nullable=True),
        sa.Column("running_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint(*_PLACE, name=op.f("pk_standings")),
    )
    op.add_column("applications", sa.Column("newest_revision", sa.Text(), nullable=True))
    op.add_column("applications", sa.Column("newest_commit", sa.String(length=64), nullable=True))
    op.add_column("applications", sa.Column("newest_at", sa.BigInteger(), nullable=True))
    op.add_column("applications", sa.Column("is_repeat", sa.Boolean(), nullable=False, server_default=sa.false()))
    _fill(op.get_bind())


def downgrade() -> None:
    """Drop them; the lines that were marked are lines again."""
    for name in ("is_repeat", "newest_at", "newest_commit", "newest_revision"):
        op.drop_column("applications", name)
    op.drop_table("standings")


def _fill(connection: sa.Connection) -> None:
    meta = sa.MetaData()
    applications = sa.Table("applications", meta, autoload_with=connection)
    promotions = sa.Table("promotions", meta, autoload_with=connection)
    standings = sa.Table("standings", meta, autoload_with=connection)
    place = (promotions.c.lane, promotions.c.stage, promotions.c.policy)
    lines = (
        sa.select(*place, applications)
        .join(promotions, promotions.c.id == applications.c.promotion_id)
        .order_by(applications.c.id)
    )
    newest: dict[tuple[str, ...], sa.Row[tuple[object, ...]]] = {}
    running: dict[tuple[str, ...], int] = {}
    last_of: dict[int, sa.Row[tuple[object, ...]]] = {}
    for row in connection.execute(lines).all():
        key = (row.lane, row.stage, row.policy, row.cluster, row.kustomization)
        before = newest.get(key)
        if before is not None and (before.promotion_id, before.state) == (row.promotion_id, row.state):
            connection.execute(applications.update().where(applications.c.id == row.id).values(is_repeat=True))
            last_of[before.id] = row
            continue
        newest[key] = row
        if row.state in _RUNS:
            running[key] = row.id
    for first, row in last_of.items():
        told = {"newest_revision": row.revision, "newest_commit": row.commit, "newest_at": row.at}
        connection.execute(applications.update().where(applications.c.id == first).values(told))
    for at, row in newest.items():
        values = {**dict(zip(_PLACE, at, strict=True)), "newest_id": row.id, "running_id": running.get(at)}
        connection.execute(standings.insert().values(is_expected=False, **values))
