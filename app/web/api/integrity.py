"""Integrity: whether what must hold of the database does."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.services.reading.pages import Listing
from app.services.upkeep.check_database import IntegrityPaging, ViolationView, check_page
from app.web.api.answers import INVALID, REFUSED
from app.web.authentication import Operator
from app.web.parts import Parts

router = APIRouter(tags=["integrity"])


@router.get("/integrity", responses=INVALID | REFUSED)
def list_violations(
    parts: Parts, caller: Operator, paging: Annotated[IntegrityPaging, Query()]
) -> Listing[ViolationView]:
    """Rows for which something does not hold that should; a page may be empty while `next` leads on."""
    del caller
    page = check_page(parts.database, paging.after, now=parts.clock(), lease=parts.systems.timing.lease)
    return Listing(items=[ViolationView.of(one) for one in page.items], next=page.next)
