"""Selections: what each policy in use chooses among all known tags, kept so that no push needs a look at the others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    select,
    update,
)

from app.core.images import ImageName
from app.core.policies.advance import ENGINE, StoredChoice
from app.core.policies.spec import PolicySpec
from app.db.policies import policies
from app.db.tables import SafeString, SafeText, insert_all_absent, lists_of, metadata

selections = Table(
    "selections",
    metadata,
    Column("image", SafeString(400), primary_key=True),
    Column("spec_hash", SafeString(64), primary_key=True),
    Column("spec", SafeText, nullable=False),
    Column("engine", Integer, nullable=False),
    Column("stored_choice", SafeText),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRow:
    """What a spec (with its exclusionList) chooses from an image, before any gate.

    `stored_choice` is None where that has to be worked out in full.
    """

    image: str
    spec_hash: str
    spec: str
    stored_choice: StoredChoice | None
    is_foreign: bool = False


_OF_IMAGES = select(selections).where(selections.c.image.in_(bindparam("images", expanding=True)))
_STORE = (
    update(selections)
    .where(selections.c.image == bindparam("its_image"), selections.c.spec_hash == bindparam("its_spec_hash"))
    .values(engine=bindparam("now_engine"), stored_choice=bindparam("now_choice"))
)


def of_image(connection: Connection, image: ImageName) -> Sequence[SelectionRow]:
    """Every selection from an image; one of another engine is foreign and has no stored choice."""
    return of_images(connection, [image])


def of_images(connection: Connection, images: Iterable[ImageName]) -> Sequence[SelectionRow]:
    """Every selection from some images."""
    return [
        SelectionRow(
            image=row.image,
            spec_hash=row.spec_hash,
            spec=row.spec,
            stored_choice=StoredChoice.from_json(row.stored_choice)
            if row.stored_choice is not None and row.engine == ENGINE
            else None,
            is_foreign=row.engine != ENGINE,
        )
        for some in lists_of(map(str, images))
        for row in connection.execute(_OF_IMAGES, {"images": some})
    ]


def store(connection: Connection, image: ImageName, spec: PolicySpec, choice: StoredChoice | None) -> None:
    """Write down what a spec chooses from an image; None: it has to be worked out in full.

    The caller holds the image (`catalogue.lock`), or a push beside it would be missed.
    """
    store_all(connection, [(image, spec, choice)])


def store_all(connection: Connection, chosen: Sequence[tuple[ImageName, PolicySpec, StoredChoice | None]]) -> None:
    """The same for many."""
    rows = [
        {
            "image": str(image),
            "spec_hash": spec.fingerprint(),
            "spec": spec.as_json(),
            "engine": ENGINE,
            "stored_choice": None if choice is None else choice.as_json(),
        }
        for image, spec, choice in chosen
    ]
    known = [
        {
            "its_image": row["image"],
            "its_spec_hash": row["spec_hash"],
            "now_engine": ENGINE,
            "now_choice": row["stored_choice"],
        }
        for row in rows
    ]
    if known and connection.execute(_STORE, known).rowcount < len(known):
        insert_all_absent(connection, selections, rows)


def drop_foreign(connection: Connection, image: ImageName) -> None:
    """Drop what another engine wrote of an image. The caller holds the image."""
    connection.execute(delete(selections).where(selections.c.image == str(image), selections.c.engine != ENGINE))


def forget(connection: Connection, image: ImageName) -> None:
    """Have every selection from an image worked out in full when it is wanted next."""
    connection.execute(update(selections).where(selections.c.image == str(image)).values(stored_choice=None))


def images_of_unused(connection: Connection) -> Sequence[ImageName]:
    """The images of selections that no lane's policy makes any more."""
    names = connection.execute(select(selections.c.image).where(_is_unused()).distinct()).scalars()
    return [ImageName.of_repository(name) for name in names]


def drop_unused(connection: Connection, image: ImageName) -> None:
    """Drop the selections from an image that no lane's policy makes any more. The caller holds the image."""
    connection.execute(delete(selections).where(selections.c.image == str(image), _is_unused()))


def _is_unused() -> ColumnElement[bool]:
    its = and_(policies.c.repository == selections.c.image, policies.c.spec == selections.c.spec)
    return ~exists().where(its)
