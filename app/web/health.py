"""Whether this process is alive, and whether it can keep a delivery."""

from functools import partial

import structlog
from fastapi import APIRouter
from pydantic import BaseModel

from app.core.errors import Unavailable
from app.db.database import Database
from app.db.probe import prove_write
from app.web.fresh import Fresh
from app.web.parts import WebParts

# Whoever asks more often is told what the last probe found.
_FRESH_S = 1.0
_log = structlog.get_logger("fluxbridge.web")


class NoAnswer(Unavailable):
    """The database has not answered the probe in time."""

    def __init__(self, within_s: float) -> None:
        super().__init__(f"the database did not take a write within {within_s:g} s")


class WriteFailed(Unavailable):
    """The database answered the probe with something that is not foreseen."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the database did not take a write ({why}): see the log, and `fluxbridge check --database`")


class Health(BaseModel):
    """The answer of a process that is well."""

    status: str


class Readiness:
    """Probes the way of a delivery, one probe at a time whoever asks."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._probe = Fresh(partial(_probe, parts.database), for_s=_FRESH_S, name="readiness")

    async def check(self) -> None:
        """See that a delivery could be kept now. Raises Unavailable leaves."""
        self._parts.inbox.check()
        try:
            await self._probe.found(self._parts.database_within_s)
        except TimeoutError as error:
            raise NoAnswer(self._parts.database_within_s) from error


def _probe(database: Database) -> None:
    try:
        prove_write(database)
    except Unavailable:
        raise
    except Exception as error:
        _log.exception("the probe failed")
        raise WriteFailed(type(error).__name__) from error


def health_router(readiness: Readiness) -> APIRouter:
    """The two questions that are put to a process from outside."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> Health:
        """Tell that the process answers; nothing else is looked at."""
        return Health(status="ok")

    @router.get("/readyz")
    async def readyz() -> Health:
        """Tell whether a delivery could be kept now: a stuck lane must not cost webhooks."""
        await readiness.check()
        return Health(status="ready")

    return router
