"""Read what waits in the outbox, and what could not be told."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel
from sqlalchemy import Connection

from app.db import outbox
from app.db.outbox import TellingRow

_MOST_SHOWN = 5


class TellingView(BaseModel):
    """Something that others were not told, or not yet, and why; `due_at` None: they never will be."""

    channel: str
    target: str
    queued_at: datetime
    due_at: datetime | None
    attempts: int
    error: str | None

    @classmethod
    def of(cls, row: TellingRow) -> Self:
        """The same for people and programs."""
        return cls(
            channel=row.channel,
            target=row.target,
            queued_at=row.queued_at,
            due_at=row.due_at,
            attempts=row.attempts,
            error=row.error,
        )


class Outbox(BaseModel):
    """What waits to be told to others, by channel, and the age of the oldest in seconds.

    `told` counts what has ended since the database was made, by channel and outcome. `troubles` are the newest that
    failed for good, and the oldest of those that wait after a failure.
    """

    waiting: dict[str, int]
    oldest_s: float
    told: dict[str, int]
    troubles: list[TellingView]


def read_outbox(connection: Connection, now: datetime, told: dict[str, int]) -> Outbox:
    """How the outbox stands; `told` is what was counted of it."""
    since = outbox.oldest_waiting(connection)
    return Outbox(
        waiting=outbox.waiting(connection),
        oldest_s=0.0 if since is None else max(0.0, (now - since).total_seconds()),
        told=told,
        troubles=[TellingView.of(row) for row in outbox.in_trouble(connection, limit=_MOST_SHOWN)],
    )
