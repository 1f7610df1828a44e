"""One step is one transaction, one process has the SQLite file, and the schema is this version's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from app.core.errors import Refused, Unavailable
from app.db import listing_wishes, migrations
from app.db.collections import METADATA
from app.db.database import Database, DatabaseLocked, DatabaseUnavailable, NestedTransaction, StatementTooLong
from app.db.migrations import configuration
from tests.db.facts import IMAGE, NOW
from tests.db.threads import at_once
from tests.servers.postgres import Postgres
from tests.servers.relay import relaying


def test_what_a_transaction_wrote_is_there_after_it(database: Database) -> None:
    with database.transaction() as connection:
        listing_wishes.want_listing(connection, IMAGE, NOW)
    with database.transaction() as connection:
        assert list(listing_wishes.wanted_listings(connection, limit=5)) == [IMAGE]


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def write_and_fail() -> None:
        with database.transaction() as connection:
            listing_wishes.want_listing(connection, IMAGE, NOW)
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    with database.transaction() as connection:
        assert list(listing_wishes.wanted_listings(connection, limit=5)) == []


def test_a_transaction_inside_one_is_an_error_and_no_deadlock(database: Database) -> None:
    with database.transaction(), pytest.raises(NestedTransaction), database.transaction():
        pass
    with database.transaction():
        pass


def test_another_thread_may_have_its_own_transaction_afterwards(database: Database) -> None:
    done: list[bool] = []

    def look() -> None:
        database.is_current()
        done.append(True)

    with database.transaction():
        pass
    thread = threading.Thread(target=look)
    thread.start()
    thread.join(10)
    assert done == [True]


def test_the_password_is_read_for_each_connection(postgres_url: str) -> None:
    read: list[str] = []

    def password() -> str:
        read.append("asked")
        return f"secret-{len(read)}"

    database = Database(postgres_url, password=password)
    database.is_current()
    database.close()
    again = Database(postgres_url, password=password)
    again.is_current()
    again.close()
    assert len(read) == 2


def test_nothing_is_written_through_a_closed_database(database_url: str) -> None:
    database = Database(database_url)
    database.close()
    with pytest.raises(DatabaseUnavailable, match="it is closed"), database.transaction():
        pytest.fail("a transaction began")


def test_a_second_opening_of_a_sqlite_file_is_refused(sqlite_url: str) -> None:
    first = Database(sqlite_url)
    try:
        with pytest.raises(DatabaseLocked, match="belongs to another running process"):
            Database(sqlite_url)
    finally:
        first.close()
    Database(sqlite_url).close()


@pytest.mark.parametrize("url", ["sqlite://", "mysql://u:secret@h/d"])
def test_a_database_that_cannot_serve_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Refused) as refused:
        Database(url)
    assert "secret" not in str(refused.value)


def test_sqlite_keeps_what_it_acknowledged(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    try:
        with database.transaction() as connection:
            settings = {
                name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            }
    finally:
        database.close()
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_database_that_is_gone_is_unavailable() -> None:
    database = Database("postgresql+psycopg://postgres:secret@127.0.0.1:1/none")
    try:
        with pytest.raises(Unavailable) as gone:
            database.is_current()
    finally:
        database.close()
    assert "secret" not in str(gone.value)


def test_a_full_disk_is_unavailable_and_heals(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    try:
        _set_most_pages(database, 1)
        with pytest.raises(Unavailable, match="full"), database.transaction() as connection:
            connection.execute(text("CREATE TABLE filler AS SELECT zeroblob(1000000) AS words"))
        _set_most_pages(database, 1_000_000)
        with database.transaction() as connection:
            listing_wishes.want_listing(connection, IMAGE, NOW)
    finally:
        database.close()


def _set_most_pages(database: Database, count: int) -> None:
    with database.transaction() as connection:
        connection.execute(text(f"PRAGMA max_page_count={count}"))


ENDLESS = text("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
LONG = text("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT count(*) FROM n")


@pytest.fixture
def hasty(database_url: str) -> Iterator[Database]:
    """One that stops statements soon and finds every transaction long."""
    opened = Database(database_url, longest_statement_s=0.05, long_transaction_s=0)
    yield opened
    opened.close()


def test_a_statement_that_runs_for_long_is_stopped_and_says_what_to_do(hasty: Database) -> None:
    with pytest.raises(StatementTooLong, match="ask for less"), hasty.transaction() as connection:
        connection.execute(ENDLESS)
    hasty.is_current()


def test_a_statement_that_need_not_end_soon_runs_to_its_end(hasty: Database) -> None:
    with hasty.transaction(is_bounded=False) as connection:
        assert connection.execute(LONG).scalar_one() == 1_000_000
    with pytest.raises(StatementTooLong), hasty.transaction() as connection:
        connection.execute(ENDLESS)


def test_a_migration_is_not_stopped(hasty: Database) -> None:
    _downgrade(hasty)
    with hasty.transaction(is_bounded=False) as connection:
        connection.execute(LONG)
        migrations.migrate(connection)


def test_a_transaction_that_was_held_for_long_is_logged_with_who_held_it(hasty: Database) -> None:
    @contextmanager
    def by_another_name() -> Iterator[Connection]:
        with hasty.transaction() as connection:
            yield connection

    with structlog.testing.capture_logs() as lines:
        hasty.is_current()
        with by_another_name():
            pass
        with hasty.transaction(is_bounded=False):
            pass
    here = f"{__name__}:test_a_transaction_that_was_held_for_long_is_logged_with_who_held_it"
    assert [line["by"] for line in lines] == [here, here]
    assert {line["log_level"] for line in lines} == {"warning"}


def test_a_server_that_was_stopped_is_unavailable_until_it_is_back(postgres: Postgres, postgres_url: str) -> None:
    with relaying(postgres.port) as relay:
        database = Database(postgres_url.replace(f":{postgres.port}/", f":{relay.port}/"))
        try:
            database.is_current()
            relay.be_gone()
            for _ in range(3):
                with pytest.raises(Unavailable):
                    database.is_current()
            relay.be_back()
            database.is_current()
        finally:
            database.close()


def test_a_fresh_database_is_not_current_until_it_is_migrated(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new.db")
    try:
        assert not database.is_current()
        database.migrate()
        assert database.is_current()
        database.migrate()
        assert database.is_current()
    finally:
        database.close()


def test_a_schema_of_a_newer_version_is_refused(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))
    assert not database.is_current()
    with pytest.raises(Refused, match="newer"):
        database.migrate()


def test_the_migrations_make_the_tables_that_the_code_has(database: Database) -> None:
    with database.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_migrations_go_down_and_up_again(database: Database) -> None:
    _downgrade(database)
    with database.transaction() as connection:
        assert _tables(connection) == {"alembic_version"}
    database.migrate()
    with database.transaction() as connection:
        assert _tables(connection) == {"alembic_version", *METADATA.tables}


def test_every_constraint_has_a_name() -> None:
    nameless = [
        (table.name, constraint)
        for table in METADATA.sorted_tables
        for constraint in table.constraints
        if constraint.name is None
    ]
    assert nameless == []


def test_two_processes_may_migrate_at_the_same_time(postgres_url: str) -> None:
    first, second = Database(postgres_url), Database(postgres_url)
    try:
        _downgrade(first)
        at_once(first.migrate, second.migrate)
        assert first.is_current()
    finally:
        first.close()
        second.close()


def _downgrade(database: Database) -> None:
    with database.transaction(is_bounded=False) as connection:
        command.downgrade(configuration(connection), "base")


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


def _write_while_read_only(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        connection.execute(text("DELETE FROM lanes"))


def test_a_postgresql_that_takes_no_writes_just_now_is_unavailable(postgres_url: str) -> None:
    database = Database(postgres_url)
    with pytest.raises(DatabaseUnavailable, match="read-only transaction"):
        _write_while_read_only(database)
    database.close()
