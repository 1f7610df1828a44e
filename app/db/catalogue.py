"""The catalogue: every repository and tag that is known."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from dataclasses import fields as dataclass_fields
from datetime import datetime

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Table,
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
from app.core.tag_presence import TagPresence
from app.db.pages import Page, cut, decode_cursor, encode_cursor
from app.db.tables import (
    Instant,
    SafeString,
    SafeText,
    insert_absent,
    insert_all_absent,
    is_pair,
    lists_of,
    metadata,
    pairs,
)

repositories = Table(
    "repositories",
    metadata,
    Column("image", SafeString(400), primary_key=True),
    Column("first_seen_at", Instant, nullable=False),
    Column("listed_at", Instant),
    Column("listing_wanted_at", Instant),
    Column("listing_problem", SafeText),
    Column("listing_failed_at", Instant),
    Column("version", Integer, nullable=False, server_default="0"),
    Index("ix_repositories_listing_wanted_at", "listing_wanted_at"),
)

tags = Table(
    "tags",
    metadata,
    Column("image", SafeString(400), primary_key=True),
    Column("tag", SafeString(128), primary_key=True),
    Column("digest", SafeString(255)),
    Column("digest_at", Instant),
    Column("first_seen_at", Instant, nullable=False),
    Column("told_at", Instant),
    Column("asked_at", Instant),
    Column("is_deleted", Boolean, nullable=False),
    Column("refuted_at", Instant),
    Column("missed_at", Instant),
    Column("missed_before_at", Instant),
    Index("ix_tags_image_digest", "image", "digest"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTag:
    """A tag as the catalogue knows it."""

    image: str
    tag: str
    first_seen_at: datetime
    presence: TagPresence

    @property
    def digest(self) -> str | None:
        """What the registry answered last; a hint where it did not."""
        return self.presence.digest

    @property
    def asked_at(self) -> datetime | None:
        """When the newest answer on whether it is there was asked for."""
        return self.presence.asked_at

    @property
    def is_gone(self) -> bool:
        """Whether it is no candidate any more."""
        return self.presence.is_gone


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDigest:
    """What a registry that was asked at `asked_at` said that a tag names."""

    image: ImageName
    tag: str
    digest: str
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRepository:
    """A repository as the catalogue knows it; `listed_at` is None until it was listed once in full.

    `problem` says why the list that was asked for at `failed_at` is none, or not whole.
    """

    image: str
    first_seen_at: datetime
    listed_at: datetime | None
    problem: str | None = None
    failed_at: datetime | None = None


_OF_PRESENCE = tuple(one.name for one in dataclass_fields(TagPresence))
_OF_IMAGE, _OF_TAG = tags.c.image == bindparam("its_image"), tags.c.tag == bindparam("its_tag")
_HOLD = (
    update(repositories)
    .where(repositories.c.image == bindparam("its_image"))
    .values(version=repositories.c.version + 1)
)
_ARE_KNOWN = select(repositories.c.image).where(repositories.c.image.in_(bindparam("images", expanding=True)))
_ARE_LISTED = _ARE_KNOWN.where(repositories.c.listed_at.is_not(None))
_FIND_ALL = select(tags).where(is_pair(tags.c.image, tags.c.tag))
_SEE = (
    update(tags)
    .where(_OF_IMAGE, _OF_TAG)
    .values({name: bindparam(f"now_{name}") for name in ("first_seen_at", *_OF_PRESENCE)})
)


def lock(connection: Connection, images: Iterable[ImageName], now: datetime) -> None:
    """Hold images for this transaction: who writes about their tags and keeps their selections goes one by one.

    Taken for all images at once, in their order, and before anything else of the catalogue, two transactions never wait
    for each other. Each hold is a new version of what is known of the image.
    """
    held = [{"its_image": str(image)} for image in sorted(set(images))]
    if len(held) > 1:
        # Who makes one known while it holds another could wait for somebody who does it the other way round.
        _know_all(connection, [its["its_image"] for its in held], now)
    if held and connection.execute(_HOLD, held).rowcount < len(held):
        _know_all(connection, [its["its_image"] for its in held], now)
        connection.execute(_HOLD, held)


def version_of(connection: Connection, image: ImageName) -> int:
    """How often an image was held: between two equal answers nothing of its tags and builds has changed."""
    version = select(repositories.c.version).where(repositories.c.image == str(image))
    return connection.execute(version).scalar() or 0


def note_missing(connection: Connection, image: ImageName, tag: str, *, is_deleted: bool, asked_at: datetime) -> None:
    """Write down that the registry, asked at `asked_at`, did not have a tag.

    After a delete event it is gone. Without one, a tag that the registry has shown before stays: one answer is no
    deletion. One that only a sender has told of was never there.
    """
    known = find_tag(connection, image, tag)
    if known is not None:
        at = listed_at(connection, image)
        seen = known.presence.absent(asked_at, is_deletion=is_deleted, listed_at=at)
        keep_tags(connection, [known], [replace(known, presence=seen)])


def set_digest(connection: Connection, image: ImageName, tag: str, digest: str, *, asked_at: datetime) -> bool:
    """Write down the digest that the registry said a tag names when it was asked at `asked_at`.

    False where policies choose among the same as before. An answer to an earlier question than the one that is written
    down changes nothing. The caller holds the image.
    """
    return bool(set_digests(connection, [NamedDigest(image=image, tag=tag, digest=digest, asked_at=asked_at)]))


def set_digests(connection: Connection, named: Sequence[NamedDigest]) -> AbstractSet[tuple[ImageName, str]]:
    """The same for many, each as if after the other; returns the tags of which policies may think otherwise now."""
    known = known_of(connection, ((one.image, one.tag) for one in named))
    now = dict(known)
    changed: set[tuple[ImageName, str]] = set()
    for one in named:
        place = (one.image, one.tag)
        now[place], is_other = _named(now.get(place), one)
        changed |= {place} if is_other else set()
    keep_tags(connection, known.values(), now.values())
    return changed


def _named(known: KnownTag | None, one: NamedDigest) -> tuple[KnownTag, bool]:
    """A tag with the digest that it was said to name, and whether policies may think otherwise of it."""
    at = one.asked_at
    if known is None:
        fresh = TagPresence().names(one.digest, at)
        return KnownTag(image=str(one.image), tag=one.tag, first_seen_at=at, presence=fresh), True
    seen = known.presence.names(one.digest, at)
    # A tag that was moved begins anew: what was known of the time of its push was of other bytes.
    is_moved = known.digest not in {None, seen.digest}
    now = replace(known, presence=seen, first_seen_at=at if is_moved else known.first_seen_at)
    return now, (now.digest, now.is_gone) != (known.digest, known.is_gone)


def keep_tags(connection: Connection, before: Iterable[KnownTag], after: Iterable[KnownTag]) -> None:
    """Write down what became of tags: those that are new, and those that are not as before. Their images are held."""
    was = {(one.image, one.tag): one for one in before}
    now = sorted(after, key=lambda one: (one.image, one.tag))
    new = [one for one in now if (one.image, one.tag) not in was]
    other = [one for one in now if was.get((one.image, one.tag), one) != one]
    insert_all_absent(connection, tags, [{"image": one.image, "tag": one.tag, **_values(one)} for one in new])
    if other:
        connection.execute(_SEE, [{"its_image": one.image, "its_tag": one.tag, **_now(_values(one))} for one in other])


def doubt(connection: Connection, image: ImageName, asked_at: datetime) -> None:
    """Let the next list decide about tags of unknown digest: one that was deleted may have been theirs."""
    is_unknown = and_(tags.c.digest.is_(None), tags.c.missed_at.is_(None))
    connection.execute(update(tags).where(is_unknown, _is_known_before(image, asked_at)).values(missed_at=asked_at))


def unlist(connection: Connection, image: ImageName, asked_at: datetime, *, keeping: Iterable[str]) -> None:
    """Write down that a repository was empty when it was asked, but for some tags."""
    others = and_(_is_known_before(image, asked_at), tags.c.tag.not_in(sorted(set(keeping))))
    connection.execute(update(tags).where(others).values(missed_at=asked_at, missed_before_at=asked_at))


def _is_known_before(image: ImageName, at: datetime) -> ColumnElement[bool]:
    """The tags of which nothing was told, and which nothing showed, after a time."""
    asked = literal(at, Instant)
    is_told_before = or_(tags.c.told_at.is_(None), tags.c.told_at <= asked)
    is_seen_before = or_(tags.c.asked_at.is_(None), tags.c.asked_at <= asked)
    return and_(tags.c.image == str(image), is_told_before, is_seen_before)


def end_listing(connection: Connection, image: ImageName, now: datetime, *, asked_at: datetime) -> None:
    """Write down that a list was taken in whole; a wish that came after the registry was asked stays."""
    know_repository(connection, image, now)
    wish, asked = repositories.c.listing_wanted_at, literal(asked_at, Instant)
    still_wanted = case((wish > asked, wish), else_=None)
    is_newest = or_(repositories.c.listed_at.is_(None), repositories.c.listed_at <= asked)
    listed = case((is_newest, asked), else_=repositories.c.listed_at)
    of_image = repositories.c.image == str(image)
    connection.execute(update(repositories).where(of_image).values(listed_at=listed, listing_wanted_at=still_wanted))
    is_overtaken = or_(repositories.c.listing_failed_at.is_(None), repositories.c.listing_failed_at <= asked)
    connection.execute(update(repositories).where(of_image, is_overtaken).values(listing_problem=None))


def is_listed(connection: Connection, image: ImageName) -> bool:
    """Tell whether a repository was ever listed in full."""
    return listed_at(connection, image) is not None


def listed_among(connection: Connection, images: Iterable[ImageName]) -> Sequence[ImageName]:
    """Those of some repositories that were ever listed in full."""
    keys = lists_of(map(str, images))
    names = (name for some in keys for name in connection.execute(_ARE_LISTED, {"images": some}).scalars())
    return [ImageName.of_repository(name) for name in names]


def listed_at(connection: Connection, image: ImageName) -> datetime | None:
    """When the newest whole list of a repository was asked for."""
    listed = select(repositories.c.listed_at).where(repositories.c.image == str(image))
    return connection.execute(listed).scalar()


def find_repository(connection: Connection, image: ImageName) -> KnownRepository | None:
    """One repository."""
    row = connection.execute(select(repositories).where(repositories.c.image == str(image))).one_or_none()
    return known_repository(row) if row is not None else None


def tags_after(connection: Connection, image: ImageName, after: str, *, limit: int) -> Sequence[KnownTag]:
    """Some of the tags of a repository, by name, those that are gone too."""
    wanted = select(tags).where(tags.c.image == str(image), tags.c.tag > after).order_by(tags.c.tag).limit(limit)
    return [_tag(row) for row in connection.execute(wanted)]


def tags_named(connection: Connection, image: ImageName, names: Iterable[str]) -> Sequence[KnownTag]:
    """Those of these tags that are known, also if they are gone."""
    return tags_of(connection, {image: names})


def tags_of(connection: Connection, named: Mapping[ImageName, Iterable[str]]) -> Sequence[KnownTag]:
    """Those of these tags of some repositories that are known, also if they are gone."""
    keys = lists_of((str(image), tag) for image, names in named.items() for tag in names)
    return [_tag(row) for some in keys for row in connection.execute(_FIND_ALL, pairs(some))]


def known_of(
    connection: Connection, named: Iterable[tuple[ImageName, str]]
) -> Mapping[tuple[ImageName, str], KnownTag]:
    """The same, by image and name."""
    asked: dict[ImageName, set[str]] = defaultdict(set)
    for image, tag in named:
        asked[image].add(tag)
    return {(ImageName.of_repository(one.image), one.tag): one for one in tags_of(connection, asked)}


def tags_denied_since(
    connection: Connection, named: Mapping[str, AbstractSet[str]], since: datetime
) -> Sequence[KnownTag]:
    """Those of these tags of some repositories that turned out to be gone after a time, by repository and name."""
    found: list[KnownTag] = []
    for some in lists_of(named):
        is_one = or_(*(and_(tags.c.image == image, tags.c.tag.in_(sorted(named[image]))) for image in some))
        wanted = select(tags).where(is_one, tags.c.asked_at > since).order_by(tags.c.image, tags.c.tag)
        found += [_tag(row) for row in connection.execute(wanted)]
    return [one for one in found if one.presence.is_proven_gone]


def tags_with(connection: Connection, image: ImageName, digests: Iterable[str]) -> Sequence[str]:
    """The tags of an image that name one of these digests."""
    wanted = select(tags.c.tag).where(tags.c.image == str(image), tags.c.digest.in_(sorted(set(digests))))
    return list(connection.execute(wanted).scalars())


def find_tag(connection: Connection, image: ImageName, tag: str) -> KnownTag | None:
    """One tag."""
    return next(iter(tags_named(connection, image, [tag])), None)


def page_of_repositories(connection: Connection, *, limit: int, after: str | None = None) -> Page[KnownRepository]:
    """Repositories by name."""
    wanted = select(repositories).order_by(repositories.c.image).limit(limit + 1)
    if after is not None:
        wanted = wanted.where(repositories.c.image > decode_cursor(after, str)[0])
    rows = [known_repository(row) for row in connection.execute(wanted)]
    return cut(rows, limit, lambda row: encode_cursor(row.image))


def page_of_tags(connection: Connection, image: str, *, limit: int, after: str | None = None) -> Page[KnownTag]:
    """The tags of one repository by name."""
    wanted = select(tags).where(tags.c.image == image).order_by(tags.c.tag).limit(limit + 1)
    if after is not None:
        wanted = wanted.where(tags.c.tag > decode_cursor(after, str)[0])
    rows = [_tag(row) for row in connection.execute(wanted)]
    return cut(rows, limit, lambda row: encode_cursor(row.tag))


def know_repository(connection: Connection, image: ImageName, now: datetime) -> None:
    """Have a row for a repository."""
    insert_absent(connection, repositories, {"image": str(image), "first_seen_at": now})


def _know_all(connection: Connection, names: Sequence[str], now: datetime) -> None:
    """Have a row for each of some repositories, made in their order."""
    known = {row.image for some in lists_of(names) for row in connection.execute(_ARE_KNOWN, {"images": some})}
    rows = [{"image": name, "first_seen_at": now} for name in names if name not in known]
    insert_all_absent(connection, repositories, rows)


def _values(one: KnownTag) -> dict[str, object]:
    return {"first_seen_at": one.first_seen_at, **asdict(one.presence)}


def _now(values: Mapping[str, object]) -> dict[str, object]:
    return {f"now_{name}": value for name, value in values.items()}


def _tag(row: Row[tuple[object, ...]]) -> KnownTag:
    values = row._mapping  # noqa: SLF001 (SQLAlchemy's public name for it)
    presence = TagPresence(**{name: values[name] for name in _OF_PRESENCE})
    return KnownTag(image=row.image, tag=row.tag, first_seen_at=row.first_seen_at, presence=presence)


def known_repository(row: Row[tuple[object, ...]]) -> KnownRepository:
    """A row of `repositories` as a value."""
    return KnownRepository(
        image=row.image,
        first_seen_at=row.first_seen_at,
        listed_at=row.listed_at,
        problem=row.listing_problem,
        failed_at=row.listing_failed_at,
    )
