"""Copying a database: what is in one is in the other, whole or not at all."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from app.db import deliveries
from app.db.collections import METADATA
from app.db.database import Database, DatabaseUnavailable
from app.db.deliveries import NewDelivery
from app.db.delivery_bodies import pack
from app.services.systems import Timing
from app.services.upkeep.check_database import check_database
from app.services.upkeep.copy_database import NotEmpty, OtherSchema, copy_database
from tests.db.facts import NOW
from tests.end_to_end.bridge import fleet, running_bridge
from tests.invariants import violations


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SQLite file of an installation through which a tag went, and that keeps many deliveries."""
    folder = tmp_path_factory.mktemp("told")
    with running_bridge(folder, "sqlite", files=fleet()) as bridge:
        bridge.report_build("1.1.0", digest=bridge.push_image("1.1.0"))
        for stage in ("staging", "production"):
            commit = bridge.forge.merge(bridge.wait_for_pull(stage, "1.1.0").number, by="mira").merge_commit
            bridge.wait_for_state(stage, "1.1.0", "merged")
            assert commit is not None
            bridge.apply(stage, commit)
        bridge.settle()
    return folder / "data" / "fluxbridge.sqlite3"


@pytest.fixture
def source(told: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{told}")
    yield opened
    opened.close()


def everything(database: Database) -> Mapping[str, list[str]]:
    """Every row of every table, sorted."""
    with database.transaction() as connection:
        return {
            table.name: sorted(map(str, connection.execute(select(table)).mappings()))
            for table in METADATA.sorted_tables
        }


def test_every_row_of_every_table_is_there_afterwards(source: Database, database: Database) -> None:
    copied = copy_database(source, database)
    assert everything(database) == everything(source)
    assert copied == {name: len(rows) for name, rows in everything(source).items()}
    filled = {name for name, count in copied.items() if count}
    assert {"deliveries", "builds", "promotions", "promotion_events", "applications", "pushed_heads"} <= filled


def test_new_rows_are_numbered_after_those_that_were_copied(source: Database, postgres_url: str) -> None:
    database = Database(postgres_url)
    copied = copy_database(source, database)
    numbered = {table.name for table in METADATA.sorted_tables if table.autoincrement_column is not None}
    grown = {name for name in numbered if copied[name]}
    assert {"promotion_events", "pushes", "applications", "build_artifacts"} <= grown
    with database.transaction() as connection:
        for name in sorted(grown):
            highest = connection.execute(text(f"SELECT max(id) FROM {name}")).scalar_one()  # noqa: S608
            fresh = connection.execute(select(func.nextval(func.pg_get_serial_sequence(name, "id")))).scalar_one()
            assert (name, fresh) == (name, highest + 1)
    database.close()


def test_all_that_must_hold_of_it_holds_afterwards(source: Database, database: Database) -> None:
    copy_database(source, database)
    assert list(check_database(database)) == []
    with database.transaction() as connection:
        assert violations(connection, now=datetime.now(UTC), lease=Timing().lease) == []


def test_more_rows_than_a_page_are_copied(source: Database, database: Database) -> None:
    with source.transaction() as connection:
        one = dict(connection.execute(select(deliveries.deliveries)).mappings().first() or {})
        many = [{**one, "id": f"many{number}", "external_id": f"many{number}"} for number in range(250)]
        connection.execute(insert(deliveries.deliveries), many)
    try:
        copy_database(source, database)
        assert everything(database) == everything(source)
    finally:
        with source.transaction() as connection:
            connection.execute(delete(deliveries.deliveries).where(deliveries.deliveries.c.id.startswith("many")))


def test_a_packed_body_is_read_from_the_copy_as_from_the_first(source: Database, database: Database) -> None:
    body = b'{"action": "push"}' * 1000
    packed = pack(body)
    new = NewDelivery(
        source="ci",
        kind="jenkins",
        external_id="packed",
        headers={},
        body=packed.stored,
        unpacked_bytes=packed.unpacked_bytes,
        received_at=NOW,
    )
    with source.transaction() as connection:
        kept = deliveries.keep(connection, new)
    try:
        copy_database(source, database)
        with database.transaction() as connection:
            found = deliveries.content(connection, kept)
    finally:
        with source.transaction() as connection:
            connection.execute(delete(deliveries.deliveries).where(deliveries.deliveries.c.id == kept))
    assert found is not None
    assert found.body == body


def test_nothing_is_copied_over_what_is_there(source: Database, database: Database) -> None:
    copy_database(source, database)
    before = everything(database)
    with pytest.raises(NotEmpty, match="for nothing in it is overwritten"):
        copy_database(source, database)
    assert everything(database) == before


def test_where_one_table_cannot_be_filled_none_is(source: Database, database: Database) -> None:
    *_, last = METADATA.sorted_tables
    assert last.name == "build_artifacts"
    with database.transaction() as connection:
        connection.execute(text("DROP TABLE build_artifacts"))
        connection.execute(text("CREATE VIEW build_artifacts AS SELECT id FROM deliveries WHERE false"))
    with pytest.raises((SQLAlchemyError, DatabaseUnavailable)):
        copy_database(source, database)
    with database.transaction() as connection:
        assert connection.execute(select(deliveries.deliveries)).first() is None


def test_a_database_of_another_version_is_not_copied(tmp_path: Path, database: Database) -> None:
    other = Database(f"sqlite:///{tmp_path / 'other.sqlite3'}")
    with pytest.raises(OtherSchema):
        copy_database(other, database)
    other.close()
