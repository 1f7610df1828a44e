"""Claims: which worker may work off a delivery, until when, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, bindparam, func
from sqlalchemy.engine import Row

from app.db.claims import Queue
from app.db.deliveries import DeliveryState, deliveries
from app.db.delivery_bodies import StoredBody, unpack
from app.db.tables import storable

_ROOM = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """A delivery that one worker may work off until its lease ends; `kind` is that of its source when it was kept."""

    id: str
    source: str
    kind: str
    headers: Mapping[str, str]
    content: StoredBody
    received_at: datetime
    attempts: int
    tries: int
    owner: str
    fence: int

    @property
    def body(self) -> bytes:
        """The body as it came. Raises DamagedBody."""
        return unpack(self.content)


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a delivery, and when."""

    claim: ClaimedDelivery
    state: DeliveryState
    outcome: str
    at: datetime


QUEUE = Queue(deliveries, key=deliveries.c.id, due=deliveries.c.due_at)
"""Who works off which delivery."""
NEXT_DUE = QUEUE.next_due(
    deliveries.c.state == DeliveryState.WAITING,
    deliveries.c.id.not_in(bindparam("excluding", expanding=True)),
    deliveries.c.source > bindparam("after"),
    by=(deliveries.c.source,),
).add_columns(func.length(deliveries.c.body).label("size"))
"""The query for what is due and nobody works on: first of the first source that comes `after` one by name."""
_TAKE = QUEUE.taking(tries=deliveries.c.tries + 1)
_FINISH = QUEUE.ending("state", "outcome", "error", "ended_at")


def claim_some(  # noqa: PLR0913 (all named)
    connection: Connection,
    *,
    owner: str,
    now: datetime,
    lease: timedelta,
    most: int,
    excluding: Sequence[str] = (),
    after_source: str = "",
) -> Sequence[ClaimedDelivery]:
    """Take deliveries, at most so many and a MiB of them as they are stored.

    Sources take turns, by their names: those of the one after `after_source` first, whatever waits of others, and of
    each those that have been due longest.
    """
    asked = {"now": now, "excluding": excluding, "most": most}
    due = connection.execute(NEXT_DUE, {**asked, "after": after_source}).all()
    if not due and after_source:
        due = connection.execute(NEXT_DUE, {**asked, "after": ""}).all()
    ids = _small_enough(due)
    if not ids:
        return ()
    taken = connection.execute(_TAKE, {"keys": ids, "by": owner, "until": now + lease})
    rows = {row.id: row for row in taken}
    return [_claim(rows[one], owner) for one in ids]


def _small_enough(due: Sequence[Any]) -> list[str]:
    """The first of them, and as many more as there is room for."""
    sizes = accumulate(row.size for row in due)
    return [row.id for number, (row, size) in enumerate(zip(due, sizes, strict=True)) if not number or size <= _ROOM]


def _claim(row: Row[Any], owner: str) -> ClaimedDelivery:
    return ClaimedDelivery(
        id=row.id,
        source=row.source,
        kind=row.kind,
        headers=row.headers,
        content=StoredBody(row.body, row.unpacked_bytes),
        received_at=row.received_at,
        attempts=row.attempts,
        tries=row.tries,
        owner=owner,
        fence=row.fence,
    )


def still_owned(connection: Connection, claim: ClaimedDelivery) -> bool:
    """Tell whether this claim holds now; nothing is locked, for facts are written before deliveries are."""
    return QUEUE.still_owned(connection, claim, locks=False)


def finish(
    connection: Connection, claim: ClaimedDelivery, *, state: DeliveryState, outcome: str, now: datetime
) -> bool:
    """End a delivery; false (and nothing written) when another worker has taken it over."""
    return finish_all(connection, [Ended(claim, state, outcome, now)])


def finish_all(connection: Connection, ended: Sequence[Ended]) -> bool:
    """End deliveries; false when another worker has taken one of them over, which alone is not written."""
    rows = [
        (one.claim, {"state": one.state, "outcome": storable(one.outcome), "error": None, "ended_at": one.at})
        for one in ended
    ]
    return QUEUE.end_all(connection, _FINISH, rows)


def postpone(connection: Connection, claim: ClaimedDelivery, *, due_at: datetime, error: str, counts: bool) -> bool:
    """Try again later; `counts` when its own content failed. False when another worker has taken it over."""
    attempts = deliveries.c.attempts + (1 if counts else 0)
    return QUEUE.end(connection, claim, due_at=due_at, error=storable(error), attempts=attempts)


def renew(connection: Connection, claim: ClaimedDelivery, *, now: datetime, lease: timedelta) -> bool:
    """Prolong the lease; false when the claim no longer holds, also after it was finished or put off."""
    return QUEUE.renew(connection, claim, now=now, lease=lease)


def release(connection: Connection, claim: ClaimedDelivery) -> None:
    """Give a delivery back before its end: whoever takes it is free to, and this claim writes nothing any more."""
    QUEUE.release(connection, claim)


def release_all(connection: Connection) -> None:
    """Clear all leases: for a process that knows itself to be alone."""
    QUEUE.release_all(connection)
