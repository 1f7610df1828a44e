"""Workers over one lane, and what tests do to them from outside."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.core.ports import Registry
from app.db import deliveries, lanes
from app.db.database import Database
from app.db.deliveries import DeliveryState, NewDelivery
from app.db.lanes import LaneRow
from app.worker import Workers
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import IMAGE, LANE, Lane, ListedRegistry

PATIENCE_S = 20.0
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def now() -> datetime:
    """The real time: PostgreSQL gives out leases by its own clock, which no test can turn."""
    return datetime.now(UTC)


@dataclass
class Fetching:
    """A mirror that does something of the test's before each fetch."""

    real: Any
    before: Callable[[], None]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def fetch(self) -> Mapping[str, str]:
        self.before()
        found: Mapping[str, str] = self.real.fetch()
        return found


@dataclass
class Gate:
    """A place where a run stops until it is let through."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> None:
        self.reached.set()
        assert self.opened.wait(PATIENCE_S)


class Listing(ListedRegistry):
    """A registry that lists these tags in every repository."""

    def __init__(self, listed: list[str]) -> None:
        super().__init__()
        self.listed = listed

    def tags(self, path: str) -> list[str]:
        del path
        return self.listed


def due_lane(folder: Path, database: Database) -> Lane:
    """One app with a tag to propose, in a lane that is due."""
    lane = Lane.create(folder, database, {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")})
    lane.now = now()
    lane.push("1.1.0")
    make_due(database)
    return lane


def make_due(database: Database) -> None:
    with database.transaction() as connection:
        lanes.raise_wanted(connection, [LANE], now=now() - DAY)


def at_rest(database: Database) -> None:
    """The lane has run before and nothing is wanted of it."""
    with database.transaction() as connection:
        claim = lanes.claim_due(connection, owner="earlier", now=now(), lease=MINUTE)
        assert claim is not None
        lanes.settle(connection, claim, now=now(), next_look_at=None, last_head=None, plan="{}")


@contextmanager
def working(
    lane: Lane, *, count: int = 1, database: Any = None, registry: Registry | None = None, **changes: Any
) -> Iterator[Workers]:
    """Workers over the lane; `changes` are made to its config repository."""
    repo = replace(lane.systems.config_repos["fleet"], **{"refs_every": DAY, **changes})
    registries = {IMAGE.registry: registry} if registry is not None else lane.systems.registries
    systems = replace(lane.systems, config_repos={"fleet": repo}, registries=registries)
    workers = Workers(database=database or lane.database, systems=systems, clock=now, count=count)
    workers.start()
    try:
        yield workers
    finally:
        workers.stop()


def wait_for(workers: Workers, look: Callable[[], bool]) -> None:
    """Look again after each step."""
    with workers.stepped:
        assert workers.stepped.wait_for(look, PATIENCE_S)


def row(lane: Lane, key: str = LANE) -> LaneRow:
    with lane.database.transaction() as connection:
        found = lanes.find(connection, key)
    assert found is not None
    return found


def keep(database: Database, source: str = "retired", *, kind: str = "flux") -> str:
    """Keep a delivery, by default of a source that is not configured: it ends as soon as anyone looks at it."""
    new = NewDelivery(source=source, kind=kind, external_id="1", headers={}, body=b"{}", received_at=now() - MINUTE)
    with database.transaction() as connection:
        return deliveries.keep(connection, new)


def ended(database: Database, delivery_id: str) -> bool:
    with database.transaction() as connection:
        found = deliveries.find(connection, delivery_id)
    assert found is not None
    return found.state is DeliveryState.UNUSABLE


def has_run(lane: Lane) -> bool:
    """Tell whether a run of the lane came to its end."""
    return row(lane).last_run_at is not None


def fail_with(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail
