"""Deliveries: webhook requests as they came, each worked off once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.engine import Row

from app.db import wakes
from app.db.delivery_bodies import StoredBody, unpack
from app.db.external_ids import external_key
from app.db.pages import Page, cut, decode_cursor, encode_cursor
from app.db.tables import Instant, SafeString, SafeText, insert_all_absent, metadata, new_id, storable


class DeliveryState(StrEnum):
    """Where a delivery stands: `unusable` bodies and `dead` ones are kept and told, never tried again by themselves."""

    WAITING = "waiting"
    DONE = "done"
    UNUSABLE = "unusable"
    DEAD = "dead"


deliveries = Table(
    "deliveries",
    metadata,
    Column("id", SafeString(32), primary_key=True),
    Column("source", SafeString(64), nullable=False),
    Column("kind", SafeString(64), nullable=False),
    Column("external_id", SafeString(200), nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("unpacked_bytes", Integer),
    Column("received_at", Instant, nullable=False),
    Column("state", SafeString(16), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("owner", SafeString(64)),
    Column("lease_until", Instant),
    Column("fence", Integer, nullable=False),
    Column("outcome", SafeText),
    Column("error", SafeText),
    Column("ended_at", Instant),
    Column("dropped_at", Instant),
    UniqueConstraint("source", "external_id"),
    Index("ix_deliveries_state_due_at", "state", "due_at"),
    Index("ix_deliveries_state_source_due_at", "state", "source", "due_at"),
    Index("ix_deliveries_source_id", "source", "id"),
    Index("ix_deliveries_state_id", "state", "id"),
    Index("ix_deliveries_dropped_at_ended_at", "dropped_at", "ended_at"),
)


_LOOKED_THROUGH = 5_000
LONGEST_DELAY = timedelta(minutes=5)
"""What could not be worked off is tried again at the latest after this."""
IGNORED = "ignored"
"""How the outcome of a delivery begins whose source may not speak for something that it told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """What is kept of a request. The body is as `delivery_bodies` packs it, or as it came.

    Where a delivery of that source is kept under the `former_id`, this is a copy of it.
    """

    source: str
    kind: str
    external_id: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    unpacked_bytes: int | None = None
    former_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery without what it said. `attempts` counts what its own content failed, `tries` every try."""

    id: str
    source: str
    kind: str
    external_id: str
    received_at: datetime
    state: DeliveryState
    due_at: datetime
    attempts: int
    tries: int
    outcome: str | None
    error: str | None
    ended_at: datetime | None
    dropped_at: datetime | None = None


# Bodies may be megabytes: a page of rows must not carry a hundred of them.
_WITHOUT_CONTENT = select(*(deliveries.c[field.name] for field in fields(DeliveryRow)))


@dataclass(frozen=True, slots=True)
class DeliveryContent:
    """The headers that were kept, in lower case, and the body as it came, empty once it was dropped."""

    headers: Mapping[str, str]
    body: bytes


def keep(connection: Connection, new: NewDelivery) -> str:
    """Keep a delivery; returns its id, or the id of the copy that was kept before. Idempotent."""
    return keep_all(connection, [new])[0]


def keep_all(connection: Connection, new: Sequence[NewDelivery], *, due_at: datetime | None = None) -> Sequence[str]:
    """Keep many deliveries; returns the id of each, or of the copy that was kept before. Idempotent.

    They are due from `due_at` on, by default from when they were received. Rows are written in the order of their
    keys, so that two processes that keep the same ones never wait for each other.
    """
    keys = _keys(connection, new)
    rows = [
        {
            "id": new_id(one.received_at),
            "source": source,
            "kind": one.kind,
            "external_id": external_id,
            "headers": {name: storable(value) for name, value in one.headers.items()},
            "body": one.body,
            "unpacked_bytes": one.unpacked_bytes,
            "received_at": one.received_at,
            "state": DeliveryState.WAITING,
            "due_at": due_at or one.received_at,
            "attempts": 0,
            "tries": 0,
            "fence": 0,
        }
        for one, (source, external_id) in zip(new, keys, strict=True)
    ]
    insert_all_absent(
        connection, deliveries, sorted(rows, key=lambda row: (str(row["source"]), str(row["external_id"])))
    )
    wakes.tell(connection)
    ids = _ids(connection, set(keys))
    return [ids[key] for key in keys]


def _keys(connection: Connection, new: Sequence[NewDelivery]) -> list[tuple[str, str]]:
    former = [(one.source, external_key(one.former_id or one.external_id)) for one in new]
    known = _ids(connection, {key for one, key in zip(new, former, strict=True) if one.former_id})
    return [
        key if key in known else (one.source, external_key(one.external_id))
        for one, key in zip(new, former, strict=True)
    ]


def _ids(connection: Connection, keys: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    place = (deliveries.c.source, deliveries.c.external_id)
    kept = connection.execute(select(deliveries.c.id, *place).where(tuple_(*place).in_(keys))) if keys else ()
    return {(row.source, row.external_id): row.id for row in kept}


def learn_outcome(connection: Connection, delivery_id: str, outcome: str) -> None:
    """Say of a delivery that is done what came of it later; one that is worked off again will say it itself."""
    done = (deliveries.c.id == delivery_id, deliveries.c.state == DeliveryState.DONE)
    connection.execute(update(deliveries).where(*done).values(outcome=storable(outcome)[:2000]))


def replay(connection: Connection, delivery_id: str, *, now: datetime) -> bool:
    """Make a delivery ready again, whatever became of it; false when it is being worked on or its body was dropped."""
    again = (
        update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.owner.is_(None), deliveries.c.dropped_at.is_(None))
        .values(state=DeliveryState.WAITING, due_at=now, attempts=0, error=None, ended_at=None)
    )
    wakes.tell(connection)
    return connection.execute(again).rowcount == 1


def find(connection: Connection, delivery_id: str) -> DeliveryRow | None:
    """One delivery."""
    row = connection.execute(_WITHOUT_CONTENT.where(deliveries.c.id == delivery_id)).one_or_none()
    return _row(row) if row is not None else None


def content(connection: Connection, delivery_id: str) -> DeliveryContent | None:
    """What a delivery said."""
    named = (deliveries.c.headers, deliveries.c.body, deliveries.c.unpacked_bytes)
    row = connection.execute(select(*named).where(deliveries.c.id == delivery_id)).one_or_none()
    return None if row is None else DeliveryContent(row.headers, unpack(StoredBody(row.body, row.unpacked_bytes)))


def page(
    connection: Connection,
    *,
    limit: int,
    after: str | None = None,
    source: str | None = None,
    state: DeliveryState | None = None,
) -> Page[DeliveryRow]:
    """Deliveries, newest first."""
    wanted = _WITHOUT_CONTENT.order_by(deliveries.c.id.desc()).limit(limit + 1)
    if after is not None:
        wanted = wanted.where(deliveries.c.id < decode_cursor(after, str)[0])
    if source is not None:
        wanted = wanted.where(deliveries.c.source == source)
    if state is not None:
        wanted = wanted.where(deliveries.c.state == state)
    rows = [_row(row) for row in connection.execute(wanted)]
    return cut(rows, limit, lambda row: encode_cursor(row.id))


def mentioning(connection: Connection, name: re.Pattern[str], *, limit: int) -> Sequence[DeliveryRow]:
    """Of the newest few thousand deliveries those whose outcome or last error has a name, newest first."""
    newest = connection.execute(_WITHOUT_CONTENT.order_by(deliveries.c.id.desc()).limit(_LOOKED_THROUGH))
    named = (row for row in newest if any(name.search(one or "") for one in (row.outcome, row.error)))
    return [_row(row) for row in islice(named, limit)]


def counts_by_state(connection: Connection) -> dict[str, int]:
    """How many deliveries there are in each state that one is in; of millions `count_some` tells it in steps."""
    counted = select(deliveries.c.state, func.count().label("total")).group_by(deliveries.c.state)
    return {row.state: row.total for row in connection.execute(counted)}


def count_some(
    connection: Connection, state: DeliveryState, after: str = "", *, limit: int = 20_000
) -> tuple[int, str | None]:
    """Count some deliveries in a state, and say after which to go on; None at the end."""
    later = (deliveries.c.state == state, deliveries.c.id > after)
    bound = select(deliveries.c.id).where(*later).order_by(deliveries.c.id).offset(limit - 1).limit(1)
    last: str | None = connection.execute(bound).scalar()
    some = later if last is None else (*later, deliveries.c.id <= last)
    return connection.execute(select(func.count()).select_from(deliveries).where(*some)).scalar_one(), last


def oldest_waiting(connection: Connection) -> datetime | None:
    """When the oldest delivery that waits was received: ids sort by that time."""
    waiting = select(deliveries.c.received_at).where(deliveries.c.state == DeliveryState.WAITING)
    found: datetime | None = connection.execute(waiting.order_by(deliveries.c.id).limit(1)).scalar()
    return found


def _row(row: Row[Any]) -> DeliveryRow:
    return DeliveryRow(**{**row._asdict(), "state": DeliveryState(row.state)})
