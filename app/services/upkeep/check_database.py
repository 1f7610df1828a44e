"""Check the database: go through its invariants in stretches, so that webhooks are kept meanwhile."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Integer, text

from app.db import promotion_events
from app.db.database import Database, DatabaseUnavailable
from app.db.invariants import STRETCH, WATCHED, Key, Moment, Violation, look
from app.db.pages import InvalidCursor, Page, decode_cursor, encode_cursor
from app.db.promotion_events import Link
from app.services.systems import Timing

_CHAINS = "history"
_FILE = "file-is-whole"
_PARTS = (*(watched.called for watched in WATCHED), _CHAINS)
_STRETCHES = 20


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

    @classmethod
    def of(cls, violation: Violation) -> "ViolationView":
        """The same for people and programs."""
        return cls(law=violation.law, row=violation.row, what=violation.what, remedy=violation.remedy)


def check_database(
    database: Database, *, now: datetime | None = None, lease: timedelta | None = None
) -> Sequence[Violation]:
    """Everything that is wrong with a database, its file too; empty where all is well.

    `now` is the time by which it works, `lease` how long one lasts (work.lease_s). Takes as long as it takes: beside a
    running server `check_page` is the way.
    """
    if not database.is_current():
        return [_other_schema()]
    found = list(_of_the_file(database)) if database.is_sqlite else []
    if any(one.law == _FILE for one in found):
        return found
    after: str | None = None
    while True:
        page = check_page(database, after, now=now or datetime.now(UTC), lease=lease or Timing().lease)
        found += page.items
        if page.next is None:
            return found
        after = page.next


def check_page(database: Database, after: str | None, *, now: datetime, lease: timedelta) -> Page[Violation]:
    """What is wrong in the next stretches of rows, each looked at in a transaction of its own. Raises InvalidCursor.

    The page may be empty while there are more.
    """
    part, key = _place(after)
    found: list[Violation] = []
    for _ in range(_STRETCHES):
        violations, key = _look(database, part, key, Moment(now, lease))
        found += violations
        part += 1 if key is None else 0
        if part == len(_PARTS):
            return Page(found, None)
        if found:
            break
    return Page(found, encode_cursor(_PARTS[part], encode_cursor(*key) if key is not None else ""))


def _place(cursor: str | None) -> tuple[int, Key | None]:
    if cursor is None:
        return 0, None
    part, written = map(str, decode_cursor(cursor, str, str))
    if part not in _PARTS:
        raise InvalidCursor
    return _PARTS.index(part), decode_cursor(written, *_kinds(part)) if written else None


def _kinds(part: str) -> Sequence[type]:
    if part == _CHAINS:
        return (str, int, str)
    [watched] = [one for one in WATCHED if one.called == part]
    return [int if isinstance(key.type, Integer) else str for key in watched.keys]


def _look(database: Database, part: int, key: Key | None, moment: Moment) -> tuple[Sequence[Violation], Key | None]:
    with database.transaction() as connection:
        if part < len(WATCHED):
            looked = look(connection, WATCHED[part], key, moment)
            return looked.violations, looked.end
        link = Link() if key is None else Link(str(key[0]), int(key[1]), str(key[2]))
        broken, end = promotion_events.check_chains(connection, link, limit=STRETCH)
    return [_broken_chain(lane, seq) for lane, seq in broken], (end.lane, end.seq, end.hash) if end else None


def _broken_chain(lane: str, seq: int) -> Violation:
    return Violation(
        law="history-is-whole",
        row=f"lane {lane} event {seq}",
        what="this event was changed, taken out or put in afterwards: the chain of hashes breaks here",
        remedy="compare the lane's history with a copy of the database from before",
    )


def _other_schema() -> Violation:
    return Violation(
        law="schema-is-current",
        row="alembic_version",
        what="the schema is not that of this version, so nothing else was looked at",
        remedy="run `fluxbridge migrate`",
    )


def _of_the_file(database: Database) -> Iterator[Violation]:
    """What SQLite itself finds: a whole pass over the file, in which nothing can be kept."""
    remedy = "stop the server and restore the file from a copy"
    try:
        with database.transaction(is_bounded=False) as connection:
            told = connection.execute(text("PRAGMA integrity_check(100)")).scalars().all()
            astray = connection.execute(text("PRAGMA foreign_key_check")).all()
    except DatabaseUnavailable as error:
        yield Violation(law=_FILE, row="the SQLite file", what=str(error), remedy=remedy)
        return
    for line in told:
        if line != "ok":
            yield Violation(law=_FILE, row="the SQLite file", what=" ".join(line.split()), remedy=remedy)
    for row in astray[:100]:
        what = f"it refers to a row of {row[2]} that is not there"
        yield Violation(law="references-are-whole", row=f"{row[0]} rowid {row[1]}", what=what, remedy=remedy)
