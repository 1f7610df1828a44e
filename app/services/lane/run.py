"""What every step of one lane run shares: the lane, its systems, and writes that stop when another has taken over."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from app.core.errors import Conflict
from app.db import lanes
from app.db.database import Database
from app.db.lanes import LaneClaim
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.heads.judge import Judge
from app.services.heads.scans import Scans
from app.services.systems import Clock, ConfigRepo, Systems


class LostLane(Conflict):
    """Another worker has taken this lane over: nothing more may be written for it here."""

    def __init__(self, lane: str) -> None:
        super().__init__(f"the lane {lane} was taken over by another worker; this run stops")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRun:
    """One run of one lane. `notes` collects what people should hear of it."""

    claim: LaneClaim
    repo: ConfigRepo
    systems: Systems
    database: Database
    scans: Scans
    ready: ReadyPolicies
    clock: Clock
    notes: list[str] = field(default_factory=list)

    @property
    def lane(self) -> str:
        """The lane's key."""
        return self.claim.key

    @property
    def judge(self) -> Judge:
        """What tells how the lane's policies stand."""
        return Judge(database=self.database, systems=self.systems, ready=self.ready, clock=self.clock)

    def now(self) -> datetime:
        """The present time."""
        return self.clock()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that holds only while this run still owns the lane. Raises LostLane."""
        with self.database.transaction() as connection:
            if not lanes.still_owned(connection, self.claim):
                raise LostLane(self.lane)
            yield connection
