"""Owed answers: what the registries have still to say, each asked for by itself until it is there."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Row
from sqlalchemy.sql.dml import ReturningInsert

from app.core.images import ImageName
from app.db import wakes
from app.db.tables import Instant, SafeString, SafeText, insert_absent, inserting, is_pair, lists_of, metadata, pairs

_LONGEST_ERROR = 1000

owed_answers = Table(
    "owed_answers",
    metadata,
    Column("image", SafeString(400), primary_key=True),
    Column("reference", SafeString(255), primary_key=True),
    Column("is_deletion", Boolean, nullable=False),
    Column("since", Instant, nullable=False),
    Column("wanted_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("error", SafeText),
    Column("source", SafeString(64), nullable=False),
    Column("delivery_id", SafeString(32)),
    Index("ix_owed_answers_due_at", "due_at"),
)

_IS_IT = and_(owed_answers.c.image == bindparam("its_image"), owed_answers.c.reference == bindparam("its_reference"))
_FIND_ALL = select(owed_answers).where(is_pair(owed_answers.c.image, owed_answers.c.reference))
_SETTLE = delete(owed_answers).where(_IS_IT, owed_answers.c.wanted_at <= bindparam("until"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedAnswer:
    """An answer that a registry owes: about a tag, or a digest, or with an empty reference the whole repository.

    It is owed `since` it was first told of, and last wanted at `wanted_at`: only one that was asked for after
    that settles it. `is_deletion`: a deletion was told. `source` and `delivery_id` say who told it last.
    """

    image: ImageName
    reference: str
    is_deletion: bool
    since: datetime
    wanted_at: datetime
    due_at: datetime
    tries: int
    error: str | None
    source: str
    delivery_id: str | None

    def __str__(self) -> str:
        """What is asked about, as it is written in a reference."""
        mark = "@" if ":" in self.reference else ":" if self.reference else ""
        return f"{self.image}{mark}{self.reference}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewlyOwed:
    """That somebody told at a time of what a registry is to be asked about."""

    image: ImageName
    reference: str
    is_deletion: bool
    source: str
    delivery_id: str | None
    at: datetime


def owe(connection: Connection, told: Iterable[NewlyOwed], *, grace: timedelta = timedelta(0)) -> Sequence[OwedAnswer]:
    """Write down what registries are to be asked; told of again, it is wanted anew, and a failure is news again.

    Returns each thing once, as if it was told of one after the other. Who writes it asks at once: others leave it alone
    for `grace`.
    """
    of_place: dict[tuple[ImageName, str], list[NewlyOwed]] = defaultdict(list)
    for one in told:
        of_place[one.image, one.reference].append(one)
    # In their order, so that two that owe the same never wait for each other.
    rows = [_values(its, grace) for _, its in sorted(of_place.items())]
    if not rows:
        return ()
    found = map(_owed, connection.execute(_owing(connection.dialect.name), rows))
    return sorted(found, key=lambda one: (one.image, one.reference))


@cache
def _owing(dialect: str) -> ReturningInsert[tuple[object, ...]]:
    owing = inserting(dialect, owed_answers)
    new = owing.excluded
    # Without a parameter of its own the statement is one for all rows.
    again: dict[str, ColumnElement[Any]] = {
        **{name: new[name] for name in ("wanted_at", "due_at", "source", "delivery_id")},
        "is_deletion": or_(owed_answers.c.is_deletion, new.is_deletion),
        "error": null(),
    }
    keys = [column.name for column in owed_answers.primary_key]
    return owing.on_conflict_do_update(index_elements=keys, set_=again).returning(*owed_answers.c)


def _values(told: Sequence[NewlyOwed], grace: timedelta) -> dict[str, object]:
    """The row of what is to be asked about one thing, that was told of once or more."""
    first, last = told[0], told[-1]
    return {
        "image": str(last.image),
        "reference": last.reference,
        "is_deletion": any(one.is_deletion for one in told),
        "since": first.at,
        "wanted_at": last.at,
        "due_at": last.at + grace,
        "tries": 0,
        "source": last.source,
        "delivery_id": last.delivery_id,
    }


def owe_once(  # noqa: PLR0913 (what is to be asked, and who told, all named)
    connection: Connection, image: ImageName, tag: str, *, is_deletion: bool, source: str, now: datetime
) -> None:
    """Write down that a registry is to be asked about a tag, unless it is already."""
    fresh = {"is_deletion": is_deletion, "since": now, "wanted_at": now, "due_at": now, "tries": 0, "source": source}
    if insert_absent(connection, owed_answers, {"image": str(image), "reference": tag, **fresh}):
        wakes.tell(connection)


def settle(connection: Connection, image: ImageName, reference: str, *, asked_at: datetime) -> None:
    """An answer is written down: nothing more is owed, unless it was told of again after the registry was asked."""
    settle_all(connection, [(image, reference, asked_at)])


def settle_all(connection: Connection, answered: Iterable[tuple[ImageName, str, datetime]]) -> None:
    """The same for many, each with when its registry was asked."""
    its = [{"its_image": str(image), "its_reference": name, "until": at} for image, name, at in sorted(answered)]
    if its:
        connection.execute(_SETTLE, its)


def put_off(connection: Connection, owed: OwedAnswer, *, due_at: datetime, error: str) -> None:
    """Ask again later; what was told meanwhile is wanted when it says."""
    same = and_(_is_it(owed.image, owed.reference), owed_answers.c.wanted_at == owed.wanted_at)
    later = {"due_at": due_at, "error": error[:_LONGEST_ERROR], "tries": owed_answers.c.tries + 1}
    connection.execute(update(owed_answers).where(same).values(later))


def drop(connection: Connection, owed: OwedAnswer) -> None:
    """Forget one: nobody is configured who could be asked."""
    connection.execute(delete(owed_answers).where(_is_it(owed.image, owed.reference)))


def release_all(connection: Connection, now: datetime) -> None:
    """Have what another process was about to ask when it ended asked now."""
    connection.execute(update(owed_answers).where(owed_answers.c.tries == 0).values(due_at=now))


def due(connection: Connection, now: datetime, *, limit: int, excluding: Iterable[str] = ()) -> Sequence[OwedAnswer]:
    """What is to be asked now, longest due first, without the registries of some hosts."""
    return [_owed(row) for row in connection.execute(next_due(now, excluding).limit(limit))]


def next_due(now: datetime, excluding: Iterable[str] = ()) -> Select[tuple[object, ...]]:
    """The query for what is due."""
    others = [~owed_answers.c.image.startswith(f"{host}/", autoescape=True) for host in sorted(excluding)]
    return select(owed_answers).where(owed_answers.c.due_at <= now, *others).order_by(owed_answers.c.due_at)


def of_image(connection: Connection, image: ImageName) -> Sequence[OwedAnswer]:
    """What is owed of an image."""
    its = select(owed_answers).where(owed_answers.c.image == str(image)).order_by(owed_answers.c.reference)
    return [_owed(row) for row in connection.execute(its)]


def of_tags(connection: Connection, named: Mapping[ImageName, Iterable[str]]) -> Sequence[OwedAnswer]:
    """What is owed of some tags of some images."""
    keys = lists_of((str(image), reference) for image, references in named.items() for reference in references)
    return [_owed(row) for some in keys for row in connection.execute(_FIND_ALL, pairs(some))]


def oldest(connection: Connection, *, limit: int) -> Sequence[OwedAnswer]:
    """Those that have been owed longest after at least one try."""
    failed = select(owed_answers).where(owed_answers.c.error.is_not(None)).order_by(owed_answers.c.since).limit(limit)
    return [_owed(row) for row in connection.execute(failed)]


def count(connection: Connection) -> tuple[int, datetime | None]:
    """How many are owed, and since when the oldest is."""
    number, since = connection.execute(select(func.count(), func.min(owed_answers.c.since))).one()
    return number, since


def _is_it(image: ImageName, reference: str) -> ColumnElement[bool]:
    return and_(owed_answers.c.image == str(image), owed_answers.c.reference == reference)


def _owed(row: Row[tuple[object, ...]]) -> OwedAnswer:
    values = dict(row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)
    return OwedAnswer(**{**values, "image": ImageName.of_repository(row.image)})
