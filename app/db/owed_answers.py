"""Owed answers: what the registries have still to say, each asked for by itself until it is there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Row

from app.core.images import ImageName
from app.db import wakes
from app.db.tables import Instant, SafeString, SafeText, insert_absent, lists_of, metadata

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
_FIND = select(owed_answers).where(_IS_IT)
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


def owe(  # noqa: PLR0913 (what is to be asked, and who told, all named)
    connection: Connection,
    image: ImageName,
    reference: str,
    *,
    is_deletion: bool,
    source: str,
    delivery_id: str | None,
    now: datetime,
    grace: timedelta = timedelta(0),
) -> OwedAnswer:
    """Write down that a registry is to be asked; told of again, it is wanted anew, and a failure is news again.

    Who writes it asks at once: others leave it alone for `grace`.
    """
    key = {"image": str(image), "reference": reference}
    fresh = {"is_deletion": is_deletion, "since": now, "wanted_at": now, "due_at": now + grace, "tries": 0}
    by = {"source": source, "delivery_id": delivery_id}
    if not insert_absent(connection, owed_answers, {**key, **fresh, **by}):
        again = {
            "is_deletion": or_(owed_answers.c.is_deletion, literal(is_deletion)),
            "wanted_at": now,
            "due_at": now + grace,
            "error": None,
        }
        connection.execute(update(owed_answers).where(_is_it(image, reference)).values(again | by))
    row = connection.execute(_FIND, {"its_image": str(image), "its_reference": reference}).one()
    return _owed(row)


def owe_once(  # noqa: PLR0913 (what is to be asked, and who told, all named)
    connection: Connection, image: ImageName, tag: str, *, is_deletion: bool, source: str, now: datetime
) -> None:
    """Write down that a registry is to be asked about a tag, unless it is already."""
    fresh = {"is_deletion": is_deletion, "since": now, "wanted_at": now, "due_at": now, "tries": 0, "source": source}
    if insert_absent(connection, owed_answers, {"image": str(image), "reference": tag, **fresh}):
        wakes.tell(connection)


def settle(connection: Connection, image: ImageName, reference: str, *, asked_at: datetime) -> None:
    """An answer is written down: nothing more is owed, unless it was told of again after the registry was asked."""
    its = {"its_image": str(image), "its_reference": reference}
    connection.execute(_SETTLE, {**its, "until": asked_at})


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


def of_image(connection: Connection, image: ImageName, references: Iterable[str] | None = None) -> Sequence[OwedAnswer]:
    """What is owed of an image, or of some of its tags."""
    its = select(owed_answers).where(owed_answers.c.image == str(image)).order_by(owed_answers.c.reference)
    if references is None:
        return [_owed(row) for row in connection.execute(its)]
    found: list[OwedAnswer] = []
    for some in lists_of(references):
        found += [_owed(row) for row in connection.execute(its.where(owed_answers.c.reference.in_(some)))]
    return found


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
