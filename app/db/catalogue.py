"""The catalogue: every repository, tag and push that is known."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    Select,
    Table,
    UniqueConstraint,
    Update,
    and_,
    bindparam,
    case,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Row

from app.core.images import ImageName
from app.db.pages import Page, cut, decode_cursor, encode_cursor
from app.db.tables import Instant, SafeString, insert_absent, insert_all_absent, lists_of, metadata

_GONE_AFTER = 2

repositories = Table(
    "repositories",
    metadata,
    Column("image", SafeString(400), primary_key=True),
    Column("first_seen_at", Instant, nullable=False),
    Column("listed_at", Instant),
    Column("listing_wanted_at", Instant),
    Column("version", Integer, nullable=False, server_default="0"),
    Index("ix_repositories_listing_wanted_at", "listing_wanted_at"),
)

tags = Table(
    "tags",
    metadata,
    Column("image", SafeString(400), primary_key=True),
    Column("tag", SafeString(128), primary_key=True),
    Column("digest", SafeString(80)),
    Column("first_seen_at", Instant, nullable=False),
    Column("looked_at", Instant),
    Column("is_deleted", Boolean, nullable=False),
    Column("missed_listings", Integer, nullable=False),
    Index("ix_tags_image_digest", "image", "digest"),
)

pushes = Table(
    "pushes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("image", SafeString(400), nullable=False),
    Column("tag", SafeString(128), nullable=False),
    Column("digest", SafeString(80), nullable=False),
    Column("first_seen_at", Instant, nullable=False),
    Column("at", Instant),
    Column("source", SafeString(64), nullable=False),
    Column("delivery_id", SafeString(32)),
    UniqueConstraint("image", "tag", "digest"),
)


class Told(StrEnum):
    """What a list tells of a tag: it is new or back, missing for the first time, or gone with the second."""

    NEW = "new"
    BACK = "back"
    MISSING = "missing"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTag:
    """What earlier lists told of a tag. `is_seen`: the registry has shown it before."""

    tag: str
    missed: int
    is_deleted: bool
    is_seen: bool

    def told_by(self, present: AbstractSet[str]) -> Told | None:
        """What a list with these tags tells of it; None: nothing new."""
        if self.tag in present:
            return Told.BACK if self.is_deleted or self.missed or not self.is_seen else None
        if self.is_deleted or self.missed >= _GONE_AFTER:
            return None
        return Told.GONE if self.missed + 1 >= _GONE_AFTER else Told.MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTag:
    """A tag as the catalogue knows it: `digest` is what the latest look at the registry said."""

    image: str
    tag: str
    digest: str | None
    first_seen_at: datetime
    looked_at: datetime | None
    is_gone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRepository:
    """A repository as the catalogue knows it; `listed_at` is None until it was listed once in full."""

    image: str
    first_seen_at: datetime
    listed_at: datetime | None


_LISTED: Select[tuple[object, ...]] = select(tags.c.tag, tags.c.missed_listings, tags.c.is_deleted, tags.c.looked_at)


def lock(connection: Connection, images: Iterable[ImageName], now: datetime) -> None:
    """Hold images for this transaction: who writes about their tags and keeps their selections goes one by one.

    Taken for all images at once and before anything else of the catalogue, two transactions never wait for each other.
    Each hold is a new version of what is known of the image.
    """
    for image in sorted(set(images)):
        _know_repository(connection, image, now)
        of_image = update(repositories).where(repositories.c.image == str(image))
        connection.execute(of_image.values(version=repositories.c.version + 1))


def version_of(connection: Connection, image: ImageName) -> int:
    """How often an image was held: between two equal answers nothing of its tags and builds has changed."""
    version = select(repositories.c.version).where(repositories.c.image == str(image))
    return connection.execute(version).scalar() or 0


def record_push(  # noqa: PLR0913 (who said it, when and how are named)
    connection: Connection,
    image: ImageName,
    tag: str,
    digest: str | None,
    *,
    at: datetime | None,
    now: datetime,
    source: str,
    delivery_id: str | None,
) -> bool:
    """Write a push down; false when it is known. The tag's first digest stands until the registry is asked."""
    name = str(image)
    _know_repository(connection, image, now)
    push = {"image": name, "tag": tag, "digest": digest or "", "first_seen_at": now, "at": at}
    is_new = insert_absent(connection, pushes, {**push, "source": source, "delivery_id": delivery_id})
    insert_absent(connection, tags, _new_tag(name, tag, digest, now))
    return is_new


