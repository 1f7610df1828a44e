"""Each alert of docs/operations.md fires in the outage that it is for, and none while all is well."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from ruamel.yaml import YAML
from sqlalchemy import text

from app.db import deliveries, delivery_claims, lanes, measures, storms
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.db.storms import Storm
from app.services.work.put_off import put_off_lane
from tests.db.facts import claim_next, delivery
from tests.docs.pages import block, page
from tests.web.alerting import Scrape, fires, read
from tests.web.site import Site, running_site

RULES: Mapping[str, str] = {
    one["alert"]: one["expr"]
    for group in YAML(typ="safe", pure=True).load(block(page("operations.md"), "yaml", "alert:"))["groups"]
    for one in group["rules"]
}
LANE = "fleet:main"
LEASE = timedelta(seconds=30)


@dataclass
class Watched:
    """A server that is scraped; `ahead_s` moves the clock by which it tells how old its figures are."""

    site: Site
    stack: ExitStack
    ahead_s: float = 0.0
    scrapes: list[Scrape] = field(default_factory=list)

    def scrape(self) -> None:
        self.scrapes.append(read(self.site.client.get("/metrics").text))

    def firing(self) -> set[str]:
        return {name for name, rule in RULES.items() if fires(rule, self.scrapes)}

    def claim_lane(self, at: datetime) -> lanes.LaneClaim:
        with self.site.database.transaction() as connection:
            claim = lanes.claim_due(connection, owner="w", now=at, lease=LEASE)
        assert claim is not None
        return claim


@pytest.fixture
def watched(light_database: Database) -> Iterator[Watched]:
    """A server with one lane, and two scrapes of it while all is well."""
    with ExitStack() as stack, watching(light_database, stack) as found:
        with light_database.transaction() as connection:
            lanes.ensure(connection, "fleet", "main", now())
            connection.execute(text("UPDATE lanes SET due_at = NULL, last_run_at = 1"))
            measures.add(connection, "sweeps", "tags:failed", 1)
        assert found.site.send_github(b"{}", delivery="first").status_code == 202
        assert found.site.client.post("/webhooks/github", content=b"{}").status_code == 401
        with light_database.transaction() as connection:
            claim = claim_next(connection, owner="w", now=now(), lease=LEASE)
            assert claim is not None
            delivery_claims.finish(connection, claim, state=DeliveryState.DONE, outcome="", now=now())
        found.scrape()
        found.scrape()
        yield found


@contextmanager
def watching(database: Database, stack: ExitStack) -> Iterator[Watched]:
    found: list[Watched] = []

    def monotonic() -> float:
        return found[0].ahead_s if found else 0.0

    with running_site(database, change=lambda parts: replace(parts, monotonic=monotonic)) as site:
        found.append(Watched(site, stack))
        yield found[0]


def now() -> datetime:
    return datetime.now(UTC)


def is_gone(there: Watched) -> None:
    there.scrapes.append({})


def is_silent(there: Watched) -> None:
    there.stack.enter_context(there.site.database.transaction())
    there.ahead_s = 61


def keeps_nothing(there: Watched) -> None:
    """503 twice: a counter that is there for the first time has not risen yet."""
    there.stack.enter_context(there.site.database.transaction())
    for number in range(2):
        assert there.site.send_github(b"{}", delivery=f"refused-{number}").status_code == 503
        there.scrape()


def is_tried(there: Watched) -> None:
    for _ in range(4):
        assert there.site.client.post("/webhooks/github", content=b"{}").status_code == 401


def kills_a_delivery(there: Watched) -> None:
    with there.site.database.transaction() as connection:
        deliveries.keep(connection, delivery("dead", received_at=now()))
        claim = claim_next(connection, owner="w", now=now(), lease=LEASE)
        assert claim is not None
        delivery_claims.finish(connection, claim, state=DeliveryState.DEAD, outcome="it broke", now=now())


def keeps_a_delivery_waiting(there: Watched) -> None:
    with there.site.database.transaction() as connection:
        deliveries.keep(connection, delivery("old", received_at=now() - timedelta(minutes=11)))


def fails_lane(there: Watched) -> None:
    for _ in range(4):
        with there.site.database.transaction() as connection:
            connection.execute(text("UPDATE lanes SET due_at = 1, last_error = NULL"))
        claim = there.claim_lane(now())
        with there.site.database.transaction() as connection:
            put_off_lane(connection, claim, "the forge does not answer", now=now())


def gives_work_up(there: Watched) -> None:
    with there.site.database.transaction() as connection:
        measures.add(connection, "given_up", "lane")


def needs_a_person(there: Watched) -> None:
    with there.site.database.transaction() as connection:
        connection.execute(text("UPDATE lanes SET problem = 'the rules have a mistake'"))


def keeps_a_lane_waiting(there: Watched) -> None:
    with there.site.database.transaction() as connection:
        lanes.raise_wanted(connection, [LANE], now=now() - timedelta(minutes=11))


def forgets_a_lane(there: Watched) -> None:
    with there.site.database.transaction() as connection:
        connection.execute(text("UPDATE lanes SET due_at = NULL, last_run_at = NULL"))


def fails_sweep(there: Watched) -> None:
    with there.site.database.transaction() as connection:
        measures.add(connection, "sweeps", "tags:failed", 3)


def has_a_storm(there: Watched) -> None:
    with there.site.database.transaction() as connection:
        storms.note(connection, Storm(sweep="tags", key="k", found=900, sample="1.0.0", since=now()))


OUTAGES: Mapping[str, Callable[[Watched], None]] = {
    "FluxbridgeDown": is_gone,
    "FluxbridgeWebhooksNotKept": keeps_nothing,
    "FluxbridgeDatabaseSilent": is_silent,
    "FluxbridgeWebhooksNotAuthentic": is_tried,
    "FluxbridgeDeadDeliveries": kills_a_delivery,
    "FluxbridgeDeliveriesWait": keeps_a_delivery_waiting,
    "FluxbridgeLaneFails": fails_lane,
    "FluxbridgeGivenUp": gives_work_up,
    "FluxbridgeLaneToMend": needs_a_person,
    "FluxbridgeLanesWait": keeps_a_lane_waiting,
    "FluxbridgeStalled": forgets_a_lane,
    "FluxbridgeSweepsFail": fails_sweep,
    "FluxbridgeStorm": has_a_storm,
}


@pytest.mark.parametrize("alert", sorted(RULES))
def test_it_fires_in_its_outage_and_not_before(watched: Watched, alert: str) -> None:
    assert watched.firing() == set()
    OUTAGES[alert](watched)
    if alert != "FluxbridgeDown":
        watched.scrape()
    assert alert in watched.firing()
