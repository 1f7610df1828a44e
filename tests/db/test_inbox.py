"""What `keep` has returned is durable; what cannot be kept now is refused, and nothing in between."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from app.core.errors import Unavailable
from app.db import deliveries
from app.db.database import Database
from app.db.inbox import Inbox, InboxClosed, InboxFull
from tests.db.facts import delivery, keep_now
from tests.db.threads import at_once


@pytest.fixture
def inbox(database: Database) -> Iterator[Inbox]:
    """A running inbox."""
    opened = Inbox(database)
    opened.start()
    yield opened
    opened.stop()


def test_what_was_kept_is_there(database: Database, inbox: Inbox) -> None:
    kept = keep_now(inbox, delivery())
    with database.transaction() as connection:
        assert deliveries.find(connection, kept) is not None


def test_a_storm_of_one_delivery_is_one(database: Database, inbox: Inbox) -> None:
    ids = at_once(*[lambda: keep_now(inbox, delivery())] * 10)
    assert len({*ids, keep_now(inbox, delivery())}) == 1
    with database.transaction() as connection:
        assert deliveries.counts_by_state(connection) == {"waiting": 1}


def test_many_requests_at_once_are_all_kept(database: Database, inbox: Inbox) -> None:
    async def keep_many() -> list[str]:
        return await asyncio.gather(*(inbox.keep(delivery(str(number))) for number in range(200)))

    assert len(set(asyncio.run(keep_many()))) == 200
    with database.transaction() as connection:
        assert deliveries.counts_by_state(connection) == {"waiting": 200}


def test_those_who_wait_for_work_are_told(database: Database) -> None:
    told = threading.Event()
    inbox = Inbox(database, on_kept=told.set)
    inbox.start()
    keep_now(inbox, delivery())
    assert told.wait(5)
    inbox.stop()


def test_a_commit_that_fails_is_never_acknowledged(database: Database, inbox: Inbox) -> None:
    with database.transaction() as connection:
        connection.execute(text("ALTER TABLE deliveries RENAME TO elsewhere"))
    for _ in range(2):
        with pytest.raises(Unavailable):
            keep_now(inbox, delivery())
    with database.transaction() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO deliveries"))
    assert keep_now(inbox, delivery())


def test_one_that_cannot_be_stored_does_not_cost_the_others(database: Database) -> None:
    inbox = Inbox(database)
    good, bad = delivery("good"), delivery("bad", source="x" * 500)
    outcomes: dict[str, str] = {}

    async def keep(name: str) -> None:
        try:
            outcomes[name] = await inbox.keep({"good": good, "bad": bad}[name])
        except Unavailable:
            outcomes[name] = "refused"

    async def keep_both() -> None:
        waiting = [asyncio.create_task(keep(name)) for name in ("good", "bad")]
        await asyncio.gather(*waiting)

    inbox.start()
    asyncio.run(keep_both())
    inbox.stop()
    assert outcomes["good"] != "refused"


def test_a_stopped_inbox_refuses_with_a_time_to_come_back(database: Database) -> None:
    inbox = Inbox(database)
    inbox.start()
    inbox.stop()
    with pytest.raises(InboxClosed) as closed:
        keep_now(inbox, delivery())
    assert closed.value.retry_after is not None


def test_a_full_queue_refuses_before_memory_grows(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    inbox = Inbox(database, capacity=2)
    inbox.start()

    async def fill() -> list[object]:
        with database.transaction():  # the only connection: the writer waits for it
            tasks = [asyncio.create_task(inbox.keep(delivery(str(number)))) for number in range(80)]
            await asyncio.sleep(0)
            refused = [task for task in tasks if task.done()]
            assert refused
        return await asyncio.gather(*tasks, return_exceptions=True)

    try:
        outcomes = asyncio.run(fill())
    finally:
        inbox.stop()
        database.close()
    refusals = [outcome for outcome in outcomes if isinstance(outcome, InboxFull)]
    assert 0 < len(refusals) < 80
    assert all(refusal.retry_after is not None for refusal in refusals)
    assert len([outcome for outcome in outcomes if isinstance(outcome, str)]) == 80 - len(refusals)


def test_a_request_that_went_away_does_not_harm_the_group(database: Database, inbox: Inbox) -> None:
    async def leave() -> str:
        gone = asyncio.create_task(inbox.keep(delivery("gone")))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        return await inbox.keep(delivery("stays"))

    kept = asyncio.run(leave())
    with database.transaction() as connection:
        assert deliveries.find(connection, kept) is not None


def test_stopping_keeps_what_was_taken(database: Database) -> None:
    inbox = Inbox(database)
    inbox.start()

    async def keep_and_stop() -> list[str]:
        tasks = [asyncio.create_task(inbox.keep(delivery(str(number)))) for number in range(50)]
        await asyncio.sleep(0)
        await asyncio.to_thread(inbox.stop)
        return await asyncio.gather(*tasks)

    assert len(asyncio.run(keep_and_stop())) == 50
    with database.transaction() as connection:
        assert deliveries.counts_by_state(connection) == {"waiting": 50}


def test_deliveries_come_before_others_that_wait_for_the_one_connection(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    inbox = Inbox(database)
    inbox.start()
    found: list[int] = []

    def count() -> None:
        with database.transaction() as connection:
            found.append(sum(deliveries.counts_by_state(connection).values()))

    others = [threading.Thread(target=count) for _ in range(5)]
    turns = database._turns
    assert turns is not None
    with database.transaction():
        for thread in others:
            thread.start()
        until(lambda: len(turns._others) == 5)
        keeping = threading.Thread(target=lambda: keep_now(inbox, delivery()))
        keeping.start()
        until(lambda: len(turns._first) == 1)
    for thread in (*others, keeping):
        thread.join(20)
    inbox.stop()
    database.close()
    assert found == [1] * 5


def until(is_so: Callable[[], bool]) -> None:
    """Look again and again; what is waited for happens on other threads."""
    ticking = threading.Event()
    for _ in range(2000):
        if is_so():
            return
        ticking.wait(0.01)
    raise AssertionError("it never came to it")
