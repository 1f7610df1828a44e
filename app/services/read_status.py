"""Read how things stand in numbers: for the status page, the command line and the metrics."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict

from pydantic import BaseModel
from sqlalchemy import Connection, func, select

from app.db import (
    deliveries,
    held_back,
    lanes,
    latencies,
    listing_problems,
    measures,
    owed_looks,
    promotions,
    pull_requests,
)
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.db.invariants import is_forgotten, is_stranded
from app.db.lanes import LaneRow
from app.db.owed_looks import OwedLook
from app.db.promotions import PromotionState
from app.services.systems import Clock

_MOST_SHOWN = 5


class PullRequestLatency(BaseModel):
    """Seconds from a webhook to the pull request that it led to: how many took at most so long, and all together."""

    at_most: dict[str, int]
    count: int
    sum_s: float


class HeldStatus(BaseModel):
    """What a sweep found too much of, and waits for a person."""

    sweep: str
    key: str
    sample: str


class OwedView(BaseModel):
    """What a registry has still to say of an image or tag: since when, why not yet, and when it is asked again."""

    about: str
    since: datetime
    error: str | None
    due_at: datetime

    @classmethod
    def of(cls, owed: OwedLook) -> "OwedView":
        """The same for people and programs."""
        return cls(about=str(owed), since=owed.since, error=owed.error, due_at=owed.due_at)


class ListingProblem(BaseModel):
    """Why the newest list of a repository is none, or not whole."""

    image: str
    problem: str
    at: datetime | None
    is_listed: bool


class Status(BaseModel):
    """Deliveries, lanes, promotions and sweeps in numbers; ages in seconds, 0 where nothing waits.

    `stalled` are deliveries and lanes that should be due and are not; there are none. `retries`, `sweeps` (by name and
    outcome) and `sweep_found` are counted over all processes since the database was made. `waits_for_person` says what
    is held back, `owed_errors` and `listing_problems` show the first of what registries did not tell.
    """

    deliveries: dict[str, int]
    oldest_delivery_s: float
    lanes: int
    lanes_due: int
    oldest_due_s: float
    lane_attempts: dict[str, int]
    lane_leases_s: dict[str, float]
    stalled: dict[str, int]
    promotions: dict[str, int]
    open_pull_requests: int
    retries: dict[str, int]
    sweeps: dict[str, int]
    sweep_found: dict[str, int]
    held_back: int
    waits_for_person: list[HeldStatus] = []
    owed_looks: int = 0
    oldest_owed_look_s: float = 0.0
    owed_errors: list[OwedView] = []
    unlisted: int = 0
    listing_problems: list[ListingProblem] = []
    webhook_to_pull_request: PullRequestLatency


def read_status(database: Database, clock: Clock) -> Status:
    """Count everything, in many short steps: webhooks are kept in between, however much there is."""
    with database.transaction() as connection:
        now = clock()
        known = lanes.every(connection)
        oldest = deliveries.oldest_waiting(connection)
        counted = measures.every(connection)
        held = held_back.every(connection)
        registries = _registries(connection, now)
        stalled = _stalled(connection, now)
    due = [row.due_at for row in known if row.due_at is not None and row.due_at <= now and row.owner is None]
    moved, open_pulls = _promotions(database, known)
    return Status(
        deliveries={state: _count(database, state) for state in DeliveryState},
        oldest_delivery_s=_age(oldest, now),
        lanes=len(known),
        lanes_due=len(due),
        oldest_due_s=_age(min(due, default=None), now),
        lane_attempts={row.key: row.attempts for row in known},
        lane_leases_s={row.key: _age(row.claimed_at, now) for row in known if row.owner is not None},
        stalled=stalled,
        promotions={state: moved[state] for state in PromotionState},
        open_pull_requests=open_pulls,
        retries={"delivery": 0, "lane": 0} | counted.get("retries", {}),
        sweeps=counted.get("sweeps", {}),
        sweep_found=counted.get("sweep_found", {}),
        held_back=len(held),
        waits_for_person=[HeldStatus(sweep=one.sweep, key=one.key, sample=one.sample) for one in held[:_MOST_SHOWN]],
        **registries,
        webhook_to_pull_request=_latency(counted),
    )


class _Registries(TypedDict):
    owed_looks: int
    oldest_owed_look_s: float
    owed_errors: list[OwedView]
    unlisted: int
    listing_problems: list[ListingProblem]


def _registries(connection: Connection, now: datetime) -> _Registries:
    """What the registries did not tell."""
    owed, since = owed_looks.count(connection)
    problems = listing_problems.some(connection, limit=_MOST_SHOWN)
    return {
        "owed_looks": owed,
        "oldest_owed_look_s": _age(since, now),
        "owed_errors": [OwedView.of(one) for one in owed_looks.oldest(connection, limit=_MOST_SHOWN)],
        "unlisted": listing_problems.count(connection),
        "listing_problems": [
            ListingProblem(
                image=one.image, problem=one.problem or "", at=one.failed_at, is_listed=one.listed_at is not None
            )
            for one in problems
        ],
    }


def _stalled(connection: Connection, now: datetime) -> dict[str, int]:
    stranded = select(func.count()).select_from(deliveries.deliveries).where(is_stranded(now))
    forgotten = select(func.count()).select_from(lanes.lanes).where(is_forgotten())
    return {
        "delivery": connection.execute(stranded).scalar_one(),
        "lane": connection.execute(forgotten).scalar_one(),
    }


def _count(database: Database, state: DeliveryState) -> int:
    total, after = 0, ""
    while True:
        with database.transaction() as connection:
            some, end = deliveries.count_some(connection, state, after)
        total += some
        if end is None:
            return total
        after = end


def _promotions(database: Database, known: Sequence[LaneRow]) -> tuple[Counter[str], int]:
    states: Counter[str] = Counter()
    open_pulls = 0
    for row in known:
        with database.transaction() as connection:
            states.update(promotions.counts_by_state(connection, row.key))
            open_pulls += pull_requests.count_open(connection, row.key)
    return states, open_pulls


def _latency(counted: Mapping[str, Mapping[str, int]]) -> PullRequestLatency:
    found = latencies.read(counted)
    at_most = {f"{bound:g}": count for bound, count in found.at_most.items()}
    return PullRequestLatency(at_most=at_most, count=at_most["inf"], sum_s=found.sum_s)


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
