"""A database of an earlier version, full of rows, keeps them through every migration."""

import zlib
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import func, insert, select, text

from app.core.promotion.holds import Hold, HoldKind
from app.db import deliveries, holds, kept_bodies, pull_requests, requests
from app.db.database import Database
from app.db.delivery_bodies import pack
from app.db.migrations import configuration, migrations_folder
from app.db.requests import RequestFilters
from tests.db.facts import delivery
from tests.db.former_names import table_now
from tests.db.rows import one_row, tables_of
from tests.servers.postgres import Postgres

# What 0.1.0 began with, before the migrations of 2026-11-30.
_BEFORE = "sweeps"
_DAY_MS = 86_400_000


@pytest.fixture(params=["sqlite", "postgresql"])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database at that version, with one row in every table."""
    if request.param == "sqlite":
        with closing(Database(f"sqlite:///{tmp_path}/before.db")) as database:
            _fill(database)
            yield database
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    postgres.create("before")
    try:
        with closing(Database(postgres.url("before"))) as database:
            _fill(database)
            yield database
    finally:
        postgres.drop("before")


def _fill(database: Database) -> None:
    with database.transaction(is_bounded=False) as connection:
        command.upgrade(configuration(connection), _BEFORE)
    with database.transaction() as connection:
        for table in tables_of(connection):
            connection.execute(insert(table).values(one_row(table)))


def test_every_row_is_there_after_the_upgrade(before: Database) -> None:
    with before.transaction() as connection:
        counted = {table_now(table.name): 1 for table in tables_of(connection)}
    before.migrate()
    assert before.is_current()
    with before.transaction() as connection:
        kept = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables_of(connection)
            if table.name in counted
        }
        if before.is_sqlite:
            assert list(connection.exec_driver_sql("PRAGMA foreign_key_check")) == []
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    assert kept == counted


def test_what_was_held_and_open_before_came_with_no_request(before: Database) -> None:
    before.migrate()
    with before.transaction() as connection:
        assert requests.page(connection, RequestFilters(), limit=5).items == []
        told = connection.execute(select(holds.holds.c.ceiling, holds.holds.c.request)).all()
        assert [tuple(row) for row in told] == [(None, None)]
        assert connection.execute(select(pull_requests.pull_requests.c.request)).scalars().all() == [None]


def test_on_the_way_back_what_the_version_before_cannot_tell_is_held_no_more(before: Database) -> None:
    before.migrate()
    manual = Hold(
        id="h1",
        stage=None,
        policy="*",
        tags=None,
        kind=HoldKind.MANUAL,
        who="ada",
        why="x",
        since=delivery().received_at,
    )
    back = replace(manual, id="h2", kind=HoldKind.ROLLED_BACK, tags=("1.0.0",), ceiling="1.1.0", request="r1")
    with before.transaction() as connection:
        for one in (manual, back):
            holds.add(connection, None, one)
    with before.transaction(is_bounded=False) as connection:
        command.downgrade(configuration(connection), "holds_of_people")
    with before.transaction() as connection:
        left = connection.execute(text("SELECT id FROM holds ORDER BY id")).scalars().all()
        assert left == ["h1", "one"]
        assert "requests" not in {table.name for table in tables_of(connection)}
    before.migrate()
    assert before.is_current()


def test_bodies_of_before_are_read_as_they_came_and_counted_with_those_of_their_day(before: Database) -> None:
    looks_packed = zlib.compress(b"{}" * 100)
    with before.transaction() as connection:
        [table] = [one for one in tables_of(connection) if one.name == "deliveries"]
        whole = {**one_row(table), "received_at": 3 * _DAY_MS, "dropped_at": None}
        ended = [{**whole, "id": f"ended {at}", "external_id": f"{at}", "body": looks_packed} for at in range(2)]
        waits = {**whole, "id": "waits", "external_id": "waits", "ended_at": None, "state": "waiting"}
        connection.execute(insert(table), [*ended, waits])
    before.migrate()
    with before.transaction() as connection:
        kept = {one: deliveries.content(connection, one) for one in ("ended 0", "waits")}
        assert {one: found.body for one, found in kept.items() if found} == {"ended 0": looks_packed, "waits": b"{}"}
        rooms = connection.execute(select(kept_bodies.kept_bodies)).all()
        assert [tuple(room) for room in rooms] == [("one", 3, 2 * len(looks_packed))]


def test_packed_bodies_are_unpacked_on_the_way_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/before.db"
    bodies = {f"{number}": b"%d" % number * 1000 for number in range(120)}
    with closing(Database(url)) as database:
        database.migrate()
        with database.transaction() as connection:
            for name, body in bodies.items():
                packed = pack(body)
                new = replace(delivery(name, body=packed.stored), unpacked_bytes=packed.unpacked_bytes)
                deliveries.keep(connection, new)
    _downgrade(url)
    with closing(Database(url)) as database, database.transaction() as connection:
        rows = connection.execute(text("SELECT external_id, body FROM deliveries"))
        assert {row.external_id: row.body for row in rows} == bodies


def test_alembic_goes_down_by_itself_and_every_row_stays(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/before.db"
    with closing(Database(url)) as database:
        _fill(database)
        before = _counted(database)
        database.migrate()
    _downgrade(url)
    with closing(Database(url)) as database:
        assert _counted(database) == before


def _downgrade(url: str) -> None:
    config = Config(cmd_opts=Namespace(x=[f"database={url}"]))
    config.set_main_option("script_location", str(migrations_folder()))
    command.downgrade(config, _BEFORE)


def _counted(database: Database) -> dict[str, int]:
    with database.transaction() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables_of(connection)
        }
