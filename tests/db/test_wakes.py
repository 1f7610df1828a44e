"""Processes on one PostgreSQL hear of each other's work at once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, make_url, text

from app.db import deliveries, lanes
from app.db.database import Database
from app.db.wakes import Listener
from tests.db.facts import NOW, delivery

PATIENCE_S = 20.0


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Database]:
    """A database that several processes share, with a lane."""
    database = Database(postgres_url)
    with database.transaction() as connection:
        lanes.ensure(connection, "fleet", "main", NOW)
    yield database
    database.close()


@contextmanager
def listening(url: str, *, wakes: threading.Semaphore) -> Iterator[None]:
    """Listen in a thread; its first wake tells that it listens."""
    stopping = threading.Event()
    thread = threading.Thread(target=Listener(lambda: make_url(url), wakes.release).listen, args=(stopping,))
    thread.start()
    try:
        assert wakes.acquire(timeout=PATIENCE_S)
        yield
    finally:
        stopping.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def keep_one(connection: Connection) -> None:
    deliveries.keep(connection, delivery())


def want_a_lane(connection: Connection) -> None:
    lanes.raise_wanted(connection, ["fleet:main"], now=NOW)


def replay_one(connection: Connection) -> None:
    assert deliveries.replay(connection, deliveries.keep(connection, delivery()), now=NOW + timedelta(1))


@pytest.mark.parametrize("work", [keep_one, want_a_lane, replay_one])
def test_work_wakes_other_processes(shared: Database, postgres_url: str, work: Callable[[Connection], None]) -> None:
    wakes = threading.Semaphore(0)
    with listening(postgres_url, wakes=wakes):
        with shared.transaction() as connection:
            work(connection)
        assert wakes.acquire(timeout=PATIENCE_S)


def _keep_and_fail(connection: Connection) -> None:
    keep_one(connection)
    raise ZeroDivisionError


def test_work_that_was_rolled_back_wakes_nobody(shared: Database, postgres_url: str) -> None:
    wakes = threading.Semaphore(0)
    with listening(postgres_url, wakes=wakes):
        with pytest.raises(ZeroDivisionError), shared.transaction() as connection:
            _keep_and_fail(connection)
        with shared.transaction() as connection:
            keep_one(connection)
        assert wakes.acquire(timeout=PATIENCE_S)
        assert not wakes.acquire(blocking=False)


def test_a_lost_connection_is_made_anew_and_counts_as_a_wake(shared: Database, postgres_url: str) -> None:
    wakes = threading.Semaphore(0)
    with listening(postgres_url, wakes=wakes):
        with shared.transaction() as connection:
            ended = connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
            )
            assert ended.scalars().all() == [True]
        assert wakes.acquire(timeout=PATIENCE_S)
        with shared.transaction() as connection:
            keep_one(connection)
        assert wakes.acquire(timeout=PATIENCE_S)


@pytest.mark.parametrize("work", [keep_one, want_a_lane, replay_one])
def test_work_wakes_its_own_process_once_it_is_committed(
    database: Database, work: Callable[[Connection], None]
) -> None:
    with database.transaction() as connection:
        lanes.ensure(connection, "fleet", "main", NOW)
    wakes: list[bool] = []
    database.when_told(lambda: wakes.append(_is_free(database)))
    with database.transaction() as connection:
        work(connection)
        work(connection)
        assert wakes == []
    assert wakes == [True], "once for each commit, and whoever is woken finds the work"


def test_what_was_rolled_back_wakes_nobody_and_is_not_told_by_the_next(database: Database) -> None:
    wakes: list[bool] = []
    database.when_told(lambda: wakes.append(True))
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        _keep_and_fail(connection)
    with database.transaction() as connection:
        lanes.every(connection)
    assert wakes == []


def _is_free(database: Database) -> bool:
    with database.transaction() as connection:
        lanes.every(connection)
    return True
