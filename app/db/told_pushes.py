"""Pushes as senders told of them, for those who ask where a tag came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from app.core.images import ImageName
from app.db.catalogue import pushes


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
