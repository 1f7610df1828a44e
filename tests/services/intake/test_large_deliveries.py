"""A delivery of very many facts is written in parts: webhooks are kept in between, and nothing of it is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, func, select

from app.db import catalogue
from app.db.deliveries import DeliveryState
from tests.services.broken_database import BrokenDatabase
from tests.services.intake.webhooks import Site, envelope, push_event

COUNT = 230


@dataclass
class CountedDatabase(BrokenDatabase):
    """Counts the tags that each transaction wrote."""

    written: tuple[int, ...] = ()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self.real.transaction() as connection:
            before = count_tags(connection)
            yield connection
            self.written = (*self.written, count_tags(connection) - before)
            if self.lost_commits and len(self.written) > 1:
                self.lost_commits -= 1
                self._fail()


def count_tags(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(catalogue.tags)).scalar_one()


@pytest.fixture
def many(site: Site) -> Site:
    """A delivery with hundreds of pushes waits."""
    tags = [f"1.0.{number}" for number in range(COUNT)]
    site.keep("registry", envelope(*(push_event(tag, site.put_image(tag)) for tag in tags)))
    return site


def test_it_is_written_in_parts_and_ends_with_the_last(many: Site) -> None:
    counted = CountedDatabase(many.database)
    claim = many.claim()
    many.interpreter(counted).interpret(claim)  # type: ignore[arg-type]
    parts = [count for count in counted.written if count]
    assert sum(parts) == COUNT
    assert len(parts) > 3
    assert max(parts) <= 100
    row = many.delivery(claim.id)
    assert row.state is DeliveryState.DONE
    many.check_choices()


def test_broken_off_between_two_parts_it_is_written_to_its_end_the_next_time(many: Site) -> None:
    broken = CountedDatabase(many.database, lost_commits=1)
    claim = many.claim()
    many.interpreter(broken).interpret(claim)  # type: ignore[arg-type]
    row = many.delivery(claim.id)
    assert (row.state, row.attempts) == (DeliveryState.WAITING, 0)
    many.now = row.due_at
    assert many.interpret().state is DeliveryState.DONE
    with many.database.transaction() as connection:
        assert count_tags(connection) == COUNT
