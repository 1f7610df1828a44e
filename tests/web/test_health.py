"""A process that lives says so; one that cannot keep a delivery says that it is not ready, and why."""

import shutil
from dataclasses import replace

import httpx
from sqlalchemy import text

from app.db import deliveries, lanes
from app.db.database import Database
from app.db.inbox import Inbox
from tests.db.threads import at_once
from tests.servers.postgres import Postgres
from tests.servers.relay import relaying
from tests.services.history import NOW
from tests.web.site import Site, running_site


def test_a_process_that_can_keep_deliveries_is_ready(site: Site) -> None:
    assert site.client.get("/healthz").json() == {"status": "ok"}
    assert site.client.get("/readyz").json() == {"status": "ready"}


def test_asking_leaves_nothing_behind(site: Site) -> None:
    at_once(*[lambda: site.client.get("/readyz").raise_for_status()] * 8)
    with site.database.transaction() as connection:
        assert deliveries.counts_by_state(connection) == {}


def test_a_lane_that_is_stuck_does_not_matter(site: Site) -> None:
    with site.database.transaction() as connection:
        lanes.ensure(connection, "fleet", "main", NOW)
        connection.execute(text("UPDATE lanes SET attempts = 99, last_error = 'the forge is down'"))
    assert site.client.get("/readyz").status_code == 200


def test_it_is_not_ready_where_the_database_takes_no_write(site: Site) -> None:
    with site.database.transaction() as connection:
        connection.execute(text("ALTER TABLE deliveries RENAME TO elsewhere"))
    assert_not_ready(site, "")


def test_it_is_not_ready_where_the_database_is_full(light_site: Site) -> None:
    with light_site.database.transaction() as connection:
        connection.execute(text("PRAGMA max_page_count=1"))
    assert_not_ready(light_site, "full")


def test_it_is_not_ready_where_the_file_of_the_database_is_gone(light_site: Site) -> None:
    folder = light_site.database.folder
    assert folder is not None
    shutil.move(folder, folder.with_name("moved"))
    assert_not_ready(light_site, "")


def test_it_is_not_ready_with_a_stopped_inbox(light_database: Database) -> None:
    inbox = Inbox(light_database)
    with running_site(light_database, change=lambda parts: replace(parts, inbox=inbox)) as site:
        assert site.client.get("/readyz").status_code == 200
        inbox.stop()
        assert_not_ready(site, "stopping")


def test_it_is_not_ready_with_an_inbox_whose_thread_has_died(light_database: Database) -> None:
    inbox = Inbox(light_database)
    with running_site(light_database, change=lambda parts: replace(parts, inbox=inbox)) as site:
        assert inbox._thread is not None
        inbox._queue.put(None)
        inbox._thread.join()
        assert_not_ready(site, "")
        assert site.send_github(b"{}", delivery="next").status_code == 503


def test_without_its_database_it_lives_and_is_not_ready(postgres_url: str) -> None:
    database = Database(postgres_url.replace("/test_", "/missing_"))
    with running_site(database) as site:
        assert site.client.get("/healthz").status_code == 200
        assert_not_ready(site, "")
        assert site.client.get("/metrics").status_code == 200
    database.close()


def test_with_a_silent_database_it_says_so_in_time(postgres: Postgres, postgres_url: str) -> None:
    with relaying(postgres.port) as relay:
        database = Database(postgres_url.replace(f":{postgres.port}/", f":{relay.port}/"))
        with running_site(database, change=lambda parts: replace(parts, database_within_s=0.2)) as site:
            relay.be_silent()
            answers: list[httpx.Response] = at_once(*[lambda: site.client.get("/readyz")] * 50)
            assert {answer.status_code for answer in answers} == {503}
            assert "did not take a write" in answers[0].json()["detail"]
            assert site.client.get("/healthz").status_code == 200
            relay.be_back()
            asked = (site.client.get("/readyz") for _ in range(1000))
            assert next(answer for answer in asked if answer.status_code == 200)
        database.close()


def assert_not_ready(site: Site, why: str) -> None:
    answer = site.client.get("/readyz")
    assert (answer.status_code, why in answer.json()["detail"]) == (503, True)
    assert int(answer.headers["retry-after"]) > 0
    assert site.client.get("/healthz").status_code == 200
