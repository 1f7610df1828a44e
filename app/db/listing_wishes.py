"""Wishes for lists: which repositories are to be listed in full, and since when."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, select, update

from app.core.images import ImageName
from app.db import wakes
from app.db.catalogue import know_repository, repositories
from app.db.policies import policies


def want_listing(connection: Connection, image: ImageName, now: datetime) -> None:
    """Ask the sweep to list a repository; asked for again while it is being listed, it is listed once more."""
    know_repository(connection, image, now)
    connection.execute(update(repositories).where(repositories.c.image == str(image)).values(listing_wanted_at=now))
    wakes.tell(connection)


def wish_listing(connection: Connection, image: ImageName, now: datetime) -> None:
    """Ask for a list unless it is asked for already: one that was put off is not asked for sooner."""
    know_repository(connection, image, now)
    is_new = and_(repositories.c.image == str(image), repositories.c.listing_wanted_at.is_(None))
    if connection.execute(update(repositories).where(is_new).values(listing_wanted_at=now)).rowcount:
        wakes.tell(connection)


def wish_stale_listings(connection: Connection, registry: str, *, before: datetime, now: datetime) -> int:
    """Ask for a list of each of a registry's repositories that a policy names and that was listed before a time.

    Returns of how many; those that are asked for already, or were put off, stay as they are.
    """
    is_named = repositories.c.image.in_(select(policies.c.repository).where(policies.c.repository.is_not(None)))
    is_stale = and_(
        repositories.c.image.startswith(f"{registry}/", autoescape=True),
        repositories.c.listing_wanted_at.is_(None),
        repositories.c.listed_at <= before,
    )
    return connection.execute(update(repositories).where(is_stale, is_named).values(listing_wanted_at=now)).rowcount


def wanted_listings(
    connection: Connection, *, limit: int, now: datetime | None = None, excluding: Iterable[str] = ()
) -> Sequence[ImageName]:
    """The repositories that wait to be listed (until `now`, if given), longest first, without those of some hosts."""
    wish = repositories.c.listing_wanted_at
    others = [~repositories.c.image.startswith(f"{host}/", autoescape=True) for host in sorted(excluding)]
    is_due = wish <= now if now is not None else wish.is_not(None)
    wanted = select(repositories.c.image).where(is_due, *others).order_by(wish, repositories.c.image).limit(limit)
    return [ImageName.of_repository(name) for name in connection.execute(wanted).scalars()]


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
