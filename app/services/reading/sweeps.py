"""Read how the sweeps stand: when each is due, how its last run ended, and what waits for a person."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from app.db import schedules, storms
from app.db.storms import HeldBack
from app.services.reading.pages import Listing
from app.services.sweeps import SWEEPS
from app.services.sweeps.sweep_run import SweepRun
from app.services.systems import Systems


class HeldView(BaseModel):
    """What a sweep found too much of at once: `found` new items of `key`, held back since `held_at`."""

    key: str
    found: int
    sample: str
    held_at: datetime

    @classmethod
    def of(cls, held: HeldBack) -> "HeldView":
        """The same for people and programs."""
        return cls(key=held.key, found=held.found, sample=held.sample, held_at=held.held_at)


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
    held: list[HeldView]


class SweepReport(BaseModel):
    """What one run of a sweep found; in a dry run, what it would take in. `told` may leave some out.

    `left_out` is what cannot be taken in, with the reason; nothing failed.
    """

    name: str
    found: int
    told: list[str]
    held: list[HeldView]
    failures: list[str]
    left_out: list[str]

    @classmethod
    def of(cls, run: SweepRun) -> "SweepReport":
        """The same for people and programs."""
        held = [HeldView.of(one) for one in run.held]
        return cls(
            name=run.sweep,
            found=run.found,
            told=run.told,
            held=held,
            failures=run.failures,
            left_out=run.left_out,
        )


def list_sweeps(connection: Connection, systems: Systems) -> Listing[SweepView]:
    """Every sweep in the order in which they run, on one page."""
    known = {row.name: row for row in schedules.every(connection)}
    held = storms.every(connection)
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
                held=_held_of(name, held),
            )
        )
    return Listing(items=views, next=None)


def _held_of(name: str, held: Sequence[HeldBack]) -> list[HeldView]:
    return [HeldView.of(one) for one in held if one.sweep == name]
