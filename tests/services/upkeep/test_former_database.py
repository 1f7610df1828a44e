"""A database that an earlier version left behind is taken over as it is: read, checked, and worked on."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, MetaData, func, select

from app.clients.forges.local.forge import LocalForge
from app.clients.git.command import GitCommand
from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote
from app.core.ports import PullRequestState
from app.db import builds, deliveries, holds, owed_answers, promotion_events
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.db.migrations import configuration
from app.db.promotions import PromotionState
from app.services.reading.status import read_status
from app.services.upkeep.check_database import check_database
from tests.db.former_names import table_now
from tests.servers.bare_repository import BareRepository
from tests.servers.postgres import Postgres
from tests.services.lanes import IMAGE, LANE, Lane

_GOLDEN = Path(__file__).parents[2] / "golden" / "database-0.1"
_REVISION = "packed_bodies"
_LEFT_AT = datetime(2026, 11, 21, 12, 22, 48, tzinfo=UTC)
_BYTES = re.compile(r"X'([0-9a-f]*)'")
_Rows = dict[str, int]


@dataclass
class Former:
    """The database, not yet migrated, and the config repository beside it."""

    database: Database
    folder: Path
    rows: _Rows

    def lane(self) -> Lane:
        """The lane `main` as it was left."""
        config = BareRepository.create(self.folder / "fleet.git")
        config.git("fetch", "--quiet", str(_GOLDEN / "fleet.bundle"), "+refs/*:refs/*")
        mirror = Mirror(
            Remote(url=str(config.path)),
            GitCommand(self.folder / "mirror.git", 30),
            base_branches=["main"],
            prefix="fluxbridge",
            identity=("Fluxbridge", "fluxbridge@localhost"),
        )
        return Lane(self.database, config, mirror, LocalForge(config.path, clock=lambda: _LEFT_AT), now=_LEFT_AT)


@pytest.fixture(params=["sqlite", "postgresql"])
def former(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Former]:
    """The golden database on each kind of database, at its own schema."""
    if request.param == "sqlite":
        file = tmp_path / "former.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript((_GOLDEN / "schema-sqlite.sql").read_text())
            connection.executescript((_GOLDEN / "rows.sql").read_text())
            connection.execute("INSERT INTO alembic_version VALUES (?)", (_REVISION,))
            connection.commit()
        with closing(Database(f"sqlite:///{file}")) as database:
            yield Former(database, tmp_path, _counted(database))
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    postgres.create("former")
    try:
        with closing(Database(postgres.url("former"))) as database:
            with database.transaction(is_bounded=False) as connection:
                command.upgrade(configuration(connection), _REVISION)
                _insert_all(connection)
            yield Former(database, tmp_path, _counted(database))
    finally:
        postgres.drop("former")


def _insert_all(connection: Connection) -> None:
    text = _BYTES.sub(r"'\\x\1'::bytea", (_GOLDEN / "rows.sql").read_text())
    cursor = connection.connection.cursor()
    cursor.execute(text)
    cursor.close()
    for table in _tables(connection).sorted_tables:
        column = table.autoincrement_column
        if column is not None and (highest := connection.execute(select(func.max(column))).scalar()) is not None:
            sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar()
            connection.execute(select(func.setval(sequence, highest)))


def _tables(connection: Connection) -> MetaData:
    known = MetaData()
    known.reflect(connection)
    return known


def _counted(database: Database) -> _Rows:
    with database.transaction() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in _tables(connection).sorted_tables
        }


def test_every_table_of_its_time_has_rows_and_keeps_them(former: Former) -> None:
    assert min(former.rows.values()) > 0
    former.database.migrate()
    assert former.database.is_current()
    after = _counted(former.database)
    assert {name: after[table_now(name)] for name in former.rows} == former.rows


def test_what_it_told_of_its_history_it_tells_now(former: Former) -> None:
    former.database.migrate()
    told = {(one.stage, one.tag): one.state for one in former.lane().promotions()}
    assert told == {
        ("staging", "1.1.0"): PromotionState.MERGED,
        ("production", "1.1.0"): PromotionState.MERGED,
        ("staging", "1.2.0"): PromotionState.MERGED,
        ("production", "1.2.0"): PromotionState.REFUSED,
        ("staging", "1.3.0"): PromotionState.MERGED,
        ("production", "1.3.0"): PromotionState.CLOSED,
        ("staging", "1.4.0"): PromotionState.SUPERSEDED,
        ("production", "1.4.0"): PromotionState.PROPOSED,
        ("staging", "1.5.0"): PromotionState.PROPOSED,
        ("production", "1.5.0"): PromotionState.SUPERSEDED,
        ("staging", "1.5.1"): PromotionState.WAITING,
        ("production", "1.5.1"): PromotionState.WAITING,
    }
    with former.database.transaction() as connection:
        [hold] = holds.active(connection, LANE)
        assert (hold.who, hold.stage, hold.tags) == ("mira", "production", ("1.3.0",))
        assert [one.number for one in builds.page(connection, limit=9).items] == [4, 3, 2, 1]
        kept = deliveries.page(connection, limit=99).items
        assert {one.state for one in kept} == set(DeliveryState)
        bodies = [deliveries.content(connection, one.id) for one in kept]
        assert all(body is not None and body.body for body in bodies)
        [owed] = owed_answers.of_image(connection, IMAGE)
        assert "503" in (owed.error or "")


def test_its_status_is_read_and_nothing_in_it_is_found_wrong(former: Former) -> None:
    former.database.migrate()
    status = read_status(former.database, lambda: _LEFT_AT)
    assert (status.open_pull_requests, status.storms, status.owed_answers) == (2, 1, 1)
    assert status.deliveries["waiting"] == 1
    assert status.deliveries["dead"] == 1
    assert status.applications["failed"] == 0
    assert status.applications["applied"] == 2
    assert list(check_database(former.database, now=_LEFT_AT)) == []


def test_its_lane_goes_on_with_what_is_open_and_opens_and_closes_nothing(former: Former) -> None:
    former.database.migrate()
    lane = former.lane()
    before = (lane.open_pulls(), lane.config.git("for-each-ref", "refs/heads"))
    assert sorted(one.number for one in before[0]) == [6, 7]
    with former.database.transaction() as connection:
        events = _events(connection)
    lane.run()
    assert (lane.open_pulls(), lane.config.git("for-each-ref", "refs/heads")) == before
    with former.database.transaction() as connection:
        assert _events(connection) == events
    assert lane.send() == []
    assert list(check_database(former.database, now=_LEFT_AT)) == []


def test_its_open_pull_request_gets_the_next_tag_and_is_merged_as_ever(former: Former) -> None:
    former.database.migrate()
    lane = former.lane()
    with former.database.transaction() as connection:
        owed_answers.settle(connection, IMAGE, "1.5.1", asked_at=lane.now)
    lane.push("1.6.0")
    lane.run()
    (staging,) = (one for one in lane.open_pulls() if one.number == 6)
    assert "1.6.0" in staging.title
    forge = lane.forge
    assert isinstance(forge, LocalForge)
    forge.merge(6, by="mira")
    lane.run()
    states = {(one.stage, one.tag): one.state for one in lane.promotions()}
    assert states["staging", "1.6.0"] is PromotionState.MERGED
    assert forge.pull_request(7).state is PullRequestState.OPEN, "theirs is left alone"
    assert list(check_database(former.database, now=_LEFT_AT)) == []


def _events(connection: Connection) -> int:
    events = promotion_events.promotion_events
    return connection.execute(select(func.count()).select_from(events)).scalar_one()
