"""Note the digest that a registry said a tag names when we asked by ourselves."""

from datetime import datetime

from sqlalchemy import Connection

from app.core.images import ImageName
from app.db import catalogue, lanes, owed_answers
from app.services.catalogue.keep_selections import keep_selections
from app.services.catalogue.ready_policies import ReadyPolicies


def note_digest(  # noqa: PLR0913 (what was answered, and when, all named)
    connection: Connection,
    image: ImageName,
    tag: str,
    digest: str,
    *,
    asked_at: datetime,
    now: datetime,
    ready: ReadyPolicies,
    besides: str | None = None,
) -> None:
    """Write it down; where it is other content, the lanes that use the image are due, but for the one that asked."""
    catalogue.lock(connection, [image], now)
    known = catalogue.find_tag(connection, image, tag)
    catalogue.set_digest(connection, image, tag, digest, asked_at=asked_at)
    owed_answers.settle(connection, image, tag, asked_at=asked_at)
    keep_selections(connection, ready, image, [tag])
    if known is None or known.digest != digest or not known.presence.is_shown:
        due = sorted(set(lanes.lanes_of_image(connection, image)) - {besides})
        lanes.raise_wanted(connection, due, now=now)
