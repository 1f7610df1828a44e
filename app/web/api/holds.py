"""Holds: what people stop, and the way to stop something and to let it go on."""

from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from pydantic import StringConstraints

from app.services.people.hold import HoldRequest, add_hold, lift_hold
from app.services.reading.holds import HoldFilters, HoldView, list_holds
from app.services.reading.pages import Id, Line, Listing
from app.web.api.answers import CONFLICT, INVALID, NOT_FOUND, REFUSED
from app.web.authentication import Operator
from app.web.parts import Parts

router = APIRouter(prefix="/holds", tags=["holds"])
_log = structlog.get_logger("fluxbridge.web")

Why = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class AddedHold(HoldView):
    """A hold with the end that was understood, in UTC and in the zone that was asked for."""

    understood: str | None


@router.get("", responses=INVALID)
def show_holds(parts: Parts, filters: Annotated[HoldFilters, Query()]) -> Listing[HoldView]:
    """What is, or was, held: by whom, why, until when, and what it reaches; newest first."""
    with parts.database.transaction() as connection:
        return list_holds(connection, filters, now=parts.clock())


@router.post("", status_code=HTTPStatus.CREATED, responses=INVALID | REFUSED)
def hold(  # noqa: PLR0913 (one parameter a word of the query)
    parts: Parts,
    caller: Operator,
    *,
    why: Why,
    policy: Line | None = None,
    stage: Line | None = None,
    tag: Line | None = None,
    digest: Line | None = None,
    repo: Line | None = None,
    until: Line | None = None,
    zone: Line = "UTC",
) -> AddedHold:
    """Hold policies by a pattern, a stage, or deny a tag (`image:tag`) or digest; twice is once."""
    wanted = HoldRequest(why=why, policy=policy, stage=stage, tag=tag, digest=digest, repo=repo, until=until, zone=zone)
    with parts.database.transaction() as connection:
        added, understood = add_hold(connection, parts.systems, wanted, who=caller.name, now=parts.clock())
    _log.info("hold added", hold=added.id, reaches=added.reaches, until=understood, who=caller.name)
    return AddedHold(**added.model_dump(), understood=understood)


@router.post("/{hold_id}/lift", responses=REFUSED | NOT_FOUND | CONFLICT)
def lift(parts: Parts, caller: Operator, hold_id: Id, *, why: Why) -> HoldView:
    """Lift a hold; one that is lifted already stays as it is."""
    with parts.database.transaction() as connection:
        lifted = lift_hold(connection, hold_id, who=caller.name, why=why, now=parts.clock())
    _log.info("hold lifted", hold=hold_id, who=caller.name)
    return lifted
