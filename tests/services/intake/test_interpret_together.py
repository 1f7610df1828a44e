"""Several deliveries are written down in one transaction, and each by itself where one of them does not let it be."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from app.core.ports import Registry
from app.db import deliveries, delivery_claims, owed_answers
from app.db.database import Database, DatabaseUnavailable
from app.db.deliveries import DeliveryState
from app.db.delivery_claims import ClaimedDelivery
from app.db.owed_answers import OwedAnswer
from app.services.intake.interpret import Reading, groups_of
from app.worker import Workers
from tests.services.intake.webhooks import (
    LEASE,
    MAIN,
    Site,
    branch_event,
    build_report,
    delete_event,
    digest_of,
    envelope,
    github,
    push_event,
)

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
class Counting:
    """The real registry, which notes what it is asked for."""

    real: Registry
    asked: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def digest(self, repository: str, reference: str) -> str | None:
        """Say what a tag names."""
        self.asked.append(reference)
        return self.real.digest(repository, reference)


def owed_of(site: Site) -> Sequence[OwedAnswer]:
    with site.database.transaction() as connection:
        return owed_answers.of_image(connection, site.image)


def test_two_that_speak_of_one_tag_are_written_as_one_after_the_other(site: Site) -> None:
    """The first digest that was told stands until the registry, asked once, says what the tag names."""
    present, first, second = site.put_image("1.0.0", "present"), digest_of("first"), digest_of("second")
    ids = []
    for one in (first, second):
        site.now += timedelta(seconds=1)
        ids.append(site.keep("registry", envelope(push_event("1.0.0", one))))
    counting: Any = Counting(site.systems.registries[site.registry.host])
    site.swap_registry(counting)
    owed = site.interpreter().write_together(read_all(site, claim_all(site)))
    assert owed is not None
    known = site.tag("1.0.0")
    assert known is not None
    assert (known.digest, known.presence.is_shown) == (first, False)
    site.interpreter().ask(owed)
    site.check_choices()
    known = site.tag("1.0.0")
    assert known is not None
    assert (known.digest, known.presence.is_shown) == (present, True)
    assert (states(site, ids), owed_of(site), counting.asked) == ([DeliveryState.DONE] * 2, [], ["1.0.0"])
    assert site.facts()["pushes"] == sorted((str(site.image), "1.0.0", one) for one in (first, second))


@pytest.mark.parametrize("is_there", [True, False])
def test_a_push_and_a_deletion_of_one_tag_end_as_the_registry_has_it(site: Site, *, is_there: bool) -> None:
    if is_there:
        site.put_image("1.0.0")
    site.keep("registry", envelope(push_event("1.0.0", digest_of("1.0.0"))))
    site.keep("registry", envelope(delete_event(tag="1.0.0")))
    owed = site.interpreter().write_together(read_all(site, claim_all(site)))
    assert owed is not None
    assert {(one.reference, one.is_deletion) for one in owed} == {("1.0.0", True)}
    site.interpreter().ask(owed)
    site.check_choices()
    known = site.tag("1.0.0")
    assert known is not None
    assert (known.presence.is_shown, known.presence.is_deleted) == (is_there, not is_there)


def test_reports_and_pushes_of_one_tag_are_one_tag(site: Site) -> None:
    digest = site.put_image("1.0.0")
    ids = [
        site.keep("registry", envelope(push_event("1.0.0", digest))),
        site.keep("ci", build_report(site.image, "1.0.0", digest)),
        site.keep("registry", envelope(push_event("1.0.0", digest))),
    ]
    owed = site.interpreter().write_together(read_all(site, claim_all(site)))
    assert owed is not None
    site.interpreter().ask(owed)
    site.check_choices()
    assert states(site, ids) == [DeliveryState.DONE] * 3
    assert site.facts()["pushes"] == [(str(site.image), "1.0.0", digest)]
    assert [one.number for one in site.builds()] == [1]


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


@dataclass
class Choosy:
    """The real database, except that it lets no transaction end one of the deliveries."""

    real: Database
    refused: str
    others_ended: threading.Event

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    @contextmanager
    def transaction(self, **how: Any) -> Iterator[Connection]:
        """One transaction, unless that one ends in it."""
        with self.real.transaction(**how) as connection:
            yield connection
            row = deliveries.find(connection, self.refused)
            if row is not None and row.state is DeliveryState.DONE:
                raise DatabaseUnavailable("not this one")
            counts = deliveries.counts_by_state(connection)
        if counts.get("waiting") == 1 and row is not None and row.error:
            self.others_ended.set()


def test_one_amid_others_that_cannot_be_written_is_put_off_alone(site: Site) -> None:
    ids = keep_pushes(site, [f"3.0.{number}" for number in range(8)])
    choosy = Choosy(site.database, ids[4], threading.Event())
    view: Any = choosy
    workers = Workers(database=view, systems=replace(site.systems, config_repos={}), clock=lambda: site.now, count=1)
    workers.start()
    try:
        assert choosy.others_ended.wait(60)
    finally:
        workers.stop()
    others = [one for one in ids if one != ids[4]]
    assert states(site, others) == [DeliveryState.DONE] * len(others)
    refused = site.delivery(ids[4])
    assert (refused.state, refused.attempts) == (DeliveryState.WAITING, 0)
    assert site.tag("3.0.4") is None
    assert all(site.tag(f"3.0.{number}") is not None for number in range(8) if number != 4)


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
