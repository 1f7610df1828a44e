"""How JSON values become payload models, and the field types that payloads share."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from app.core.builds.job_names import job_name_problem
from app.senders.instants import parse_instant, parse_moment
from app.senders.sender import MOST_BYTES, Unusable, WebhookRequest
from app.senders.strict_json import read_json

PAYLOAD = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

_LONGEST_LINE = 1000
_MOST_REASONS = 3
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")

Model = TypeVar("Model", bound=BaseModel)


def read_body(request: WebhookRequest, model: type[Model]) -> Model:
    """Read the whole body as this model. Raises Unusable."""
    return read_model(read_json(request.body, most_bytes=MOST_BYTES), model)


def read_model(value: JsonValue, model: type[Model]) -> Model:
    """Read a JSON value as this model; unknown keys are no error. Raises Unusable naming the first wrong fields."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        reasons = [f"{_place(each['loc'])}{_reason(each['msg'])}" for each in error.errors(include_input=False)]
        more = f" (and {len(reasons) - _MOST_REASONS} more)" if len(reasons) > _MOST_REASONS else ""
        raise Unusable("; ".join(reasons[:_MOST_REASONS]) + more) from None


def text_at(value: JsonValue, *keys: str) -> str | None:
    """A text further in, one key after the other; None where there is none, for what costs nothing to miss.

    >>> text_at({"request": {"host": "r.example"}}, "request", "host")
    'r.example'
    """
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_LINE else None


def is_commit(text: str) -> bool:
    """Tell whether this is a whole git commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits."""
    return _COMMIT.fullmatch(text) is not None


def _place(location: Sequence[int | str]) -> str:
    path = ".".join(str(step)[:60] for step in location)
    return f"{path!r}: " if path else ""


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")


def _one_line(text: str) -> str:
    if not 0 < len(text) <= _LONGEST_LINE or _CONTROL.search(text):
        raise ValueError(f"must be one line of 1 to {_LONGEST_LINE} characters")
    return text


def _empty_is_absent(value: object) -> object:
    return None if value == "" else value


def _job_name(text: str) -> str:
    problem = job_name_problem(text)
    if problem is not None:
        raise ValueError(f"must be a JOB_NAME such as folder/app/main: {problem}")
    return text


def _instant(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 time as text")  # noqa: TRY004 - pydantic turns only ValueError into a reason
    return parse_instant(value)


def _moment(value: object) -> object:
    return None if value is None or value == "" else parse_moment(value)


Line = Annotated[str, AfterValidator(_one_line)]
OptionalLine = Annotated[Line | None, BeforeValidator(_empty_is_absent)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Moment = Annotated[datetime | None, BeforeValidator(_moment)]
JobName = Annotated[Line, AfterValidator(_job_name)]
PositiveNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
