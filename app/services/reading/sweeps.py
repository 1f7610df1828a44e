"""Read how the sweeps stand: when each is due, how its last run ended, and what waits for a person."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from app.db import schedules, storms
from app.db.storms import Storm
from app.services.reading.pages import Listing
from app.services.sweeps import SWEEPS
from app.services.sweeps.sweep_run import SweepRun
from app.services.systems import Systems


class StormView(BaseModel):
    """What a sweep found too much of at once: `found` new items of `key`, which wait for a person since `since`."""

    key: str
    found: int
    sample: str
    since: datetime

    @classmethod
    def of(cls, storm: Storm) -> "StormView":
        """The same for people and programs."""
        return cls(key=storm.key, found=storm.found, sample=storm.sample, since=storm.since)


class SweepView(BaseModel):
    """A sweep; `schedule` is a cron expression in UTC or `never`, `last_error` what failed or was left out.

    `next_at` is null where only a person starts it, and where each process runs it for itself.
    """

    name: str
    schedule: str
    next_at: datetime | None
    is_running: bool
    last_started_at: datetime | None
    last_ended_at: datetime | None
    last_found: int | None
    last_error: str | None
    storms: list[StormView]


class SweepReport(BaseModel):
    """What one run of a sweep found; in a dry run, what it would take in. `told` may leave some out.

    `left_out` is what cannot be taken in, with the reason; nothing failed.
    """

    name: str
    found: int
    told: list[str]
    storms: list[StormView]
    failures: list[str]
    left_out: list[str]

    @classmethod
    def of(cls, run: SweepRun) -> "SweepReport":
        """The same for people and programs."""
        return cls(
            name=run.sweep,
            found=run.found,
            told=run.told,
            storms=[StormView.of(one) for one in run.storms],
            failures=run.failures,
            left_out=run.left_out,
        )


def list_sweeps(connection: Connection, systems: Systems) -> Listing[SweepView]:
    """Every sweep in the order in which they run, on one page."""
    known = {row.name: row for row in schedules.every(connection)}
    waiting = storms.every(connection)
    views = []
    for name in SWEEPS:
        row = known.get(name)
        views.append(
            SweepView(
                name=name,
                schedule=systems.sweeps.schedules.get(name, "never"),
                next_at=row.next_at if row else None,
                is_running=row is not None and row.owner is not None,
                last_started_at=row.last_started_at if row else None,
                last_ended_at=row.last_ended_at if row else None,
                last_found=row.last_found if row else None,
                last_error=row.last_error if row else None,
                storms=_of_sweep(name, waiting),
            )
        )
    return Listing(items=views, next=None)


def _of_sweep(name: str, waiting: Sequence[Storm]) -> list[StormView]:
    return [StormView.of(one) for one in waiting if one.sweep == name]
