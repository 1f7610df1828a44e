"""Running it: poolers between us and PostgreSQL, and databases that do not let us in."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from app.core.errors import Refused
from app.db import deliveries, lanes
from app.db.database import Database, DatabaseUnavailable, StatementTooLong
from app.db.wakes import Listener
from tests.cli.console import Console
from tests.db.facts import NOW, delivery
from tests.end_to_end.bridge import ENVIRONMENT, fleet, running_bridge
from tests.parts import require_program
from tests.servers.pgbouncer import running_pgbouncer
from tests.servers.postgres import Postgres

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def pooler(postgres: Postgres) -> Iterator[Postgres]:
    """A PgBouncer in transaction mode before the PostgreSQL of this run."""
    with running_pgbouncer(require_program("pgbouncer", "apt-get install pgbouncer"), postgres) as running:
        yield running


@pytest.fixture
def pooled_url(pooler: Postgres, postgres_url: str) -> str:
    """A fresh database, reached through the pooler."""
    return pooler.url(make_url(postgres_url).database or "")


def test_many_transactions_go_through_a_pooler_in_transaction_mode(pooled_url: str) -> None:
    with closing(Database(pooled_url)) as database:
        with database.transaction() as connection:
            lanes.ensure(connection, "fleet", "main", NOW)

        def work(number: int) -> None:
            for step in range(20):
                with database.transaction() as connection:
                    deliveries.keep(connection, delivery(external_id=f"{number}-{step}"))
                    lanes.raise_wanted(connection, ["fleet:main"], now=NOW)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        with database.transaction() as connection:
            assert deliveries.counts_by_state(connection) == {"waiting": 160}


def test_limits_hold_behind_a_pooler_too_and_stay_with_their_transaction(pooled_url: str) -> None:
    with closing(Database(pooled_url, longest_statement_s=0.2)) as hasty, closing(Database(pooled_url)) as patient:
        with pytest.raises(StatementTooLong), hasty.transaction() as connection:
            connection.execute(text("SELECT pg_sleep(5)"))
        with patient.transaction() as connection:
            connection.execute(text("SELECT pg_sleep(0.5)"))


def test_the_schema_is_migrated_through_a_pooler(pooler: Postgres, postgres: Postgres) -> None:
    postgres.create("pooled_anew")
    try:
        with closing(Database(pooler.url("pooled_anew"))) as database:
            database.migrate()
            assert database.is_current()
    finally:
        postgres.drop("pooled_anew")


def test_behind_a_pooler_nobody_listens_for_wakes_that_never_come(pooled_url: str) -> None:
    stopping, woken = threading.Event(), threading.Event()
    thread = threading.Thread(target=Listener(lambda: make_url(pooled_url), woken.set).listen, args=(stopping,))
    thread.start()
    try:
        assert woken.wait(PATIENCE_S)
        with psycopg.connect(make_url(pooled_url).set(drivername="postgresql").render_as_string()) as asking:
            assert asking.execute("SELECT count(*) FROM pg_listening_channels()").fetchone() == (0,)
    finally:
        stopping.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_push_becomes_a_pull_request_through_a_pooler(tmp_path: Path, pooled_url: str) -> None:
    with running_bridge(tmp_path, pooled_url, files=fleet()) as bridge:
        bridge.push_image("1.1.0")
        assert bridge.wait_for_pull("staging", "1.1.0").number == 1


def _prepare(postgres: Postgres, name: str, *statements: str) -> None:
    with psycopg.connect(make_url(postgres.url(name)).set(drivername="postgresql").render_as_string()) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[str]:
    """An empty database, and an account that owns nothing."""
    postgres.create("refusing")
    _prepare(postgres, "refusing", "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    yield "refusing"
    postgres.drop("refusing")


def _as_guest(postgres: Postgres, name: str) -> str:
    return make_url(postgres.url(name)).set(username="guest").render_as_string()


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        pytest.param((), "guest may make no tables in the schema public: GRANT CREATE", id="no right"),
        pytest.param(
            ("ALTER ROLE guest SET search_path = ''",), 'search_path of guest ("") leads to no schema', id="no path"
        ),
        pytest.param(
            ("ALTER ROLE guest SET search_path = nowhere",), "(nowhere) leads to no schema", id="a schema that is gone"
        ),
    ],
)
def test_a_database_that_lets_nobody_make_tables_says_what_to_do(
    postgres: Postgres, empty: str, statements: tuple[str, ...], said: str
) -> None:
    _prepare(postgres, empty, *statements)
    with closing(Database(_as_guest(postgres, empty))) as database, pytest.raises(Refused) as refused:
        database.migrate()
    assert said in str(refused.value)


def test_a_database_of_another_encoding_is_refused(postgres: Postgres) -> None:
    with psycopg.connect(
        make_url(postgres.url("postgres")).set(drivername="postgresql").render_as_string(), autocommit=True
    ) as connection:
        connection.execute("CREATE DATABASE old ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        with closing(Database(postgres.url("old"))) as database, pytest.raises(Refused, match="encoding SQL_ASCII"):
            database.migrate()
    finally:
        postgres.drop("old")


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Console:
    """A terminal on this machine."""
    return Console(capsys, monkeypatch)


def test_migrate_ends_in_one_line_whatever_the_database_says(
    postgres: Postgres, empty: str, console: Console, tmp_path: Path
) -> None:
    settings = tmp_path / "fluxbridge.yaml"
    for url in (_as_guest(postgres, empty), postgres.url("not-there"), "postgresql+psycopg://guest@127.0.0.1:1/x"):
        settings.write_text(f"data_dir: {tmp_path}/data\ndatabase: {url}\n")
        console.use(settings, ENVIRONMENT)
        ended = console.run("migrate")
        assert (ended.out, ended.err.count("\n")) == ("", 1), ended
        assert ended.err.startswith("fluxbridge: ")


def test_a_migration_that_the_database_breaks_off_leaves_nothing(postgres: Postgres, empty: str) -> None:
    _prepare(postgres, empty, "GRANT CREATE ON SCHEMA public TO guest", "CREATE TABLE deliveries (id text)")
    with closing(Database(_as_guest(postgres, empty))) as database:
        with pytest.raises((Refused, DatabaseUnavailable), match="deliveries"):
            database.migrate()
        with database.transaction() as connection:
            assert connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None
