"""A database with something of everything, and ways to break it."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import Connection, text

from app.core.policies.spec import PolicySpec, SemVer
from app.core.ports import PullRequestState
from app.db import catalogue, deliveries, delivery_claims, promotions, pull_requests, pushed_heads, selections
from app.db.database import Database
from app.db.deliveries import DeliveryState, NewDelivery
from app.db.promotions import NewPromotion, PromotionState
from app.db.pull_requests import PullRequestRow
from app.db.pushed_heads import PushedHead
from tests.db.facts import claim_next
from tests.services.history import IMAGE, LANE, NOW, POLICY, write_history

LEASE = timedelta(seconds=30)
HEAD = "e" * 40
_ONE = "WHERE id = (SELECT min(id) FROM deliveries WHERE state = '{}')"
DONE, WAITING = _ONE.format("done"), _ONE.format("waiting")
AT_REST = [
    pytest.param("due_at = NULL, last_error = 'no longer configured'", id="no longer configured"),
    pytest.param("due_at = NULL, last_run_at = 5", id="idle"),
    pytest.param("owner = 'w', claimed_at = 5, lease_until = 5", id="a lease that ran out"),
]
"""What may be set in a lane of a healthy database."""


class Told(Protocol):
    """Something that is wrong in a database, as whoever looks tells it."""

    @property
    def law(self) -> str: ...
    @property
    def row(self) -> str: ...
    @property
    def what(self) -> str: ...


def fill(database: Database) -> None:
    """Write a delivery of each kind, a lane, and a promotion whose pull request is open."""
    with database.transaction() as connection:
        write_history(connection)
        for number in range(3):
            deliveries.keep(connection, a_delivery(str(number)))
        claim = claim_next(connection, owner="w", now=NOW, lease=LEASE)
        assert claim is not None
        delivery_claims.finish(connection, claim, state=DeliveryState.DONE, outcome="no facts", now=NOW)
        assert claim_next(connection, owner="w", now=NOW, lease=LEASE) is not None
        catalogue.lock(connection, [IMAGE], NOW)
        selections.store(connection, IMAGE, PolicySpec(SemVer("1.x")), None)
        _propose(connection)


def a_delivery(external_id: str) -> NewDelivery:
    """One that waits."""
    return NewDelivery(source="ci", kind="jenkins", external_id=external_id, headers={}, body=b"{}", received_at=NOW)


def _propose(connection: Connection) -> None:
    new = NewPromotion(
        lane=LANE,
        stage="staging",
        policy=POLICY,
        image=str(IMAGE),
        tag="1.2.0",
        digest=None,
        from_tag="1.1.0",
        reason="passed",
        origin="fluxbridge",
    )
    begun = promotions.begin(connection, new, who="fluxbridge", at=NOW)
    head = PushedHead(lane=LANE, branch="b", sha=HEAD, base_sha="c" * 40, tags={POLICY: "1.2.0"}, recorded_at=NOW)
    pushed_heads.record(connection, head)
    pull_requests.upsert(connection, open_pull(5))
    learned = {"pull_request": 5, "branch": "b", "head_sha": HEAD}
    state = PromotionState.PROPOSED
    promotions.move(connection, begun.id, state, reason="passed", who="fluxbridge", at=NOW, learned=learned)


def open_pull(number: int) -> PullRequestRow:
    """A pull request of the branch that the promotion has."""
    return PullRequestRow(
        lane=LANE,
        number=number,
        branch="b",
        stage="staging",
        group=POLICY,
        url="u",
        title="t",
        state=PullRequestState.OPEN,
        head_sha=HEAD,
        tags={POLICY: "1.2.0"},
        opened_at=NOW,
    )


def run(database: Database, *statements: str) -> None:
    """Write past the program."""
    with database.transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))


def tells(found: Sequence[Told], law: str, row: str) -> None:
    """See that a break of a law is told, with its row, and what it is."""
    told = [one for one in found if one.law == law]
    assert told, found
    assert any(one.row.startswith(row) for one in told), told
    assert all(one.what for one in told)


def file_of(sqlite_url: str) -> Path:
    """The file of a database."""
    return Path(sqlite_url.removeprefix("sqlite:///"))
