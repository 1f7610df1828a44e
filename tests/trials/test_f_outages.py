"""F: while the database is away the log tells it once, once a minute, and once when it is back (F12)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from app.db.database import Database
from app.services.systems import Systems
from app.services.work.troubles import Troubles
from app.worker import Workers
from tests.servers.postgres import Postgres
from tests.servers.relay import Relay, relaying
from tests.workers import PATIENCE_S


class Outage:
    """Workers over a database that can be away; `minutes` and seconds pass when they are told to."""

    def __init__(self, workers: Workers, relay: Relay) -> None:
        self.workers, self.relay = workers, relay
        self.passed_s = 0.0

    def work(self, steps: int) -> None:
        """Wait until so many steps were taken."""
        for _ in range(steps):
            with self.workers.stepped:
                self.workers.wake()
                assert self.workers.stepped.wait(PATIENCE_S)


@contextmanager
def working(postgres: Postgres, url: str) -> Iterator[Outage]:
    with relaying(postgres.port) as relay:
        database = Database(url.replace(f":{postgres.port}/", f":{relay.port}/"))
        workers = Workers(database=database, systems=Systems(), clock=lambda: datetime.now(UTC), count=4)
        outage = Outage(workers, relay)
        workers.troubles = Troubles(lambda: outage.passed_s)
        workers.start()
        try:
            yield outage
        finally:
            relay.be_back()
            workers.stop()
            database.close()


def test_a_database_that_is_away_is_told_when_it_begins_each_minute_and_when_it_ends(
    postgres: Postgres, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fluxbridge.troubles")

    def told() -> list[str]:
        return [one.getMessage() for one in caplog.records if "a worker step" in one.getMessage()]

    with working(postgres, postgres_url) as outage:
        outage.work(2)
        outage.relay.be_gone()
        outage.work(12)
        [began] = told()
        assert "a worker step did not work; it is tried again" in began
        outage.passed_s += 61
        outage.work(12)
        assert len(told()) == 2
        outage.relay.be_back()
        outage.work(12)  # also what began before that and still fails
        outage.passed_s += 20
        outage.work(12)
        assert "a worker step works again" in told()[-1]
        assert len(told()) == 3
