"""G: what bodies may cost on disk: of a source that is flooded little is kept, and of others nothing is lost."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app.core.errors import Conflict
from app.db import deliveries
from app.db.deliveries import DeliveryRow, DeliveryState, NewDelivery
from app.senders import SENDERS
from app.senders.sender import Keys, WebhookRequest
from app.services.intake.accept import accept
from app.services.people.replay import replay
from app.services.reading.status import read_status
from tests.services.intake.webhooks import COMMIT, MAIN, Site, branch_event, flux_event

SECRET = "a-secret-of-the-sender"
A_DAY = 1_000_000
KEYS = {"github": Keys(secrets=(SECRET,)), "prod-eu": Keys(secrets=(SECRET,))}


@pytest.fixture
def site(site: Site) -> Site:
    """One with little room a day, whose senders sign."""
    site.systems = replace(site.systems, sweeps=replace(site.systems.sweeps, bodies_day_bytes=A_DAY))
    for name, keys in KEYS.items():
        site.change_source(name, keys=lambda keys=keys: keys)
    return site


def accepted(site: Site, source: str, body: bytes, **headers: str) -> NewDelivery:
    """A signed webhook as it comes through the door."""
    signature = "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()
    signed = {"content-type": "application/json", "x-hub-signature-256": signature, "x-signature": signature}
    told_by = site.systems.sources[source]
    return accept(told_by, SENDERS[told_by.kind], WebhookRequest({**signed, **headers}, body), site.now)


def post(site: Site, source: str, body: bytes, **headers: str) -> str:
    """Keep a signed webhook; returns its id."""
    with site.database.transaction() as connection:
        return deliveries.keep(connection, accepted(site, source, body, **headers))


def push(site: Site, body: bytes, guid: str) -> str:
    return post(site, "github", body, **{"x-github-event": "push", "x-github-delivery": guid})


def useless(number: int, size: int = 200_000) -> bytes:
    """What says nothing and packs badly."""
    return b'{"zen": "%s"}' % base64.b64encode(
        b"".join(hashlib.sha256(b"%d %d" % (number, at)).digest() for at in range(size * 3 // 128))
    )


def interpret_all(site: Site, count: int) -> list[DeliveryRow]:
    return [site.interpret() for _ in range(count)]


def stored_bytes(site: Site) -> int:
    with site.database.transaction() as connection:
        return int(connection.execute(select(func.sum(func.length(deliveries.deliveries.c.body)))).scalar_one())


def test_thirty_useless_bodies_take_no_more_than_a_day_may(site: Site) -> None:
    for number in range(30):
        push(site, useless(number), str(number))
    waiting = stored_bytes(site)
    ended = interpret_all(site, 30)
    assert {row.state for row in ended} == {DeliveryState.UNUSABLE}
    assert stored_bytes(site) <= A_DAY < waiting < 30 * 200_000
    dropped = [row for row in ended if row.dropped_at is not None]
    told = read_status(site.database, lambda: site.now)
    assert (told.bodies_dropped, told.body_bytes) == ({"github": len(dropped)}, {"github": stored_bytes(site)})


def test_bodies_that_say_much_the_same_are_stored_in_a_fraction(site: Site) -> None:
    body = b'{"action": "labeled", "number": 7, "label": {"name": "bug"}}' * 4000
    for number in range(4):
        push(site, b"%d %s" % (number, body), str(number))
    assert stored_bytes(site) < len(body) // 5


def test_a_flood_of_one_source_takes_nothing_from_another_and_nothing_that_waits(site: Site) -> None:
    for number in range(8):
        push(site, useless(number), str(number))
    interpret_all(site, 8)
    waits = push(site, branch_event("main"), "honest")
    post(site, "prod-eu", flux_event())
    ended = interpret_all(site, 2)
    assert {row.source: row.dropped_at is None for row in ended}["prod-eu"]
    assert site.wanted()[MAIN] == 2
    assert site.delivery(waits).state is DeliveryState.DONE


def test_the_same_signed_body_under_new_ids_is_one_delivery(site: Site) -> None:
    ids = {push(site, useless(1, 2000), f"guid-{number}") for number in range(20)}
    ids |= {post(site, "github", useless(1, 2000), **{"x-github-event": "push"})}
    site.now += timedelta(days=3)
    ids |= {push(site, useless(1, 2000), "later")}
    assert len(ids) == 1


def test_headers_that_nothing_signs_make_no_more_of_a_body_than_can_be_read_of_it(site: Site) -> None:
    kinds = {
        post(site, "github", useless(1, 2000), **{"x-github-event": event, "content-type": content})
        for event in ("push", "pull_request", *map(str, range(20)))
        for content in ("application/json", "text/plain", "application/x-www-form-urlencoded")
    }
    assert len(kinds) == 6


def test_a_body_from_a_cluster_is_one_delivery_whenever_it_is_sent_again(site: Site) -> None:
    first = post(site, "prod-eu", flux_event())
    site.now += timedelta(hours=5)
    assert post(site, "prod-eu", flux_event()) == first
    assert post(site, "prod-eu", flux_event(at=site.now)) != first


def test_pushes_there_and_back_and_there_again_are_three(site: Site) -> None:
    bodies = [
        branch_event("main", after=commit)[:-1] + b', "pushed_at": %d}' % at
        for at, commit in enumerate((COMMIT, "b" * 40, COMMIT))
    ]
    assert len({push(site, body, str(number)) for number, body in enumerate(bodies)}) == 3


def test_a_proxy_that_dropped_the_event_keeps_no_redelivery_out(site: Site) -> None:
    first = post(site, "github", branch_event("main"))
    assert site.interpret().state is DeliveryState.UNUSABLE
    again = push(site, branch_event("main"), "guid")
    assert again != first
    assert (site.interpret().state, site.wanted()[MAIN]) == (DeliveryState.DONE, 1)


@pytest.mark.parametrize("source", ["github", "prod-eu"])
def test_what_was_kept_before_under_another_id_is_known_when_it_is_sent_again(site: Site, source: str) -> None:
    headers = {"x-github-event": "push", "x-github-delivery": "72d3162e"}
    new = accepted(site, source, flux_event(), **headers)
    assert new.former_id is not None
    with site.database.transaction() as connection:
        first = deliveries.keep(connection, replace(new, external_id=new.former_id, former_id=None))
    assert post(site, source, flux_event(), **headers) == first
    assert post(site, source, flux_event("b" * 40), **{**headers, "x-github-delivery": "new"}) != first


def test_a_packed_body_is_read_again_by_a_replay(site: Site) -> None:
    body = branch_event("main")[:-1] + b', "commits": [%s]}' % b", ".join([b'{"id": 1}'] * 1000)
    kept = push(site, body, "1")
    assert stored_bytes(site) < len(body) // 5
    site.interpret()
    with site.database.transaction() as connection:
        replay(connection, kept, site.now)
        found = deliveries.content(connection, kept)
    assert found is not None
    assert found.body == body
    assert (site.interpret().state, site.wanted()[MAIN]) == (DeliveryState.DONE, 2)


def test_one_that_was_dropped_says_so_and_is_still_known_when_it_is_sent_again(site: Site) -> None:
    bodies = {push(site, useless(number), str(number)): useless(number) for number in range(8)}
    dropped = interpret_all(site, 8)[-1]
    assert (push(site, bodies[dropped.id], "again"), site.delivery(dropped.id)) == (dropped.id, dropped)
    with (
        pytest.raises(Conflict, match=r"was dropped on 2026-11-21 \(retention.bodies_day_bytes\)"),
        site.database.transaction() as connection,
    ):
        replay(connection, dropped.id, site.now)
    assert read_status(site.database, lambda: site.now).body_bytes == {"github": stored_bytes(site)}


def test_a_damaged_body_is_told_and_holds_up_nothing(site: Site) -> None:
    push(site, branch_event("main") + b" " * 1000, "1")
    with site.database.transaction() as connection:
        connection.execute(update(deliveries.deliveries).values(body=b"x"))
    ended = site.interpret()
    assert (ended.state, "damaged" in (ended.outcome or "")) == (DeliveryState.UNUSABLE, True)