def note_missing(connection: Connection, image: ImageName, tag: str, *, is_deleted: bool, looked_at: datetime) -> None:
    """Write down that the registry does not have a tag just now.

    After a delete event it is gone. Without one, a tag that the registry has shown before stays: one answer is no
    deletion. One that only a sender has told of was never there.
    """
    gone = _one(str(image), tag)
    if not is_deleted:
        gone = gone.where(tags.c.looked_at.is_(None))
    connection.execute(gone.values(is_deleted=True, looked_at=looked_at if is_deleted else None))


def set_digest(connection: Connection, image: ImageName, tag: str, digest: str, *, looked_at: datetime) -> None:
    """Write down the digest that the registry said a tag names when it was asked at `looked_at`.

    An answer to an earlier question than the one that is written down changes nothing.
    """
    name = str(image)
    _know_repository(connection, image, looked_at)
    insert_absent(connection, tags, _new_tag(name, tag, digest, looked_at))
    # A tag that was moved begins anew: what was known of the time of its push was of other bytes.
    is_moved = and_(tags.c.digest.is_not(None), tags.c.digest != digest)
    seen = case((is_moved, literal(looked_at, Instant)), else_=tags.c.first_seen_at)
    now = {"digest": digest, "looked_at": looked_at, "first_seen_at": seen}
    is_newest = or_(tags.c.looked_at.is_(None), tags.c.looked_at <= literal(looked_at, Instant))
    connection.execute(_one(name, tag).where(is_newest).values(now | {"is_deleted": False, "missed_listings": 0}))


def record_listed(
    connection: Connection, image: ImageName, names: Iterable[str], present: AbstractSet[str], now: datetime
) -> Sequence[str]:
    """Write down what a list with the tags `present` tells of these names; returns those of which it told something."""
    name, wanted = str(image), set(names)
    _know_repository(connection, image, now)
    known = {one.tag: one.told_by(present) for one in _listed(connection, image, wanted)}
    new = sorted((wanted & present) - known.keys())
    insert_all_absent(connection, tags, [{**_new_tag(name, tag, None, now), "looked_at": now} for tag in new])
    missed = [tag for tag, told in known.items() if told in {Told.MISSING, Told.GONE}]
    back = [tag for tag, told in known.items() if told is Told.BACK]
    _update_each(connection, name, missed, {"missed_listings": tags.c.missed_listings + 1})
    _update_each(connection, name, back, {"missed_listings": 0, "is_deleted": False, "looked_at": now})
    return sorted({*new, *missed, *back})


def end_listing(connection: Connection, image: ImageName, now: datetime, *, asked_at: datetime) -> None:
    """Write down that a list was taken in whole; a wish that came after the registry was asked stays."""
    _know_repository(connection, image, now)
    wish = repositories.c.listing_wanted_at
    still_wanted = case((wish > literal(asked_at, Instant), wish), else_=None)
    done = update(repositories).where(repositories.c.image == str(image))
    connection.execute(done.values(listed_at=now, listing_wanted_at=still_wanted))


def listed_after(connection: Connection, image: ImageName, after: str, *, limit: int) -> Sequence[ListedTag]:
    """What earlier lists told of some of the tags of a repository, by name."""
    some = _LISTED.where(tags.c.image == str(image), tags.c.tag > after).order_by(tags.c.tag).limit(limit)
    return [_listed_tag(row) for row in connection.execute(some)]


