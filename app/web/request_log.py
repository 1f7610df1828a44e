"""One line in the log for each request, with its path and never its query string: senders put tokens there.

What was refused is told with who asked and why.
"""

import time
from http import HTTPStatus
from ipaddress import ip_address

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.server_proof import PROOF_PATH
from app.web.errors import WHY, raw_path

_QUIET = frozenset({"/healthz", "/readyz", "/metrics", PROOF_PATH})
_log = structlog.get_logger("fluxbridge.web")


class RequestLog:
    """Writes what was asked and answered; the server's own access log is off."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on and write the line at the end."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            took_ms = round((time.perf_counter() - started) * 1000, 1)
            write = _log.debug if scope["path"] in _QUIET else _log.info
            told = {"method": scope["method"], "path": raw_path(scope), "status": status, "took_ms": took_ms}
            if status >= HTTPStatus.BAD_REQUEST:
                told |= {"peer": _peer(scope), "why": scope.get(WHY, "")}
            write("request", **told)


def _peer(scope: Scope) -> str:
    """The address that asked; a proxy passes on whatever a client calls itself."""
    try:
        return str(ip_address((scope.get("client") or ("",))[0]))
    except ValueError:
        return "unknown"
