"""Pushes: that senders told of a tag, each once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Column, Connection, Integer, Table, UniqueConstraint, select

from app.core.images import ImageName
from app.core.tag_presence import TagPresence
from app.db import catalogue
from app.db.catalogue import KnownTag
from app.db.tables import Instant, SafeString, insert_all_absent, metadata

pushes = Table(
    "pushes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("image", SafeString(400), nullable=False),
    Column("tag", SafeString(128), nullable=False),
    Column("digest", SafeString(255), nullable=False),
    Column("first_seen_at", Instant, nullable=False),
    Column("at", Instant),
    Column("source", SafeString(64), nullable=False),
    Column("delivery_id", SafeString(32)),
    UniqueConstraint("image", "tag", "digest"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPush:
    """What a sender told of a push; `digest` None: it named none.

    `at` is when it says that the push was, `told_at` when that came to us, and `seen_at` when it is written down.
    """

    image: ImageName
    tag: str
    digest: str | None
    at: datetime | None
    told_at: datetime
    seen_at: datetime
    source: str
    delivery_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRow:
    """That a sender told of a push; `digest` None: it named none."""

    digest: str | None
    first_seen_at: datetime
    source: str
    delivery_id: str | None


def record(connection: Connection, told: Sequence[NewPush]) -> None:
    """Write pushes down, each as if after the other. Idempotent. The caller holds their images.

    A tag's first digest stands until the registry is asked.
    """
    known = catalogue.known_of(connection, ((one.image, one.tag) for one in told))
    now = dict(known)
    for one in told:
        now[one.image, one.tag] = _told(now.get((one.image, one.tag)), one)
    insert_all_absent(connection, pushes, [_values(one) for one in told])
    catalogue.keep_tags(connection, known.values(), now.values())


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


def _told(known: KnownTag | None, push: NewPush) -> KnownTag:
    """A tag once a push of it was told."""
    if known is not None:
        return replace(known, presence=known.presence.told(push.told_at))
    presence = TagPresence(told_at=push.told_at, digest=push.digest)
    return KnownTag(image=str(push.image), tag=push.tag, first_seen_at=push.seen_at, presence=presence)


def _values(push: NewPush) -> dict[str, object]:
    return {
        "image": str(push.image),
        "tag": push.tag,
        "digest": push.digest or "",
        "first_seen_at": push.seen_at,
        "at": push.at,
        "source": push.source,
        "delivery_id": push.delivery_id,
    }
