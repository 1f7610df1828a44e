"""What the program writes to standard error: one event a line, without secrets and query strings."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor

LogFormat = Literal["json", "text"]

_SECRET_KEY = re.compile(
    r"secret|password|passwd|token|authori[sz]ation|cookie|credential|signature|api_?key|private_?key", re.IGNORECASE
)
_USER_IN_URL = re.compile(r"(?<=://)[^\s/@'\"]+@")
# Webhook senders put tokens there, so not even the names of the parameters are kept.
_QUERY = re.compile(r"(?<=[^\s?])\?[^\s?\"'<>)\]]+")
# They tell each request and each SQL statement at info or debug, with more than a log should hold.
QUIETED = (
    *("httpx", "httpcore", "urllib3", "git", "github", "sqlalchemy.engine", "uvicorn.access", "alembic"),
    *("azure", "boto3", "botocore", "google", "msal"),
)


def configure(level: str, log_format: LogFormat) -> None:
    """Send structlog's events and the standard library's records to standard error; calling it again replaces it.

    `level` is debug, info, warning or error; `log_format` is json (one object a line) or text (for people).
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(log_format)],
    )
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(formatter)
    logging.basicConfig(handlers=[output], level=level.upper(), force=True)
    for name in QUIETED:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def redact(_logger: object, _method: str, event: MutableMapping[str, object]) -> EventDict:
    """Replace what stands under a secret's name, and cut users and query strings out of every URL in any text."""
    # What begins with _ is structlog's own record of the call, taken out before anything is written.
    return {key: value if key.startswith("_") else _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: object) -> object:
    if _SECRET_KEY.search(key):
        return "[redacted]"
    match value:
        case str():
            return _QUERY.sub("?[redacted]", _USER_IN_URL.sub("[redacted]@", value))
        case Mapping():
            return {str(name): _redacted(str(name), item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted("", item) for item in value]
        case int() | float() | None:
            return value
        case _:
            return _redacted("", str(value))


def _renderer(log_format: LogFormat) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=False, timestamp_key="at", exception_formatter=structlog.dev.plain_traceback
    )
