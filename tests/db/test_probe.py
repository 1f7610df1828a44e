"""The probe tells whether a delivery could be kept, and leaves nothing behind."""

from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.errors import Unavailable
from app.db import deliveries
from app.db.database import Database
from app.db.probe import NotWritable, prove_write


def test_where_all_is_well_nothing_is_left_behind(database: Database) -> None:
    for _ in range(3):
        prove_write(database)
    with database.transaction() as connection:
        assert deliveries.counts_by_state(connection) == {}


def test_a_database_without_room_is_told(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.transaction() as connection:
        connection.execute(text("PRAGMA max_page_count=1"))
    with pytest.raises(Unavailable, match="full"):
        prove_write(database)
    database.close()


class Elsewhere(Database):
    """A database whose file system is another one."""

    folder = Path("/proc/1/nowhere")


def test_a_folder_that_takes_no_file_is_told(sqlite_url: str) -> None:
    database = Elsewhere(sqlite_url)
    with pytest.raises(NotWritable, match="disk is mounted"):
        prove_write(database)
    database.close()
