"""Every exchange with our GitHub, checked against GitHub's own published description."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from tests.parts import required
from tests.servers.forge_server import Exchange
from tests.servers.github_bodies import description

_HOST, _BASE = "https://github.test", "/api/v3"

# The stored slice of the description leaves these out; their shape here is that of GitHub's documentation.
_UNDESCRIBED = re.compile(r"/meta|/repos/.*/issues/\d+/events")
# GitHub gives these for whatever is asked with a wrong token or of a hidden repository, and does not always list them.
_UNSAID = frozenset({"Unknown response http status: 401", "Unknown response http status: 404"})


def problems(exchanges: Iterable[Exchange]) -> list[str]:
    """What GitHub's description does not allow in them; made-up answers are passed over."""
    return [
        f"{each.method} {each.path}: {text}"
        for each in exchanges
        if not _UNDESCRIBED.fullmatch(each.path)
        for text in _problems(each)
        if text not in _UNSAID and text != _bare_labels(each)
    ]


def _bare_labels(exchange: Exchange) -> str | None:
    """PyGithub sends labels as a bare list, which GitHub takes although its description does not say so."""
    if exchange.method != "POST" or not exchange.path.endswith("/labels"):
        return None
    return f": {json.loads(exchange.sent)!r} is not valid under any of the given schemas"


def _problems(exchange: Exchange) -> Iterator[str]:
    testing = required("openapi_core.testing")
    request = testing.MockRequest(
        _HOST,
        exchange.method.lower(),
        _BASE + exchange.path,
        args=dict(parse_qsl(exchange.query)),
        data=exchange.sent or None,
        content_type=exchange.content_type,
    )
    yield from _texts(_github().iter_request_errors(request))
    if exchange.is_ours:
        response = testing.MockResponse(exchange.received, exchange.status, content_type="application/json")
        yield from _texts(_github().iter_response_errors(request, response))


def _texts(errors: Iterable[Exception]) -> Iterator[str]:
    for error in errors:
        reasons = getattr(error.__cause__ or error, "schema_errors", [])
        yield from [f"{'.'.join(map(str, one.absolute_path))}: {one.message}" for one in reasons] or [str(error)]


@cache
def _github() -> Any:
    return required("openapi_core").OpenAPI.from_dict(description() | {"servers": [{"url": _HOST + _BASE}]})
