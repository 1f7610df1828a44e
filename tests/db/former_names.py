"""What versions before called otherwise in the database, and what it is called now."""

TABLES = {"owed_looks": "owed_answers", "standings": "cluster_states", "held_back": "storms"}
COLUMNS = {
    "tags": {"looked_at": "asked_at"},
    "sweep_marks": {"looked_at": "marked_at"},
    "selections": {"standing": "stored_choice"},
    "storms": {"held_at": "since"},
}
"""By the table's present name."""


def table_now(name: str) -> str:
    """The present name of a table that a version before had."""
    return TABLES.get(name, name)


def column_now(table: str, name: str) -> str:
    """The present name of a column; `table` is called as it is now."""
    return COLUMNS.get(table, {}).get(name, name)
