"""Put off what did not work: deliveries and tellings, which may die of it in the end, and lanes, which never do."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from app.db import deliveries, delivery_claims, kept_bodies, lanes, measures, outbox
from app.db.deliveries import DeliveryState
from app.db.delivery_claims import ClaimedDelivery
from app.db.lanes import LaneClaim
from app.db.outbox import ClaimedTelling
from app.services.work.backoff import backoff

_MOST_TRIES = 8
_LONGEST_WISH = timedelta(hours=1)
_LONGEST_TOLD = 2000


def put_off_delivery(  # noqa: PLR0913 (why, and until when, all named)
    connection: Connection,
    claim: ClaimedDelivery,
    error: str,
    *,
    now: datetime,
    counts: bool,
    after: timedelta = timedelta(),
) -> None:
    """Try again after two, four, eight … seconds and no sooner than asked for, but within five minutes.

    What its own content failed so often (`counts`) is not tried again.
    """
    if counts and claim.attempts + 1 >= _MOST_TRIES:
        if delivery_claims.finish(connection, claim, state=DeliveryState.DEAD, outcome=error[:_LONGEST_TOLD], now=now):
            kept_bodies.keep_within(connection, claim, day_bytes=None, now=now)
        return
    delay = min(max(timedelta(seconds=2 ** min(claim.tries, 9)), after), deliveries.LONGEST_DELAY)
    delivery_claims.postpone(connection, claim, due_at=now + delay, error=error[:_LONGEST_TOLD], counts=counts)
    measures.add(connection, "retries", "delivery")


def put_off_lane(
    connection: Connection, claim: LaneClaim, error: str, *, now: datetime, after: timedelta | None = None
) -> datetime:
    """Back off alone, up to five minutes; where somebody says when to come back (`after`), no attempt is counted.

    Returns until when.
    """
    wait = backoff(claim.attempts) if after is None else after
    lanes.fail(connection, claim, due_at=now + wait, error=error[:_LONGEST_TOLD], counts=after is None)
    if after is None:
        measures.add(connection, "retries", "lane")
    return now + wait


def put_off_telling(
    connection: Connection, claim: ClaimedTelling, error: str, *, now: datetime, after: timedelta | None = None
) -> datetime:
    """Back off alone, up to five minutes; where somebody says when to come back (`after`), no attempt is counted.

    Returns until when.
    """
    wait = backoff(claim.attempts) if after is None else min(after, _LONGEST_WISH)
    outbox.put_off(connection, claim, due_at=now + wait, error=error, counts=after is None)
    if after is None:
        measures.add(connection, "retries", "telling")
    return now + wait
