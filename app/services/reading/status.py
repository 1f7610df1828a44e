"""Read how things stand in numbers: for the status page, the command line and the metrics."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel
from sqlalchemy import Connection

from app.core.promotion.applying import ApplicationState
from app.db import (
    deliveries,
    kept_bodies,
    lanes,
    latencies,
    listing_problems,
    measures,
    owed_answers,
    promotions,
    pull_requests,
    revisions,
    stalled,
    storms,
)
from app.db.cluster_states import ClusterStateRow
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.db.lanes import LaneRow
from app.db.owed_answers import OwedAnswer
from app.db.promotions import PromotionState
from app.db.storms import Storm
from app.services.reading.cluster_states import ClusterStateReader, ClusterStateView
from app.services.reading.outbox import Outbox, read_outbox
from app.services.systems import Clock, Timing

_MOST_TOLD = 20
_APPLIED_WITHIN = Timing().applied_within
_TRIED_AGAIN = ("delivery", "lane", "telling")
_AS_IT_SHOULD = (ApplicationState.APPLIED, ApplicationState.WAITING)

_MOST_SHOWN = 5


class PullRequestLatency(BaseModel):
    """Seconds from a webhook to the pull request that it led to: how many took at most so long, and all together."""

    at_most: dict[str, int]
    count: int
    sum_s: float


class Trouble(BaseModel):
    """What was let in and is not as it should be in a cluster."""

    repo: str
    branch: str
    stage: str
    policy: str
    tag: str | None
    cluster_state: ClusterStateView


class UnusedEvents(BaseModel):
    """Events of Flux, or builds of deployers, that count for nothing, and why: `object` is the first of `count`."""

    cluster: str
    object: str
    count: int
    why: str


class StormStatus(BaseModel):
    """What a sweep found too much of, and waits for a person."""

    sweep: str
    key: str
    sample: str

    @classmethod
    def of(cls, storm: Storm) -> "StormStatus":
        """The same for people and programs."""
        return cls(sweep=storm.sweep, key=storm.key, sample=storm.sample)


class OwedView(BaseModel):
    """What a registry has still to say of an image or tag: since when, why not yet, and when it is asked again."""

    about: str
    since: datetime
    error: str | None
    due_at: datetime

    @classmethod
    def of(cls, owed: OwedAnswer) -> "OwedView":
        """The same for people and programs."""
        return cls(about=str(owed), since=owed.since, error=owed.error, due_at=owed.due_at)


class ListingProblem(BaseModel):
    """Why the newest list of a repository is none, or not whole."""

    image: str
    problem: str
    at: datetime | None
    is_listed: bool


class Untold(BaseModel):
    """What registries did not tell: how much, and the first of it."""

    owed_answers: int = 0
    oldest_owed_answer_s: float = 0.0
    owed_errors: list[OwedView] = []
    unlisted: int = 0
    listing_problems: list[ListingProblem] = []


class Status(Untold):
    """Deliveries, lanes, promotions and sweeps in numbers; ages in seconds, 0 where nothing waits.

    `lane_problems` is 1 for each lane whose last run left something that people have to mend, such as its rules.
    `stalled` are deliveries and lanes that should be due and are not; there are none. `retries`, `given_up` (what
    hung), `sweeps` (by name and outcome), `sweep_found`, `ignored` (what a source may not speak for, by source and
    limit) and `bodies_dropped` (for which a source's day had no room) are counted over all processes since the database
    was made. `body_bytes` are kept of ended deliveries, by source. `applications` counts how clusters stand with what
    was let in last; `troubles` are the first of those that are not as they should be, `unused` what Flux told that
    counts for nothing, `flux_dropped` how many such objects of a cluster were too many to be kept. `waits_for_person`
    says which storms there are, `owed_errors` and `listing_problems` show the first of what registries did not tell.
    """

    deliveries: dict[str, int]
    oldest_delivery_s: float
    body_bytes: dict[str, int]
    bodies_dropped: dict[str, int]
    lanes: int
    lanes_due: int
    oldest_due_s: float
    lane_attempts: dict[str, int]
    lane_problems: dict[str, int]
    lane_leases_s: dict[str, float]
    stalled: dict[str, int]
    promotions: dict[str, int]
    open_pull_requests: int
    retries: dict[str, int]
    given_up: dict[str, int]
    ignored: dict[str, int]
    sweeps: dict[str, int]
    sweep_found: dict[str, int]
    outbox: Outbox
    storms: int
    waits_for_person: list[StormStatus] = []
    webhook_to_pull_request: PullRequestLatency
    applications: dict[str, int]
    troubles: list[Trouble]
    unused: list[UnusedEvents]
    unused_by_cluster: dict[str, int]
    flux_dropped: dict[str, int]


def read_status(database: Database, clock: Clock, *, applied_within: timedelta = _APPLIED_WITHIN) -> Status:
    """Count everything, in many short steps: webhooks are kept in between, however much there is."""
    with database.transaction() as connection:
        now = clock()
        known = lanes.every(connection)
        oldest = deliveries.oldest_waiting(connection)
        counted = measures.every(connection)
        body_bytes = kept_bodies.bytes_by_source(connection)
        waiting = storms.every(connection)
        untold = read_untold(connection, now)
        stuck = stalled.count(connection, now)
        telling = read_outbox(connection, now, counted.get("tellings", {}))
    due = [row.due_at for row in known if row.due_at is not None and row.due_at <= now and row.owner is None]
    moved, open_pulls = _promotions(database, known)
    unused = _unused(database)
    states, troubles = _clusters(database, known, now, applied_within)
    return Status(
        deliveries={state: _count(database, state) for state in DeliveryState},
        oldest_delivery_s=_age(oldest, now),
        body_bytes=body_bytes,
        bodies_dropped=counted.get(kept_bodies.DROPPED, {}),
        lanes=len(known),
        lanes_due=len(due),
        oldest_due_s=_age(min(due, default=None), now),
        lane_attempts={row.key: row.attempts for row in known},
        lane_problems={row.key: int(row.problem is not None) for row in known},
        lane_leases_s={row.key: _age(row.claimed_at, now) for row in known if row.owner is not None},
        stalled=dict(stuck),
        promotions={state: moved[state] for state in PromotionState},
        open_pull_requests=open_pulls,
        retries=dict.fromkeys(_TRIED_AGAIN, 0) | counted.get("retries", {}),
        given_up=dict.fromkeys(_TRIED_AGAIN, 0) | counted.get("given_up", {}),
        ignored=counted.get("ignored", {}),
        sweeps=counted.get("sweeps", {}),
        sweep_found=counted.get("sweep_found", {}),
        storms=len(waiting),
        waits_for_person=[StormStatus.of(one) for one in waiting[:_MOST_SHOWN]],
        **untold.model_dump(),
        outbox=telling,
        webhook_to_pull_request=_latency(counted),
        applications={state: states[state] for state in ApplicationState},
        troubles=troubles,
        unused=unused[:_MOST_TOLD],
        unused_by_cluster=_by_cluster(unused),
        flux_dropped=counted.get(revisions.DROPPED, {}),
    )


def read_untold(connection: Connection, now: datetime) -> Untold:
    """What the registries did not tell."""
    owed, since = owed_answers.count(connection)
    problems = listing_problems.some(connection, limit=_MOST_SHOWN)
    return Untold(
        owed_answers=owed,
        oldest_owed_answer_s=_age(since, now),
        owed_errors=[OwedView.of(one) for one in owed_answers.oldest(connection, limit=_MOST_SHOWN)],
        unlisted=listing_problems.count(connection),
        listing_problems=[
            ListingProblem(
                image=one.image, problem=one.problem or "", at=one.failed_at, is_listed=one.listed_at is not None
            )
            for one in problems
        ],
    )


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


def _clusters(
    database: Database, known: Sequence[LaneRow], now: datetime, applied_within: timedelta
) -> tuple[Counter[str], list[Trouble]]:
    counts: Counter[str] = Counter()
    found: list[tuple[LaneRow, ClusterStateRow, ClusterStateView]] = []
    reader: ClusterStateReader | None = None
    for lane in known:
        with database.transaction() as connection:
            reader = reader.at(connection) if reader else ClusterStateReader(connection, now, applied_within)
            for row, its in reader.of_lane(lane.key):
                counts[its.state] += 1
                if its.state not in _AS_IT_SHOULD and len(found) < _MOST_TOLD:
                    found.append((lane, row, its))
    with database.transaction() as connection:
        tags = promotions.tags_of(connection, {row.promotion_id for _, row, _ in found if row.promotion_id})
    troubles = [
        Trouble(
            repo=lane.repo,
            branch=lane.branch,
            stage=row.place.stage,
            policy=row.place.policy,
            tag=tags.get(row.promotion_id or ""),
            cluster_state=its,
        )
        for lane, row, its in found
    ]
    return counts, troubles


def _unused(database: Database) -> list[UnusedEvents]:
    with database.transaction() as connection:
        rows = revisions.unused(connection)
    counts = Counter((row.cluster, row.unused or "") for row in rows)
    first = {(row.cluster, row.unused or ""): row.whole_name for row in reversed(rows)}
    return [
        UnusedEvents(cluster=one[0], object=first[one], count=count, why=one[1])
        for one, count in sorted(counts.items())
    ]


def _by_cluster(unused: Sequence[UnusedEvents]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for one in unused:
        counts[one.cluster] += one.count
    return dict(counts)


def _latency(counted: Mapping[str, Mapping[str, int]]) -> PullRequestLatency:
    found = latencies.read(counted)
    at_most = {f"{bound:g}": count for bound, count in found.at_most.items()}
    return PullRequestLatency(at_most=at_most, count=at_most["inf"], sum_s=found.sum_s)


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
