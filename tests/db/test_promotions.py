"""Promotions begin once, move on with an event each, and their history cannot be changed unseen."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import Connection, text

from app.db import promotion_events, promotions
from app.db.database import Database
from app.db.promotion_events import Link
from app.db.promotions import NewPromotion, PromotionFilters, PromotionRow, PromotionState
from tests.db.facts import MINUTE, NOW

LANE = "fleet:main"
NEW = NewPromotion(
    lane=LANE,
    stage="staging",
    policy="clusters/staging:flux-system/web",
    image="registry.acme.example/shop/web",
    tag="1.2.0",
    digest=None,
    from_tag="1.1.0",
    reason="no build has reported it",
    origin="fluxbridge",
)


def test_an_open_promotion_is_not_begun_twice(database: Database) -> None:
    with database.transaction() as connection:
        first, second = _begin(connection), _begin(connection)
        assert first.id == second.id
        assert [row.id for row in promotions.open_in(connection, LANE)] == [first.id]
        assert len(promotion_events.of_promotion(connection, first.id)) == 1


def test_a_tag_that_comes_back_is_a_new_promotion(database: Database) -> None:
    with database.transaction() as connection:
        first = _begin(connection)
        _move(connection, first, PromotionState.SUPERSEDED)
        second = _begin(connection, at=NOW + MINUTE)
        assert second.id != first.id
        newest = promotions.latest(connection, LANE, stage="staging", policy=NEW.policy, tag="1.2.0")
        assert newest == second


def test_moving_on_tells_what_is_known_and_keeps_what_was(database: Database) -> None:
    with database.transaction() as connection:
        begun = _begin(connection)
        _move(connection, begun, PromotionState.PROPOSED, {"pull_request": 7, "branch": "b", "head_sha": "a" * 40})
        _move(connection, begun, PromotionState.MERGED, {"merged_by": "ann\0", "merged_at": NOW, "branch": None})
        row = promotions.find(connection, begun.id)
    assert row is not None
    assert (row.state, row.pull_request, row.branch, row.merged_by, row.merged_at) == (
        PromotionState.MERGED,
        7,
        "b",
        "ann\N{REPLACEMENT CHARACTER}",
        NOW,
    )


def test_each_move_is_an_event_with_who_and_why(database: Database) -> None:
    with database.transaction() as connection:
        begun = _begin(connection)
        _move(connection, begun, PromotionState.PROPOSED)
        _move(connection, begun, PromotionState.MERGED)
        events = promotion_events.of_promotion(connection, begun.id)
    assert [(event.what, event.who) for event in events] == [
        ("waiting", "fluxbridge"),
        ("proposed", "ann"),
        ("merged", "ann"),
    ]
    assert [event.seq for event in events] == [1, 2, 3]


def test_what_was_merged_last_is_in(database: Database) -> None:
    with database.transaction() as connection:
        older = _begin(connection)
        newer = _begin(connection, replace(NEW, tag="1.3.0"), at=NOW + MINUTE)
        _move(connection, newer, PromotionState.MERGED, {"merged_at": NOW + MINUTE})
        _move(connection, older, PromotionState.MERGED, {"merged_at": NOW + 2 * MINUTE})
        last = promotions.latest_merged(connection, LANE, stage="staging", policy=NEW.policy)
    assert last is not None
    assert last.tag == "1.2.0"


def test_a_merge_that_is_corrected_later_is_no_newer_one(database: Database) -> None:
    with database.transaction() as connection:
        older = _begin(connection)
        newer = _begin(connection, replace(NEW, tag="1.3.0"), at=NOW + MINUTE)
        _move(connection, older, PromotionState.MERGED, {"merged_at": NOW})
        _move(connection, newer, PromotionState.MERGED, {"merged_at": NOW + MINUTE})
        _move(connection, older, PromotionState.MERGED, {"merged_by": "ann"})
        last = promotions.latest_merged(connection, LANE, stage="staging", policy=NEW.policy)
        by_place = promotions.merged_last(connection, LANE)
    assert last is not None
    assert last.tag == "1.3.0"
    assert by_place == {("staging", NEW.policy): last}


def test_a_pull_request_carries_its_open_promotions(database: Database) -> None:
    with database.transaction() as connection:
        begun = _begin(connection)
        _move(connection, begun, PromotionState.PROPOSED, {"pull_request": 7})
        assert [row.id for row in promotions.of_pull_request(connection, LANE, 7)] == [begun.id]
        _move(connection, begun, PromotionState.CLOSED)
        assert promotions.of_pull_request(connection, LANE, 7) == []


@pytest.mark.parametrize(
    ("filters", "tags"),
    [
        pytest.param(PromotionFilters(), ["1.2.0", "2.0.0"], id="all"),
        pytest.param(PromotionFilters(stage="production"), ["2.0.0"], id="stage"),
        pytest.param(PromotionFilters(policy="web"), ["1.2.0"], id="short policy"),
        pytest.param(PromotionFilters(policy="flux-system/web"), ["1.2.0"], id="policy"),
        pytest.param(PromotionFilters(policy="w_b"), [], id="no wildcards"),
        pytest.param(PromotionFilters(image="registry.acme.example/shop/api"), ["2.0.0"], id="image"),
        pytest.param(PromotionFilters(state=PromotionState.WAITING), ["1.2.0"], id="state"),
        pytest.param(PromotionFilters(repo="other"), [], id="repo"),
        pytest.param(PromotionFilters(since=NOW + MINUTE), ["2.0.0"], id="since"),
        pytest.param(PromotionFilters(until=NOW + MINUTE), ["1.2.0"], id="until"),
        pytest.param(PromotionFilters(stage="\0"), [], id="a zero byte"),
    ],
)
def test_promotions_are_found_by_what_they_are(database: Database, filters: PromotionFilters, tags: list[str]) -> None:
    other = replace(NEW, stage="production", policy=":shop/api", image="registry.acme.example/shop/api", tag="2.0.0")
    with database.transaction() as connection:
        _begin(connection)
        begun = _begin(connection, other, at=NOW + MINUTE)
        _move(connection, begun, PromotionState.REFUSED, at=NOW + MINUTE)
        found = promotions.page(connection, filters, limit=100).items
    assert sorted(row.tag for row in found) == tags


def test_pages_tell_every_promotion_once_newest_first(database: Database) -> None:
    with database.transaction() as connection:
        for minute in range(5):
            _begin(connection, replace(NEW, tag=f"1.{minute}.0"), at=NOW + minute * MINUTE)
        first = promotions.page(connection, PromotionFilters(), limit=3)
        second = promotions.page(connection, PromotionFilters(), limit=3, after=first.next)
        counted = promotions.counts_by_state(connection, LANE)
    assert [row.tag for row in [*first.items, *second.items]] == ["1.4.0", "1.3.0", "1.2.0", "1.1.0", "1.0.0"]
    assert second.next is None
    assert counted == {"waiting": 5}


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        pytest.param("UPDATE promotion_events SET who = 'eve' WHERE seq = 2", 2, id="changed"),
        pytest.param("DELETE FROM promotion_events WHERE seq = 2", 2, id="taken out"),
        pytest.param("UPDATE promotion_events SET at = at + 1 WHERE seq = 3", 3, id="dated otherwise"),
    ],
)
def test_a_history_that_was_tampered_with_is_seen(database: Database, tampering: str, broken: int) -> None:
    odd = NOW.replace(microsecond=123_456)
    with database.transaction() as connection:
        begun = _begin(connection, replace(NEW, reason="zero \0 and surrogate \udc80"), at=odd)
        _move(connection, begun, PromotionState.PROPOSED)
        _move(connection, begun, PromotionState.MERGED)
        assert promotion_events.check_chains(connection, Link(LANE), limit=10_000) == ([], None)
        connection.execute(text(tampering))
        assert promotion_events.check_chains(connection, Link(LANE), limit=10_000) == ([(LANE, broken)], None)


def _begin(connection: Connection, new: NewPromotion = NEW, *, at: datetime = NOW) -> PromotionRow:
    return promotions.begin(connection, new, who="fluxbridge", at=at)


def _move(
    connection: Connection,
    row: PromotionRow,
    state: PromotionState,
    learned: Mapping[str, object] | None = None,
    *,
    at: datetime = NOW,
) -> PromotionRow:
    return promotions.move(connection, row.id, state, reason=f"is {state}", who="ann", at=at, learned=learned)