def _listed(connection: Connection, image: ImageName, names: Iterable[str]) -> Iterator[ListedTag]:
    for some in lists_of(names):
        for row in connection.execute(_LISTED.where(tags.c.image == str(image), tags.c.tag.in_(some))):
            yield _listed_tag(row)


def _update_each(connection: Connection, name: str, wanted: Sequence[str], values: Mapping[str, object]) -> None:
    if wanted:
        one = update(tags).where(tags.c.image == name, tags.c.tag == bindparam("one")).values(dict(values))
        connection.execute(one, [{"one": tag} for tag in sorted(wanted)])


def delete(connection: Connection, image: ImageName, *, digest: str | None) -> None:
    """Write down that every tag of a digest, or with None every tag of the repository, is gone.

    A tag whose digest is not known may be meant as well: the next list decides about it.
    """
    of_image = update(tags).where(tags.c.image == str(image))
    if digest is None:
        connection.execute(of_image.values(is_deleted=True))
        return
    connection.execute(of_image.where(tags.c.digest == digest).values(is_deleted=True))
    connection.execute(of_image.where(tags.c.digest.is_(None)).values(missed_listings=_GONE_AFTER - 1))


def want_listing(connection: Connection, image: ImageName, now: datetime) -> None:
    """Ask the sweep to list a repository; asked for again while it is being listed, it is listed once more."""
    _know_repository(connection, image, now)
    connection.execute(update(repositories).where(repositories.c.image == str(image)).values(listing_wanted_at=now))


def wanted_listings(
    connection: Connection, *, limit: int, now: datetime | None = None, excluding: Iterable[str] = ()
) -> Sequence[ImageName]:
    """The repositories that wait to be listed (until `now`, if given), longest first, without those of some hosts."""
    wish = repositories.c.listing_wanted_at
    others = [~repositories.c.image.startswith(f"{host}/", autoescape=True) for host in sorted(excluding)]
    is_due = wish <= now if now is not None else wish.is_not(None)
    wanted = select(repositories.c.image).where(is_due, *others).order_by(wish, repositories.c.image).limit(limit)
    return [_image(name) for name in connection.execute(wanted).scalars()]


def put_off_listing(connection: Connection, image: ImageName, until: datetime) -> None:
    """Put a wanted listing off: a repository that cannot be listed must not keep others from their turn."""
    connection.execute(
        update(repositories)
        .where(repositories.c.image == str(image), repositories.c.listing_wanted_at.is_not(None))
        .values(listing_wanted_at=until)
    )


def drop_wish(connection: Connection, image: ImageName) -> None:
    """Forget that a repository is to be listed: nobody is configured who could."""
    connection.execute(update(repositories).where(repositories.c.image == str(image)).values(listing_wanted_at=None))


def is_listed(connection: Connection, image: ImageName) -> bool:
    """Tell whether a repository was ever listed in full."""
    listed = select(repositories.c.listed_at).where(repositories.c.image == str(image))
    return connection.execute(listed).scalar() is not None


def tags_after(connection: Connection, image: ImageName, after: str, *, limit: int) -> Sequence[KnownTag]:
    """Some of the tags of a repository, by name, those that are gone too."""
    wanted = select(tags).where(tags.c.image == str(image), tags.c.tag > after).order_by(tags.c.tag).limit(limit)
    return [_tag(row) for row in connection.execute(wanted)]


def tags_named(connection: Connection, image: ImageName, names: Iterable[str]) -> Sequence[KnownTag]:
    """Those of these tags that are known, also if they are gone."""
    found: list[KnownTag] = []
    for some in lists_of(names):
        wanted = select(tags).where(tags.c.image == str(image), tags.c.tag.in_(some))
        found += [_tag(row) for row in connection.execute(wanted)]
    return found


