"""Whoever lost a delivery to another worker writes none of its facts."""

import pytest

from app.db import delivery_claims
from app.db.deliveries import DeliveryState
from tests.services.intake.webhooks import Site, digest_of, envelope, push_event


def tags(count: int) -> list[str]:
    return [f"1.0.{number}" for number in range(count)]


@pytest.mark.parametrize("count", [1, 150], ids=["one part", "two parts"])
def test_a_delivery_that_was_given_back_meanwhile_leaves_no_facts(site: Site, count: int) -> None:
    site.keep("registry", envelope(*(push_event(tag, digest_of(tag)) for tag in tags(count))))
    claim = site.claim()
    with site.database.transaction() as connection:
        delivery_claims.release(connection, claim)
    before, wakes = site.facts(), site.wakes
    site.interpreter().interpret(claim)
    assert site.facts() == before
    assert (site.delivery(claim.id).state, site.wakes) == (DeliveryState.WAITING, wakes)
    assert site.interpret().state is DeliveryState.DONE
    assert site.facts() != before
