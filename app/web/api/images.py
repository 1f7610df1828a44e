"""Images: the catalogue of repositories and their tags."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.services.reading import images
from app.services.reading.images import ImageView, TagFilters, TagView
from app.services.reading.pages import Line, Listing, Paging
from app.services.reading.tag_explained import TagStory, explain_tag_everywhere
from app.services.reading.timeline import Timeline, timeline_of_tag
from app.web.api.answers import INVALID
from app.web.parts import Parts

router = APIRouter(prefix="/images", tags=["images"])


@router.get("", responses=INVALID)
def list_images(parts: Parts, paging: Annotated[Paging, Query()]) -> Listing[ImageView]:
    """Every repository that is known, by name."""
    with parts.database.transaction() as connection:
        return images.list_images(connection, paging)


@router.get("/tags", responses=INVALID)
def list_tags(parts: Parts, filters: Annotated[TagFilters, Query()]) -> Listing[TagView]:
    """The tags of one repository; its name holds slashes and so is a parameter."""
    with parts.database.transaction() as connection:
        return images.list_tags(connection, parts.systems, filters)


@router.get("/tags/history", responses=INVALID)
def show_history(parts: Parts, tag: Line) -> Timeline:
    """What happened to a tag, given as `image:tag`, from build to cluster, oldest first; empty of an unknown one."""
    with parts.database.transaction() as connection:
        return timeline_of_tag(connection, parts.systems, tag, now=parts.clock())


@router.get("/tags/explain", responses=INVALID)
def explain_tag(parts: Parts, tag: Line) -> TagStory:
    """Why a tag, given as `image:tag`, is or is not proposed: in every policy of its image, from delivery to gate."""
    return explain_tag_everywhere(parts.database, parts.systems, tag, scans=parts.scans, now=parts.clock())
