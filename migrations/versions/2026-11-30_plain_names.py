"""What had a name of several meanings has one of its own."""

from alembic import op

revision = "plain_names"
down_revision = "holds_of_people"
branch_labels = None
depends_on = None

_TABLES = (
    ("owed_looks", "owed_answers", ("image", "reference")),
    ("standings", "cluster_states", ("lane", "stage", "policy", "cluster", "kustomization")),
    ("held_back", "storms", ("sweep", "key")),
)
_COLUMNS = (
    ("tags", "looked_at", "asked_at"),
    ("sweep_marks", "looked_at", "marked_at"),
    ("selections", "standing", "stored_choice"),
    ("storms", "held_at", "since"),
)


def upgrade() -> None:
    """Rename tables with their rows, keys and indexes, and columns."""
    for old, new, key in _TABLES:
        _rename_table(old, new, key)
    _rename_index("ix_owed_looks_due_at", "ix_owed_answers_due_at", "owed_answers", ["due_at"])
    for table, before, after in _COLUMNS:
        _rename_column(table, before, after)


def downgrade() -> None:
    """Give them their former names."""
    for table, before, after in _COLUMNS:
        _rename_column(table, after, before)
    for old, new, key in _TABLES:
        _rename_table(new, old, key)
    _rename_index("ix_owed_answers_due_at", "ix_owed_looks_due_at", "owed_looks", ["due_at"])


def _rename_table(before: str, after: str, key: tuple[str, ...]) -> None:
    op.rename_table(before, after)
    with op.batch_alter_table(after) as table:
        table.drop_constraint(f"pk_{before}", type_="primary")
        table.create_primary_key(f"pk_{after}", list(key))


def _rename_index(before: str, after: str, table: str, columns: list[str]) -> None:
    op.drop_index(before, table_name=table)
    op.create_index(after, table, columns, unique=False)


def _rename_column(table: str, before: str, after: str) -> None:
    # SQLite can do it, too: nothing has to be copied.
    op.execute(f"ALTER TABLE {table} RENAME COLUMN {before} TO {after}")
