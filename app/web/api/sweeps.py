"""Sweeps: how they stand, and the way to start one now."""

import secrets
from typing import Annotated

import structlog
from fastapi import APIRouter, Query

from app.services.reading.pages import Line, Listing
from app.services.reading.sweeps import SweepReport, SweepView, list_sweeps
from app.services.sweeps.schedule import Sweeps
from app.web.api.answers import CONFLICT, NOT_FOUND, REFUSED
from app.web.authentication import Operator
from app.web.parts import Parts

router = APIRouter(prefix="/sweeps", tags=["sweeps"])
_log = structlog.get_logger("fluxbridge.web")


@router.get("")
def show_sweeps(parts: Parts) -> Listing[SweepView]:
    """Every sweep: when it is due, how its last run ended, and its storms, on one page."""
    with parts.database.transaction() as connection:
        return list_sweeps(connection, parts.systems)


@router.post("", responses=REFUSED | NOT_FOUND | CONFLICT)
def run_sweeps(  # noqa: PLR0913 (one parameter a word of the query)
    parts: Parts,
    caller: Operator,
    *,
    name: Annotated[list[Line] | None, Query(max_length=20)] = None,
    dry_run: bool = False,
    confirm: bool = False,
    accept: Annotated[list[Line] | None, Query(max_length=1000)] = None,
) -> Listing[SweepReport]:
    """Run sweeps now, by default all that have a schedule; the answer comes when they have ended.

    `dry_run` writes nothing and tells what would be taken in; `accept` takes in the storm of this
    key, `confirm` all.
    """
    sweeps = Sweeps(
        database=parts.database,
        systems=parts.systems,
        clock=parts.clock,
        owner=f"api-{secrets.token_hex(6)}",
    )
    runs = sweeps.run_now(name or (), is_dry=dry_run, is_confirmed=confirm, accepted=accept or ())
    _log.info(
        "sweeps run",
        names=[run.sweep for run in runs],
        dry=dry_run,
        confirm=confirm,
        accept=accept or [],
        who=caller.name,
    )
    return Listing(items=[SweepReport.of(run) for run in runs], next=None)
