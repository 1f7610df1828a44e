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
    """What a person has to mend in the database; a page may be empty while `next` leads on."""
    del caller
    page = check_page(parts.database, paging.after, now=parts.clock())
    return Listing(items=list(page.items), next=page.next)
