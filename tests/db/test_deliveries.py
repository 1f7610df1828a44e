"""A delivery is kept once and worked off by one worker at a time."""

import pytest

from app.core.errors import Invalid
from app.db import deliveries, delivery_claims
from app.db.database import Database
from app.db.deliveries import DeliveryState, NewDelivery
from app.db.delivery_claims import ClaimedDelivery
from tests.db.facts import LEASE, MINUTE, NOW, SECOND, claim_next, delivery
from tests.db.threads import at_once


def test_a_repeated_delivery_is_kept_once(database: Database) -> None:
    ids = {_keep(database, delivery("one")) for _ in range(3)}
    assert len(ids) == 1


def test_the_same_id_of_another_source_is_another_delivery(database: Database) -> None:
    assert _keep(database, delivery("one", source="ci")) != _keep(database, delivery("one", source="registry"))


def test_the_same_delivery_ten_times_at_once_is_kept_once(database: Database) -> None:
    ids = at_once(*[lambda: _keep(database, delivery("one"))] * 10)
    assert len(set(ids)) == 1
    with database.transaction() as connection:
        assert deliveries.counts_by_state(connection) == {"waiting": 1}


@pytest.mark.parametrize(
    "external_id",
    [
        pytest.param("x" * 5000, id="very long"),
        pytest.param("a\0b", id="zero byte"),
        pytest.param("a\ud800b", id="lone surrogate"),
        pytest.param("naïve ✓", id="beyond ASCII"),
    ],
)
def test_odd_ids_are_kept_like_others(database: Database, external_id: str) -> None:
    first = _keep(database, delivery(external_id))
    assert _keep(database, delivery(external_id)) == first
    assert _keep(database, delivery(external_id + "!")) != first


def test_bodies_come_back_byte_for_byte(database: Database) -> None:
    body = bytes(range(256))
    _keep(database, delivery(body=body))
    claim = _claim(database)
    with database.transaction() as connection:
        content = deliveries.content(connection, claim.id)
        assert deliveries.content(connection, "unknown") is None
    assert content is not None
    assert (claim.body, content.body, content.headers) == (body, body, {"content-type": "application/json"})


def test_the_longest_waiting_delivery_is_claimed_first(database: Database) -> None:
    first = _keep(database, delivery("one"))
    with database.transaction() as connection:
        claim = claim_next(connection, owner="a", now=NOW, lease=LEASE)
        assert claim is not None
        delivery_claims.postpone(connection, claim, due_at=NOW + MINUTE, error="later", counts=False)
    second = _keep(database, delivery("two"))
    assert [_claim(database, minutes=2).id for _ in range(2)] == [second, first]


def test_a_claimed_delivery_is_nobody_elses_until_its_lease_ends(database: Database) -> None:
    _keep(database, delivery())
    first = _claim(database)
    with database.transaction() as connection:
        assert claim_next(connection, owner="b", now=NOW + LEASE, lease=LEASE) is None
        later = claim_next(connection, owner="b", now=NOW + LEASE + SECOND, lease=LEASE)
    assert later is not None
    assert later.id == first.id
    assert later.fence > first.fence


def test_many_workers_claim_different_deliveries(database: Database) -> None:
    kept = {_keep(database, delivery(str(number))) for number in range(8)}
    claims = at_once(*[lambda: _claim(database).id] * 8)
    assert set(claims) == kept


def test_who_lost_the_delivery_writes_nothing(database: Database) -> None:
    _keep(database, delivery())
    lost = _claim(database)
    _claim(database, minutes=1)
    with database.transaction() as connection:
        assert not delivery_claims.finish(connection, lost, state=DeliveryState.DONE, outcome="mine", now=NOW)
        assert not delivery_claims.postpone(connection, lost, due_at=NOW, error="mine", counts=True)
        row = deliveries.find(connection, lost.id)
    assert row is not None
    assert (row.state, row.outcome, row.error, row.attempts) == (DeliveryState.WAITING, None, None, 0)


def test_a_finished_delivery_tells_its_outcome_and_is_not_claimed_again(database: Database) -> None:
    _keep(database, delivery())
    claim = _claim(database)
    with database.transaction() as connection:
        assert delivery_claims.finish(
            connection, claim, state=DeliveryState.DONE, outcome="facts: \0 ImagePushed", now=NOW
        )
        row = deliveries.find(connection, claim.id)
        assert claim_next(connection, owner="b", now=NOW + MINUTE, lease=LEASE) is None
    assert row is not None
    assert (row.state, row.outcome, row.ended_at) == (
        DeliveryState.DONE,
        "facts: \N{REPLACEMENT CHARACTER} ImagePushed",
        NOW,
    )


def test_what_is_put_off_counts_only_when_it_should(database: Database) -> None:
    _keep(database, delivery())
    for minute, counts in ((0, False), (2, True)):
        claim = _claim(database, minutes=minute)
        with database.transaction() as connection:
            assert delivery_claims.postpone(
                connection, claim, due_at=NOW + (minute + 1) * MINUTE, error="no registry", counts=counts
            )
    again = _claim(database, minutes=4)
    assert (again.attempts, again.tries) == (1, 3)


