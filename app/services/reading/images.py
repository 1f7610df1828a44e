"""Read images: the catalogue of repositories and their tags."""

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from app.core.images import ImageName
from app.db import catalogue
from app.db.catalogue import KnownTag
from app.services.reading.pages import Line, Listing, Paging
from app.services.systems import Systems


class ImageView(BaseModel):
    """A repository at a registry; `listed_at` None: never listed in full.

    `problem` says why the list that was asked for at `failed_at` is none, or not whole.
    """

    image: str
    first_seen_at: datetime
    listed_at: datetime | None
    problem: str | None = None
    failed_at: datetime | None = None


class TagView(BaseModel):
    """One tag of a repository and the digest that it names now."""

    tag: str
    digest: str | None
    is_gone: bool
    first_seen_at: datetime
    asked_at: datetime | None


class TagFilters(Paging):
    """Which repository's tags."""

    image: Line


def list_images(connection: Connection, paging: Paging) -> Listing[ImageView]:
    """Every repository that is known, by name. Raises InvalidCursor."""
    page = catalogue.page_of_repositories(connection, limit=paging.limit, after=paging.after)
    views = [
        ImageView(
            image=row.image,
            first_seen_at=row.first_seen_at,
            listed_at=row.listed_at,
            problem=row.problem,
            failed_at=row.failed_at,
        )
        for row in page.items
    ]
    return Listing(items=views, next=page.next)


def list_tags(connection: Connection, systems: Systems, filters: TagFilters) -> Listing[TagView]:
    """The tags of one repository by name. Raises InvalidCursor, InvalidImage."""
    image = systems.known_as(ImageName.parse_any(filters.image))
    page = catalogue.page_of_tags(connection, str(image), limit=filters.limit, after=filters.after)
    return Listing(items=[_tag(row) for row in page.items], next=page.next)


def _tag(row: KnownTag) -> TagView:
    return TagView(
        tag=row.tag,
        digest=row.digest,
        is_gone=row.is_gone,
        first_seen_at=row.first_seen_at,
        asked_at=row.asked_at,
    )