def tags_with(connection: Connection, image: ImageName, digests: Iterable[str]) -> Sequence[str]:
    """The tags of an image that name one of these digests."""
    wanted = select(tags.c.tag).where(tags.c.image == str(image), tags.c.digest.in_(sorted(set(digests))))
    return list(connection.execute(wanted).scalars())


def find_tag(connection: Connection, image: ImageName, tag: str) -> KnownTag | None:
    """One tag."""
    row = connection.execute(select(tags).where(tags.c.image == str(image), tags.c.tag == tag)).one_or_none()
    return _tag(row) if row is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRow:
    """That a sender told of a push; `digest` None: it named none."""

    digest: str | None
    first_seen_at: datetime
    source: str
    delivery_id: str | None


def pushes_of(connection: Connection, image: ImageName, tag: str, *, limit: int) -> Sequence[PushRow]:
    """The pushes of a tag that senders told of, newest first."""
    wanted = select(pushes).where(pushes.c.image == str(image), pushes.c.tag == tag)
    return [
        PushRow(
            digest=row.digest or None,
            first_seen_at=row.first_seen_at,
            source=row.source,
            delivery_id=row.delivery_id,
        )
        for row in connection.execute(wanted.order_by(pushes.c.id.desc()).limit(limit))
    ]


def find_repository(connection: Connection, image: ImageName) -> KnownRepository | None:
    """One repository."""
    row = connection.execute(select(repositories).where(repositories.c.image == str(image))).one_or_none()
    if row is None:
        return None
    return KnownRepository(image=row.image, first_seen_at=row.first_seen_at, listed_at=row.listed_at)


def page_of_repositories(connection: Connection, *, limit: int, after: str | None = None) -> Page[KnownRepository]:
    """Repositories by name."""
    wanted = select(repositories).order_by(repositories.c.image).limit(limit + 1)
    if after is not None:
        wanted = wanted.where(repositories.c.image > decode_cursor(after, str)[0])
    rows = [
        KnownRepository(image=row.image, first_seen_at=row.first_seen_at, listed_at=row.listed_at)
        for row in connection.execute(wanted)
    ]
    return cut(rows, limit, lambda row: encode_cursor(row.image))


def page_of_tags(connection: Connection, image: str, *, limit: int, after: str | None = None) -> Page[KnownTag]:
    """The tags of one repository by name."""
    wanted = select(tags).where(tags.c.image == image).order_by(tags.c.tag).limit(limit + 1)
    if after is not None:
        wanted = wanted.where(tags.c.tag > decode_cursor(after, str)[0])
    rows = [_tag(row) for row in connection.execute(wanted)]
    return cut(rows, limit, lambda row: encode_cursor(row.tag))


def _know_repository(connection: Connection, image: ImageName, now: datetime) -> None:
    insert_absent(connection, repositories, {"image": str(image), "first_seen_at": now})


def _new_tag(name: str, tag: str, digest: str | None, now: datetime) -> Mapping[str, object]:
    fresh = {"is_deleted": False, "missed_listings": 0}
    return {"image": name, "tag": tag, "digest": digest, "first_seen_at": now, **fresh}


def _one(name: str, tag: str) -> Update:
    return update(tags).where(tags.c.image == name, tags.c.tag == tag)


def _tag(row: Row[tuple[object, ...]]) -> KnownTag:
    return KnownTag(
        image=row.image,
        tag=row.tag,
        digest=row.digest,
        first_seen_at=row.first_seen_at,
        looked_at=row.looked_at,
        is_gone=row.is_deleted or row.missed_listings >= _GONE_AFTER,
    )


def _listed_tag(row: Row[tuple[object, ...]]) -> ListedTag:
    return ListedTag(
        tag=row.tag, missed=row.missed_listings, is_deleted=row.is_deleted, is_seen=row.looked_at is not None
    )


def _image(name: str) -> ImageName:
    registry, _, path = name.partition("/")
    return ImageName(registry, path)
