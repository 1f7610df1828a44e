"""The problem documents that endpoints may answer with, for the API's description."""

from http import HTTPStatus
from typing import Any

from app.web.errors import PROBLEM_JSON, Problem

Answers = dict[int | str, dict[str, Any]]


def _problem(status: HTTPStatus, told: str) -> Answers:
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {status.value: {"description": told, "content": {PROBLEM_JSON: {"schema": schema}}}}


def with_problems(described: dict[str, Any]) -> dict[str, Any]:
    """Add what the answers above refer to, which no endpoint returns by itself. Doing it twice is doing it once."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = schema.pop("$defs", {})
    described["components"]["schemas"] |= {**parts, Problem.__name__: schema}
    return described


INVALID = _problem(HTTPStatus.BAD_REQUEST, "What was given cannot be used")
REFUSED = _problem(HTTPStatus.FORBIDDEN, "The token may only read")
NOT_FOUND = _problem(HTTPStatus.NOT_FOUND, "There is no such thing")
CONFLICT = _problem(HTTPStatus.CONFLICT, "The present state does not allow it")
EVERYWHERE = (
    _problem(HTTPStatus.UNAUTHORIZED, "No token, or an unknown one")
    | _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "A parameter has the wrong form")
    | _problem(HTTPStatus.SERVICE_UNAVAILABLE, "Not just now")
)
