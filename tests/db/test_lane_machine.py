"""Whatever workers, crashes and a clock do to lanes and deliveries in any order, ownership is right and nothing waits.

A long run: `FLUXBRIDGE_FAULT_ROUNDS=100 uv run pytest -n0 tests/db/test_lane_machine.py`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, delete, select

from app.db import deliveries, delivery_claims, lanes
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.db.delivery_claims import ClaimedDelivery
from app.db.lanes import LaneClaim
from tests.db.facts import LEASE, NOW, SECOND, claim_next, delivery
from tests.faults.extent import ROUNDS, timeout

pytestmark = timeout
_BRANCHES = ("main", "next")
_KEYS = tuple(lanes.key_of("fleet", branch) for branch in _BRANCHES)
_WORKERS = st.sampled_from(["a", "b"])
_LATER = st.integers(0, 90).map(lambda seconds: seconds * SECOND)
_MOMENTS = st.sampled_from([timedelta(0), SECOND, 10 * SECOND, LEASE, LEASE + SECOND, 3 * LEASE])
Rows = Mapping[str, Any]
Act = Callable[[Connection], object]


class LaneMachine(RuleBasedStateMachine):
    """Workers that claim, renew, end, fail, forget and wake late; the newest claim of a row is the one that counts."""

    lane_claims: Bundle[LaneClaim] = Bundle("lane_claims")
    claimed_deliveries: Bundle[ClaimedDelivery] = Bundle("claimed_deliveries")

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database, self.now = database, NOW
        self.noted = dict.fromkeys(_KEYS, 0)
        self.holders: dict[str, LaneClaim | ClaimedDelivery] = {}
        self.ended: dict[str, str] = {}
        with database.transaction() as connection:
            connection.execute(delete(lanes.lanes))
            connection.execute(delete(deliveries.deliveries))
            for branch in _BRANCHES:
                lanes.ensure(connection, "fleet", branch, self.now)
        self.before = self._rows()

    @rule(passed=_MOMENTS)
    def time_passes(self, passed: timedelta) -> None:
        self.now += passed

    @rule(name=st.integers(0, 2))
    def a_webhook_is_kept(self, name: int) -> None:
        with self.database.transaction() as connection:
            found = deliveries.keep_all(connection, [delivery(str(name))] * 2, due_at=self.now)
        assert len(set(found)) == 1
        assert [row.external_id for row in self._rows().values() if "external_id" in row._fields].count(str(name)) == 1

    @rule(keys=st.sets(st.sampled_from(_KEYS), min_size=1))
    def something_is_wanted(self, keys: set[str]) -> None:
        with self.database.transaction() as connection:
            lanes.raise_wanted(connection, keys, now=self.now)
        for key in keys:
            row, before = self._rows()[key], self.before[key]
            assert row.wanted == before.wanted + 1
            backs_off = before.last_error is not None and before.due_at is not None
            assert row.due_at == before.due_at if backs_off else row.due_at <= self.now

    @rule(target=lane_claims, worker=_WORKERS)
    def a_lane_is_claimed(self, worker: str) -> Any:
        free = [key for key in _KEYS if self._is_free(key)]
        with self.database.transaction() as connection:
            claim = lanes.claim_due(connection, owner=worker, now=self.now, lease=LEASE)
        assert (claim is not None) == bool(free), f"free are {free}, claimed was {claim}"
        if claim is None:
            return multiple()
        assert self.before[claim.key].due_at == min(self.before[key].due_at for key in free)
        self.holders[claim.key] = claim
        return claim

    @rule(target=claimed_deliveries, worker=_WORKERS)
    def a_delivery_is_claimed(self, worker: str) -> Any:
        free = [key for key in self.before if key not in _KEYS and self._is_free(key)]
        with self.database.transaction() as connection:
            claim = claim_next(connection, owner=worker, now=self.now, lease=LEASE)
        assert (claim is not None) == bool(free), f"free are {free}, claimed was {claim}"
        if claim is None:
            return multiple()
        assert self.before[claim.id].due_at == min(self.before[key].due_at for key in free)
        self.holders[claim.id] = claim
        return claim

    @rule(claim=lane_claims, look=st.none() | _LATER)
    def a_run_is_settled(self, claim: LaneClaim, look: timedelta | None) -> None:
        look_at = self.now + look if look is not None else None
        if self._act(claim, lambda connection: self._settle(connection, claim, look_at)):
            self.noted[claim.key] = claim.wanted
            del self.holders[claim.key]

    @rule(claim=lane_claims, wait=_LATER, counts=st.booleans())
    def a_run_fails(self, claim: LaneClaim, wait: timedelta, *, counts: bool) -> None:
        if self._act(
            claim, lambda one: lanes.fail(one, claim, due_at=self.now + wait, error="forge down", counts=counts)
        ):
            row = self._rows()[claim.key]
            assert (row.due_at, row.attempts) == (self.now + wait, self.before[claim.key].attempts + counts)
            del self.holders[claim.key]

    @rule(claim=lane_claims)
    def a_lane_is_renewed(self, claim: LaneClaim) -> None:
        self._act(claim, lambda connection: lanes.renew(connection, claim, now=self.now, lease=LEASE))

    @rule(claim=lane_claims)
    def a_lane_is_given_back(self, claim: LaneClaim) -> None:
        if self._act(claim, partial(lanes.release, claim=claim), is_told=False):
            del self.holders[claim.key]

    @rule(claim=consumes(lane_claims))
    def a_worker_with_a_lane_is_killed(self, claim: LaneClaim) -> None:
        """Nobody writes for this claim any more; the lease is all that is left of it."""

    @rule(claim=claimed_deliveries, state=st.sampled_from([DeliveryState.DONE, DeliveryState.DEAD]))
    def a_delivery_is_finished(self, claim: ClaimedDelivery, state: DeliveryState) -> None:
        if self._act(claim, lambda one: delivery_claims.finish(one, claim, state=state, outcome="told", now=self.now)):
            self.ended[claim.id] = state
            del self.holders[claim.id]

    @rule(claim=claimed_deliveries, wait=_LATER, counts=st.booleans())
    def a_delivery_is_put_off(self, claim: ClaimedDelivery, wait: timedelta, *, counts: bool) -> None:
        if self._act(
            claim,
            lambda one: delivery_claims.postpone(one, claim, due_at=self.now + wait, error="later", counts=counts),
        ):
            del self.holders[claim.id]

    @rule(claim=claimed_deliveries)
    def a_delivery_is_renewed(self, claim: ClaimedDelivery) -> None:
        self._act(claim, lambda connection: delivery_claims.renew(connection, claim, now=self.now, lease=LEASE))

    @rule(claim=claimed_deliveries)
    def a_delivery_is_given_back(self, claim: ClaimedDelivery) -> None:
        if self._act(claim, partial(delivery_claims.release, claim=claim), is_told=False):
            del self.holders[claim.id]

    @rule(claim=consumes(claimed_deliveries))
    def a_worker_with_a_delivery_is_killed(self, claim: ClaimedDelivery) -> None:
        """As for a lane."""

    @rule(claim=claimed_deliveries)
    def a_person_replays(self, claim: ClaimedDelivery) -> None:
        with self.database.transaction() as connection:
            is_again = deliveries.replay(connection, claim.id, now=self.now)
        assert is_again == (self.before[claim.id].owner is None)
        if is_again:
            self.ended.pop(claim.id, None)

    @rule()
    def the_only_process_starts_anew(self) -> None:
        with self.database.transaction() as connection:
            delivery_claims.release_all(connection)
            lanes.release_all(connection)
        self.holders.clear()

    @invariant()
    def it_is_sound(self) -> None:
        rows = self._rows()
        for key, row in rows.items():
            assert key not in self.before or row.fence >= self.before[key].fence, "a fence fell"
            assert (row.owner is None) == (row.lease_until is None), "half a lease"
            assert row.lease_until is None or row.lease_until <= self.now + LEASE, "leased for longer than a lease"
            holder = self.holders.get(key)
            assert (row.owner, row.fence) == (holder.owner, holder.fence) if holder else row.owner is None
            if key in _KEYS:
                is_seen_to = row.due_at is not None or row.owner is not None
                assert row.wanted <= self.noted[key] or is_seen_to, "wanted and forgotten"
            else:
                assert row.state == self.ended.get(key, DeliveryState.WAITING)
                assert row.owner is None or row.state == DeliveryState.WAITING, "ended and leased"
        self.before = rows

    def teardown(self) -> None:
        """Once all workers are gone, one that comes long after ends everything that was ever kept or wanted."""
        self.now += 3 * LEASE
        with self.database.transaction() as connection:
            while claim := claim_next(connection, owner="last", now=self.now, lease=LEASE):
                assert delivery_claims.finish(connection, claim, state=DeliveryState.DONE, outcome="", now=self.now)
            while run := lanes.claim_due(connection, owner="last", now=self.now, lease=LEASE):
                assert self._settle(connection, run, None)
                self.noted[run.key] = run.wanted
        rows = self._rows()
        assert {key: rows[key].wanted for key in _KEYS} == self.noted
        assert all(row.state != DeliveryState.WAITING for key, row in rows.items() if key not in _KEYS)

    def _settle(self, connection: Connection, claim: LaneClaim, look_at: datetime | None) -> bool:
        return lanes.settle(connection, claim, now=self.now, next_look_at=look_at, last_head=None, plan="{}")

    def _act(self, claim: LaneClaim | ClaimedDelivery, act: Act, *, is_told: bool = True) -> bool:
        """Act on a claim; one that is not the newest of its row must be told so and change nothing."""
        key = claim.key if isinstance(claim, LaneClaim) else claim.id
        holds = self.holders.get(key) is claim
        with self.database.transaction() as connection:
            answer = act(connection)
        assert answer == holds or not is_told
        assert holds or self._rows()[key] == self.before[key], "who lost it has written"
        return holds

    def _is_free(self, key: str) -> bool:
        row = self.before[key]
        is_due = row.due_at is not None and row.due_at <= self.now
        is_leased = row.lease_until is not None and row.lease_until >= self.now
        return is_due and not is_leased and getattr(row, "state", DeliveryState.WAITING) == DeliveryState.WAITING

    def _rows(self) -> Rows:
        with self.database.transaction() as connection:
            found = [*connection.execute(select(lanes.lanes)), *connection.execute(select(deliveries.deliveries))]
        return {row[0]: row for row in found}


def test_lanes_and_deliveries_under_any_sequence_of_events(database: Database) -> None:
    examples = ROUNDS * (8 if database.is_sqlite else 4)
    bounds = settings(
        max_examples=examples, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(partial(LaneMachine, database), settings=bounds)  # type: ignore[arg-type] # a factory
