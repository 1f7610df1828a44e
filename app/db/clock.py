"""One clock for all processes on one database."""

from collections.abc import Callable
from datetime import datetime, timedelta

from app.db.database import Database


class SharedClock:
    """The database server's time as this process keeps it: its own clock and the offset that was last measured.

    Decisions compare times that several processes wrote down, so all of them have to go by one machine's clock.
    """

    def __init__(self, database: Database, own: Callable[[], datetime]) -> None:
        self._database, self._own = database, own
        self._offset = timedelta(0)

    def __call__(self) -> datetime:
        """The present time by the database server."""
        return self._own() + self._offset

    def measure(self) -> None:
        """Ask the server for its time; to be called outside transactions. A SQLite file has no clock of its own."""
        if self._database.is_sqlite:
            return
        with self._database.transaction() as connection:
            self._offset = self._database.lease_clock(connection) - self._own()
