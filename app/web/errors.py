"""Errors over HTTP: one table from kinds to statuses, and RFC 9457 problem documents for everything else too."""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.core.errors import (
    Conflict,
    FluxbridgeError,
    Invalid,
    NotAuthentic,
    NotFound,
    Refused,
    Unavailable,
)

PROBLEM_JSON = "application/problem+json"
STATUSES: Mapping[type[FluxbridgeError], HTTPStatus] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    NotAuthentic: HTTPStatus.UNAUTHORIZED,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Refused: HTTPStatus.FORBIDDEN,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
_RETRY_AFTER_S = 5
_MOST_COMPLAINTS = 20
_LONGEST_WHY = 300
WHY = "fluxbridge.why"
"""Where a request's scope holds why it was refused, for the log: our own words, which hold no secret."""
_log = structlog.get_logger("fluxbridge.web")


class BodyTooLarge(Invalid):
    """A request has more bytes than are taken."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes; send less, or raise limits.body_bytes")


class BodyTooSlow(Invalid):
    """A request's body did not come in time."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"the body did not arrive within {limit_s:g} s; send it at once, or raise limits.body_s")


class KeysUnreadable(Unavailable):
    """The server cannot read the secrets that a request would be proven with."""

    def __init__(self) -> None:
        super().__init__(
            "the server cannot read a secret that it needs for this; its log names it: send it again later"
        )


class Complaint(BaseModel):
    """One thing that is wrong with a request: where, and why."""

    where: str
    why: str


class Problem(BaseModel):
    """An RFC 9457 problem document; `type` ends with the kind of error."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[Complaint] = []


def status_of(error: Exception) -> HTTPStatus:
    """The status that an error is answered with; 500 for what was not raised on purpose."""
    if isinstance(error, BodyTooLarge):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if isinstance(error, BodyTooSlow):
        return HTTPStatus.REQUEST_TIMEOUT
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), _UNEXPECTED)


def answer_errors(app: FastAPI) -> None:
    """Make every error of this application a problem document."""
    app.add_exception_handler(FluxbridgeError, _answer_ours)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(ClientDisconnect, _answer_gone)
    app.add_exception_handler(Exception, _answer_unexpected)


_UNEXPECTED = HTTPStatus.INTERNAL_SERVER_ERROR


async def _answer_ours(request: Request, error: Exception) -> JSONResponse:
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("answered as unavailable", why=str(error), cause=str(error.__cause__ or ""))
    return answer(request, status, error, headers=_headers(request, error))


def answer(request: Request, status: HTTPStatus, error: Exception, *, headers: Mapping[str, str]) -> JSONResponse:
    """The problem document of one of our errors; the log gets its words too."""
    request.scope[WHY] = str(error)[:_LONGEST_WHY]
    return _answer(request, status, str(error), headers=headers, kind=_kind(error))


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    found: Sequence[Mapping[str, object]] = error.errors() if isinstance(error, RequestValidationError) else ()
    complaints = [Complaint(where=_place(each["loc"]), why=str(each["msg"])) for each in found[:_MOST_COMPLAINTS]]
    detail = "the request does not have the form that the API describes; see `errors`"
    return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail, complaints=complaints)


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else _UNEXPECTED
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return _answer(request, status, status.description or status.phrase, headers=headers)


async def _answer_gone(request: Request, _error: Exception) -> JSONResponse:
    """Nobody hears this; it only keeps a broken connection from being reported as our fault."""
    return _answer(request, HTTPStatus.BAD_REQUEST, "the connection broke before the whole request had come")


async def _answer_unexpected(request: Request, _error: Exception) -> JSONResponse:
    return _answer(request, _UNEXPECTED, "something went wrong here that nobody foresaw; the server's log has it")


def _answer(  # noqa: PLR0913 (the members of one document)
    request: Request,
    status: HTTPStatus,
    detail: str,
    *,
    kind: str | None = None,
    headers: Mapping[str, str] | None = None,
    complaints: Sequence[Complaint] = (),
) -> JSONResponse:
    problem = Problem(
        type=f"urn:fluxbridge:problem:{kind}" if kind else "about:blank",
        title=status.phrase,
        status=status,
        detail=printable(detail),
        instance=raw_path(request.scope),
        errors=[Complaint(where=printable(each.where), why=printable(each.why)) for each in complaints],
    )
    left_out = {"errors"} if not complaints else set()
    return JSONResponse(
        problem.model_dump(exclude=left_out), status_code=status, headers=headers, media_type=PROBLEM_JSON
    )


def raw_path(scope: Mapping[str, object]) -> str:
    """The path as it was sent, percent-encoded and so without control characters, never with its query string."""
    raw = scope.get("raw_path")
    return raw.decode("latin-1")[:500] if isinstance(raw, bytes) else ""


def printable(text: str) -> str:
    """The same text with what UTF-8 cannot carry replaced."""
    return text.encode("utf-8", "replace").decode()


def _kind(error: Exception) -> str | None:
    names = {kind: kind.__name__ for kind in STATUSES}
    name = next((name for kind, name in names.items() if isinstance(error, kind)), None)
    return None if name is None else "".join(f"-{c.lower()}" if c.isupper() else c for c in name).removeprefix("-")


def _headers(request: Request, error: Exception) -> dict[str, str]:
    match error:
        case NotAuthentic():
            scheme = "Bearer" if "/api/" in request.url.path else "Webhook"
            return {"WWW-Authenticate": f'{scheme} realm="fluxbridge"'}
        case Unavailable(retry_after=wait):
            seconds = _RETRY_AFTER_S if wait is None else max(1, math.ceil(wait.total_seconds()))
            return {"Retry-After": str(seconds)}
        case _:
            return {}


def _place(location: object) -> str:
    steps = location if isinstance(location, tuple) else (location,)
    return ".".join(str(step)[:60] for step in steps)
