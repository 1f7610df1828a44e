"""Check the database for what a person has to mend, in stretches, so that webhooks are kept meanwhile."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Connection, text

from app.db import promotion_events, promotions, stalled
from app.db.database import Database, DatabaseUnavailable
from app.db.pages import InvalidCursor, Page, decode_cursor, encode_cursor
from app.db.promotion_events import Link

STRETCH = 500
_STRETCHES = 20
_FILE = "file-is-whole"
_BY_HAND = "was changed by hand: find out by whom, and restore a copy of the database from before"

# A lane, a number and a hash: the place up to which a part was looked at.
_Place: TypeAlias = tuple[str, int, str]
_START: _Place = ("", 0, "")

# Keys of rows may be long.
_Cursor = Annotated[str, StringConstraints(min_length=1, max_length=8000, pattern=r"^[^\x00-\x1f\x7f]+$")]


class IntegrityPaging(BaseModel):
    """From where to look on: `after` is the `next` of the page before."""

    model_config = ConfigDict(extra="forbid")

    after: _Cursor | None = None


class ViolationView(BaseModel):
    """One row for which something does not hold that should: which, what, and what to do."""

    law: str
    row: str
    what: str
    remedy: str


_Found: TypeAlias = tuple[Sequence[ViolationView], _Place | None]


def check_database(database: Database, *, now: datetime | None = None) -> Sequence[ViolationView]:
    """Everything that a person has to mend in a database, its file too; empty where all is well.

    `now` is the time by which it works. Takes as long as it takes: beside a running server `check_page` is the way.
    """
    if not database.is_current():
        return [_other_schema()]
    found = list(_of_the_file(database)) if database.is_sqlite else []
    if found:
        return found
    after: str | None = None
    while True:
        page = check_page(database, after, now=now or datetime.now(UTC))
        found += page.items
        if page.next is None:
            return found
        after = page.next


def check_page(database: Database, after: str | None, *, now: datetime) -> Page[ViolationView]:
    """What is wrong in the next stretches of rows, each looked at in a transaction of its own. Raises InvalidCursor.

    The page may be empty while there are more.
    """
    names = list(_PARTS)
    name, place = _told_place(after) if after is not None else (names[0], _START)
    found: list[ViolationView] = []
    for _ in range(_STRETCHES):
        with database.transaction() as connection:
            violations, end = _PARTS[name](connection, place, now)
        found += violations
        if end is None and name == names[-1]:
            return Page(found, None)
        name, place = (name, end) if end is not None else (names[names.index(name) + 1], _START)
        if found:
            break
    return Page(found, encode_cursor(name, *place))


def _told_place(cursor: str) -> tuple[str, _Place]:
    name, lane, number, written = decode_cursor(cursor, str, str, int, str)
    if name not in _PARTS:
        raise InvalidCursor
    return str(name), (str(lane), int(number), str(written))


def _deliveries(connection: Connection, place: _Place, now: datetime) -> _Found:
    ids = stalled.some_deliveries(connection, now, after=place[0], limit=STRETCH)
    violations = [
        ViolationView(
            law="waiting-delivery-is-due",
            row=f"delivery {one}",
            what="it waits, but is due far later than any retry is put off, or its body was dropped",
            remedy=f"interpret it again with `fluxbridge replay {one}`; one without its body has to be sent again",
        )
        for one in ids
    ]
    return violations, (ids[-1], 0, "") if len(ids) == STRETCH else None


def _lanes(connection: Connection, place: _Place, now: datetime) -> _Found:
    del place, now
    violations = [
        ViolationView(
            law="wanted-lane-is-due",
            row=f"lane {key}",
            what="a run of it is wanted, but it is neither due nor running",
            remedy="raise it by a replayed delivery of that repo, or restart the server; tell the authors",
        )
        for key in stalled.its_lanes(connection)
    ]
    return violations, None


def _promotions(connection: Connection, place: _Place, now: datetime) -> _Found:
    del now
    ids, end = promotions.unlike_their_history(connection, place[0], limit=STRETCH)
    violations = [
        ViolationView(
            law="promotion-is-as-its-last-event-says",
            row=f"promotion {one}",
            what="its state is not that of its last event",
            remedy=f"one of the two {_BY_HAND}",
        )
        for one in ids
    ]
    return violations, (end, 0, "") if end is not None else None


def _history(connection: Connection, place: _Place, now: datetime) -> _Found:
    del now
    broken, end = promotion_events.check_chains(connection, Link(*place), limit=STRETCH)
    violations = [
        ViolationView(
            law="history-is-whole",
            row=f"lane {lane} event {seq}",
            what="this event was changed, taken out or put in afterwards: the chain of hashes breaks here",
            remedy=f"the history {_BY_HAND}",
        )
        for lane, seq in broken
    ]
    return violations, (end.lane, end.seq, end.hash) if end is not None else None


_PARTS: Mapping[str, Callable[[Connection, _Place, datetime], _Found]] = {
    "delivery": _deliveries,
    "lane": _lanes,
    "promotion": _promotions,
    "history": _history,
}


def _other_schema() -> ViolationView:
    return ViolationView(
        law="schema-is-current",
        row="alembic_version",
        what="the schema is not that of this version, so nothing else was looked at",
        remedy="run `fluxbridge migrate`",
    )


def _of_the_file(database: Database) -> Iterator[ViolationView]:
    """What SQLite itself finds: a whole pass over the file, in which nothing can be kept."""
    try:
        with database.transaction(is_bounded=False) as connection:
            told = connection.execute(text("PRAGMA integrity_check(100)")).scalars().all()
    except DatabaseUnavailable as error:
        told = [str(error)]
    for line in told:
        if line != "ok":
            what, remedy = " ".join(line.split()), "stop the server and restore the file from a copy"
            yield ViolationView(law=_FILE, row="the SQLite file", what=what, remedy=remedy)
