"""While the database fails or is silent, webhooks are told so in time and nothing is acknowledged; then all is well."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_bytes

import httpx
import pytest
from sqlalchemy import text

from app.db import deliveries
from app.db.database import Database
from app.db.inbox import Inbox
from app.web.parts import WebParts
from tests.db.threads import at_once
from tests.servers.postgres import Postgres
from tests.servers.relay import Relay, relaying
from tests.services.history import write_history
from tests.web.site import Site, running_site
from tests.web.test_metrics import scrape

PING = b'{"zen": "Keep it logically awesome."}'


def test_a_full_database_refuses_until_there_is_room(light_site: Site) -> None:
    set_most_pages(light_site.database, 1)
    refused = [light_site.send_github(token_bytes(4096), delivery=f"before-{number}") for number in range(50)]
    assert refused[-1].status_code == 503
    assert_all_told(refused)
    set_most_pages(light_site.database, 1_000_000)
    assert light_site.send_github(PING, delivery="after").status_code == 202
    assert count(light_site.database) == sum(answer.status_code == 202 for answer in refused) + 1


@dataclass(frozen=True, slots=True)
class Distant:
    """A site whose database is behind a relay; its inbox has no patience."""

    site: Site
    relay: Relay


@pytest.fixture
def distant(postgres: Postgres, postgres_url: str) -> Iterator[Distant]:
    """A site over a PostgreSQL that can seem to be gone, or silent."""

    def hasty(parts: WebParts) -> WebParts:
        inbox = Inbox(parts.database, longest_wait_s=0.4, stalled_s=0.2, capacity=20)
        return replace(parts, inbox=inbox, database_within_s=0.4)

    with relaying(postgres.port) as relay:
        database = Database(postgres_url.replace(f":{postgres.port}/", f":{relay.port}/"))
        with running_site(database, change=hasty) as site:
            yield Distant(site, relay)
            relay.be_back()
        database.close()


def test_with_the_database_gone_webhooks_are_refused_until_it_is_back(distant: Distant) -> None:
    assert distant.site.send_github(PING, delivery="before").status_code == 202
    distant.relay.be_gone()
    refused = [distant.site.send_github(PING, delivery=f"gone-{number}") for number in range(5)]
    assert {answer.status_code for answer in refused} == {503}
    assert_all_told(refused)
    distant.relay.be_back()
    assert distant.site.send_github(b"{}", delivery="after").status_code == 202
    assert count(distant.site.database) == 2


@pytest.mark.parametrize("outage", [Relay.be_gone, Relay.be_silent])
def test_whatever_the_database_does_the_metrics_tell_what_is_refused(
    distant: Distant, outage: Callable[[Relay], None]
) -> None:
    site = distant.site
    with site.database.transaction() as connection:
        write_history(connection)
    assert scrape(site)["fluxbridge_promotions", ("merged",)] == 1
    outage(distant.relay)
    assert site.send_github(PING, delivery="lost").status_code == 503
    found = scrape(site)
    assert found["fluxbridge_webhooks_total", ("github", "503")] == 1
    assert found["fluxbridge_promotions", ("merged",)] == 1
    age = found["fluxbridge_status_age_seconds", ()]
    assert age > 0
    distant.relay.be_back()
    assert until_kept(site).status_code == 202
    assert next(now for _ in range(1000) if (now := scrape(site)["fluxbridge_status_age_seconds", ()]) < age) >= 0


def test_with_the_database_silent_nobody_waits_for_long_and_memory_does_not_grow(distant: Distant) -> None:
    site = distant.site
    assert site.send_github(PING, delivery="before").status_code == 202
    distant.relay.be_silent()
    sends = [partial(site.send_github, PING, delivery=f"silent-{number}") for number in range(30)]
    refused = at_once(*sends)
    assert {answer.status_code for answer in refused} == {503}
    assert_all_told(refused)
    later = site.send_github(PING, delivery="later")
    assert "does not answer" in later.json()["detail"]
    assert site.reserved_bytes() <= 20 * len(PING)
    distant.relay.be_back()
    assert until_kept(site).status_code == 202
    assert site.reserved_bytes() == 0


def until_kept(site: Site) -> httpx.Response:
    """Send the same webhook again until it is taken, as senders do."""
    answers = (site.send_github(PING, delivery="after") for _ in range(400))
    return next(answer for answer in answers if answer.status_code == 202)


def assert_all_told(answers: list[httpx.Response]) -> None:
    for answer in answers:
        if answer.status_code != 202:
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["type"] == "urn:fluxbridge:problem:unavailable"


def count(database: Database) -> int:
    with database.transaction() as connection:
        return sum(deliveries.counts_by_state(connection).values())


def set_most_pages(database: Database, count: int) -> None:
    with database.transaction() as connection:
        connection.execute(text(f"PRAGMA max_page_count={count}"))