def test_a_process_that_is_alone_takes_everything_back(database: Database) -> None:
    _keep(database, delivery())
    before = _claim(database)
    with database.transaction() as connection:
        delivery_claims.release_all(connection)
    after = _claim(database)
    assert after.id == before.id
    with database.transaction() as connection:
        assert not delivery_claims.finish(connection, before, state=DeliveryState.DONE, outcome="", now=NOW)


def test_a_dead_delivery_can_be_replayed(database: Database) -> None:
    _keep(database, delivery())
    claim = _claim(database)
    with database.transaction() as connection:
        delivery_claims.finish(connection, claim, state=DeliveryState.DEAD, outcome="poison", now=NOW)
        assert deliveries.replay(connection, claim.id, now=NOW)
        assert not deliveries.replay(connection, "unknown", now=NOW)
    assert _claim(database).id == claim.id


def test_pages_tell_every_delivery_once_newest_first(database: Database) -> None:
    kept = [_keep(database, delivery(str(number), source="ci" if number % 2 else "registry")) for number in range(7)]
    seen: list[str] = []
    after: str | None = None
    with database.transaction() as connection:
        while True:
            page = deliveries.page(connection, limit=3, after=after)
            seen += [row.id for row in page.items]
            after = page.next
            if after is None:
                break
        ours = deliveries.page(connection, limit=100, source="ci").items
        done = deliveries.page(connection, limit=100, state=DeliveryState.DONE).items
    assert seen == sorted(kept, reverse=True)
    assert {row.source for row in ours} == {"ci"}
    assert (len(ours), len(done)) == (3, 0)


@pytest.mark.parametrize("cursor", ["", "x", "WzFd", "bm9uc2Vuc2U", "é", "WyJcdTAwMDAiXQ"])
def test_a_cursor_of_somebody_elses_making_is_invalid(database: Database, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"), database.transaction() as connection:
        deliveries.page(connection, limit=3, after=cursor)


def test_how_many_wait_and_since_when_is_told(database: Database) -> None:
    with database.transaction() as connection:
        assert deliveries.oldest_waiting(connection) is None
    _keep(database, delivery())
    with database.transaction() as connection:
        assert deliveries.oldest_waiting(connection) == NOW
        assert deliveries.counts_by_state(connection) == {"waiting": 1}


def _keep(database: Database, new: NewDelivery) -> str:
    with database.transaction() as connection:
        return deliveries.keep(connection, new)


def _claim(database: Database, *, minutes: int = 0) -> ClaimedDelivery:
    with database.transaction() as connection:
        claim = claim_next(connection, owner="a", now=NOW + minutes * MINUTE, lease=LEASE)
    assert claim is not None
    return claim


def test_sources_take_turns_however_much_one_of_them_sent(database: Database) -> None:
    with database.transaction() as connection:
        deliveries.keep_all(connection, [delivery(f"many-{number}", source="ci") for number in range(30)])
        deliveries.keep_all(connection, [delivery("one", source="registry"), delivery("another", source="registry")])
        served, last = list[str](), ""
        for _ in range(5):
            claim = claim_next(connection, owner="a", now=NOW, lease=LEASE, after_source=last)
            assert claim is not None
            served.append(last := claim.source)
    assert served == ["ci", "registry", "ci", "registry", "ci"]


def _claim_some(database: Database, most: int, *, after_source: str = "") -> list[str]:
    with database.transaction() as connection:
        claims = delivery_claims.claim_some(
            connection, owner="a", now=NOW + MINUTE, lease=LEASE, most=most, after_source=after_source
        )
        rows = [deliveries.find(connection, one.id) for one in claims]
    return [row.external_id for row in rows if row is not None]


def test_several_are_claimed_at_once_in_the_order_of_their_waiting(database: Database) -> None:
    for number in range(5):
        _keep(database, delivery(str(number), received_at=NOW + number * SECOND))
    assert [_claim_some(database, 3) for _ in range(3)] == [["0", "1", "2"], ["3", "4"], []]


def test_no_more_are_claimed_at_once_than_there_is_room_for(database: Database) -> None:
    for number, size in enumerate([2_000_000, 400_000, 400_000, 400_000, 1]):
        _keep(database, delivery(str(number), body=b"x" * size, received_at=NOW + number * SECOND))
    assert [_claim_some(database, 8) for _ in range(3)] == [["0"], ["1", "2"], ["3", "4"]]


def test_of_several_at_once_the_next_source_comes_first(database: Database) -> None:
    for number, source in enumerate(["a", "a", "b", "b", "c"]):
        _keep(database, delivery(str(number), source=source, received_at=NOW + number * SECOND))
    assert _claim_some(database, 3, after_source="a") == ["2", "3", "4"]
    assert _claim_some(database, 3, after_source="c") == ["0", "1"]
