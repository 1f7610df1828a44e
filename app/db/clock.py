"""One clock for all processes on one database."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from app.db.database import Database

_NOTICED_S = 60.0


class SharedClock:
    """The database server's time as this process keeps it: its own clock and the offset that was last measured.

    Decisions compare times that several processes wrote down, so all of them have to go by one machine's clock.
    """

    def __init__(
        self, database: Database, own: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._own, self._monotonic = database, own, monotonic
        self._offset = timedelta(0)
        self._most_ahead = self._ahead(own())

    def __call__(self) -> datetime:
        """The present time by the database server."""
        now = self._own() + self._offset
        self._most_ahead = max(self._most_ahead, self._ahead(now))
        return now

    def has_gone_back(self) -> bool:
        """Whether a time that it gave since this was last asked was ahead, by more than a minute, of what it is now."""
        ahead = self._ahead(self())
        has_gone_back = self._most_ahead - ahead > _NOTICED_S
        self._most_ahead = ahead
        return has_gone_back

    def _ahead(self, now: datetime) -> float:
        return now.timestamp() - self._monotonic()

    def measure(self) -> None:
        """Ask the server for its time; to be called outside transactions. A SQLite file has no clock of its own."""
        if self._database.is_sqlite:
            return
        with self._database.transaction() as connection:
            now = self._database.server_now(connection)
            if now is not None:
                self._offset = now - self._own()
