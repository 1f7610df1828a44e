"""Several deliveries are written down in one transaction, and each by itself where one of them does not let it be."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from app.db import deliveries, delivery_claims
from app.db.database import Database, DatabaseUnavailable
from app.db.deliveries import DeliveryState
from app.db.delivery_claims import ClaimedDelivery
from app.services.intake.interpret import Reading, groups_of
from app.worker import Workers
from tests.services.intake.webhooks import LEASE, MAIN, Site, branch_event, digest_of, envelope, github, push_event

TAGS = [f"1.0.{number}" for number in range(4)]


def keep_pushes(site: Site, tags: Sequence[str] = TAGS) -> Sequence[str]:
    """Keep a webhook for each tag; returns their ids."""
    for tag in tags:
        site.put_image(tag)
    return [site.keep("registry", envelope(push_event(tag, digest_of(tag)))) for tag in tags]


def claim_all(site: Site) -> Sequence[ClaimedDelivery]:
    with site.database.transaction() as connection:
        return delivery_claims.claim_some(connection, owner="tests", now=site.now, lease=LEASE, most=100)


def read_all(site: Site, claims: Sequence[ClaimedDelivery]) -> Sequence[Reading]:
    return [reading for claim in claims for reading in site.interpreter().read(claim)]


def states(site: Site, ids: Sequence[str]) -> list[DeliveryState]:
    return [site.delivery(one).state for one in ids]


def test_together_they_say_what_each_would_by_itself(site: Site) -> None:
    ids = keep_pushes(site)
    readings = read_all(site, claim_all(site))
    owed = site.interpreter().write_together(readings)
    assert owed is not None
    assert {one.reference for one in owed} == set(TAGS)
    site.interpreter().ask(owed)
    site.check_choices()
    assert states(site, ids) == [DeliveryState.DONE] * len(TAGS)
    assert {site.delivery(one).outcome for one in ids} == {f"facts: ImagePushed. lanes: {MAIN}"}
    together = site.facts()
    for one in ids:
        with site.database.transaction() as connection:
            deliveries.replay(connection, one, now=site.now)
        site.interpret()
    assert site.facts() == together


def test_where_one_was_lost_nothing_is_written_and_each_is_written_by_itself(site: Site) -> None:
    ids = keep_pushes(site)
    claims = claim_all(site)
    readings = read_all(site, claims)
    with site.database.transaction() as connection:
        delivery_claims.release(connection, claims[1])
    before, wanted = site.facts(), site.wanted()
    assert site.interpreter().write_together(readings) is None
    assert (site.facts(), site.wanted()) == (before, wanted)
    for reading in readings:
        site.interpreter().write(reading)
    waiting = claims[1].id
    assert {one: site.delivery(one).state for one in ids if one != waiting} == dict.fromkeys(
        [one for one in ids if one != waiting], DeliveryState.DONE
    )
    assert site.delivery(waiting).state is DeliveryState.WAITING


def test_what_tells_of_a_branch_is_written_alone(site: Site) -> None:
    keep_pushes(site, TAGS[:2])
    site.keep("github", branch_event("main"), github("push"))
    readings = read_all(site, claim_all(site))
    assert sorted(len(group) for group in groups_of(readings)) == [1, 2]


def test_no_more_is_written_together_than_one_transaction_is_to_carry(site: Site) -> None:
    many = envelope(*(push_event(f"2.0.{number}", digest_of(str(number))) for number in range(30)))
    for _ in range(4):
        site.keep("registry", many)
    readings = read_all(site, claim_all(site))
    assert [len(group) for group in groups_of(readings)] == [1, 1, 1, 1]


@dataclass
class Grudging:
    """The real database, except that it keeps no transaction in which several deliveries end."""

    real: Database
    ended: threading.Event
    refused: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    @contextmanager
    def transaction(self, **how: Any) -> Iterator[Connection]:
        """One transaction, if no more than one ends in it."""
        with self.real.transaction(**how) as connection:
            before = deliveries.counts_by_state(connection)
            yield connection
            after = deliveries.counts_by_state(connection)
            if after.get("done", 0) - before.get("done", 0) > 1:
                self.refused += 1
                raise DatabaseUnavailable("it takes one at a time")
        if not after.get("waiting"):
            self.ended.set()


def test_a_worker_goes_on_one_by_one_where_several_cannot_be_written(site: Site) -> None:
    ids = keep_pushes(site, [f"3.0.{number}" for number in range(20)])
    grudging = Grudging(site.database, threading.Event())
    view: Any = grudging
    systems = replace(site.systems, config_repos={})
    workers = Workers(database=view, systems=systems, clock=lambda: site.now, count=1)
    workers.start()
    try:
        assert grudging.ended.wait(60)
    finally:
        workers.stop()
    assert states(site, ids) == [DeliveryState.DONE] * len(ids)
    assert grudging.refused > 0
    with site.database.transaction() as connection:
        tries = [row.tries for row in deliveries.page(connection, limit=100).items]
    assert set(tries) == {1}
