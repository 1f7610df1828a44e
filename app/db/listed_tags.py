"""What a whole list of a repository tells of its tags, written down in stretches."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from app.core.images import ImageName
from app.core.tag_presence import TagPresence
from app.db import catalogue
from app.db.catalogue import KnownTag


class Told(StrEnum):
    """What a list tells of a tag: it is new or back, missing for the first time, or gone with the second."""

    NEW = "new"
    BACK = "back"
    MISSING = "missing"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagList:
    """The tags that a registry had when it was asked; `before_at` is when the list that stands was asked for."""

    present: AbstractSet[str]
    asked_at: datetime
    before_at: datetime | None = None

    def tells(self, known: KnownTag) -> Told | None:
        """What it tells of a tag that is known; None: nothing new."""
        after = self.after(known)
        if after == known.presence:
            return None
        if known.tag in self.present:
            return Told.BACK
        return Told.GONE if after.is_unlisted else Told.MISSING

    def tells_of(self, known: Iterable[KnownTag]) -> dict[str, Told]:
        """What it tells of these tags: those of which it tells nothing are left out."""
        told = {one.tag: self.tells(one) for one in known}
        return {tag: one for tag, one in told.items() if one is not None}

    def after(self, known: KnownTag) -> TagPresence:
        """What is known of a tag after it. One that it shows as it was stays as it is written down."""
        seen = known.presence
        if known.tag not in self.present:
            return seen if seen.is_gone else seen.missed(self.asked_at, listed_at=self.before_at)
        is_as_it_was = seen.is_shown and seen.missed_at is None
        return seen if is_as_it_was else seen.shown(self.asked_at)

    def first_seen(self) -> TagPresence:
        """What is known of a tag of which only this list tells; a later one that stands lacks it."""
        seen = TagPresence().shown(self.asked_at)
        return seen if self.before_at is None else seen.missed(self.before_at)


def record_listed(
    connection: Connection, image: ImageName, names: Iterable[str], listed: TagList, now: datetime
) -> Sequence[str]:
    """Write down what a list tells of these names; returns those of which it told something. The image is held."""
    # First of all, as a push does: the two must not wait for each other.
    catalogue.know_repository(connection, image, now)
    wanted = set(names)
    known = catalogue.tags_named(connection, image, wanted)
    new, fresh = (wanted & listed.present) - {one.tag for one in known}, listed.first_seen()
    told = [KnownTag(image=str(image), tag=tag, first_seen_at=now, presence=fresh) for tag in new]
    told += [replace(one, presence=listed.after(one)) for one in known if listed.tells(one) is not None]
    catalogue.keep_tags(connection, known, told)
    return sorted(one.tag for one in told)
