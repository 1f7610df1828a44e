"""Whether this process is alive, and whether it can keep a delivery."""

import asyncio
import threading
import time
from concurrent.futures import Future

import structlog
from fastapi import APIRouter
from pydantic import BaseModel

from app.core.errors import Unavailable
from app.db.probe import prove_write
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
        self._probe: Future[None] | None = None
        self._began = 0.0

    async def check(self) -> None:
        """See that a delivery could be kept now. Raises Unavailable leaves."""
        self._parts.inbox.check()
        is_old = time.monotonic() - self._began > _FRESH_S
        if self._probe is None or (self._probe.done() and is_old):
            self._probe = self._begin()
        try:
            async with asyncio.timeout(self._parts.ready_within_s):
                await asyncio.shield(asyncio.wrap_future(self._probe))
        except TimeoutError as error:
            raise NoAnswer(self._parts.ready_within_s) from error

    def _begin(self) -> Future[None]:
        """On a thread of its own: one that never comes back must not be waited for at the end."""
        probe: Future[None] = Future()
        self._began = time.monotonic()
        threading.Thread(target=self._run, args=[probe], name="readiness", daemon=True).start()
        return probe

    def _run(self, probe: Future[None]) -> None:
        try:
            prove_write(self._parts.database)
        except Unavailable as error:
            probe.set_exception(error)
        except Exception as error:  # noqa: BLE001 (told where it is asked for)
            _log.exception("the probe failed")
            probe.set_exception(WriteFailed(type(error).__name__))
        else:
            probe.set_result(None)


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
