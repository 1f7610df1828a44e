"""However many connections to PostgreSQL are busy, a delivery is kept and the probe passes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from app.db import deliveries
from app.db.database import Database
from app.db.inbox import Inbox
from app.db.probe import prove_write
from tests.db.facts import delivery, keep_now

PATIENCE_S = 20
CONNECTIONS, READERS = 20, 40


@contextmanager
def all_busy(database: Database) -> Iterator[None]:
    """Hold every connection that readers can get, with as many readers again waiting for one."""
    begun, ended = threading.Semaphore(0), threading.Event()

    def read() -> None:
        if ended.is_set():
            return
        with database.transaction():
            begun.release()
            ended.wait(PATIENCE_S)

    readers = [threading.Thread(target=read) for _ in range(READERS)]
    for each in readers:
        each.start()
    try:
        for _ in range(CONNECTIONS):
            assert begun.acquire(timeout=PATIENCE_S)
        yield
    finally:
        ended.set()
        for each in readers:
            each.join(PATIENCE_S)


def test_a_delivery_is_kept_while_every_other_connection_is_busy(postgres_url: str) -> None:
    database = Database(postgres_url)
    inbox = Inbox(database)
    inbox.start()
    try:
        with all_busy(database):
            kept = keep_now(inbox, delivery())
            prove_write(database)
        with database.transaction() as connection:
            assert deliveries.find(connection, kept) is not None
    finally:
        inbox.stop()
        database.close()


def test_what_comes_first_has_the_same_limits(postgres_url: str) -> None:
    database = Database(postgres_url, longest_statement_s=4)
    limits = []
    for comes_first in (False, True):
        with database.transaction(comes_first=comes_first) as connection:
            names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
            limits.append([connection.execute(text(f"SHOW {name}")).scalar() for name in names])
    database.close()
    assert limits[0] == limits[1]
    assert "0" not in limits[0]
