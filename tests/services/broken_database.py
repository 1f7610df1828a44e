"""A database that fails when a test says so, at the start of a transaction or at its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.db.database import Database, DatabaseUnavailable


@dataclass
class BrokenDatabase:
    """The real one, except that while `is_down` no transaction starts, and the next `lost_commits` keep nothing."""

    real: Database
    is_down: bool = False
    lost_commits: int = 0
    failures: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, if it may be."""
        if self.is_down:
            self._fail()
        with self.real.transaction() as connection:
            yield connection
            if self.lost_commits:
                self.lost_commits -= 1
                self._fail()

    def _fail(self) -> None:
        self.failures += 1
        raise DatabaseUnavailable("it was pulled out")
