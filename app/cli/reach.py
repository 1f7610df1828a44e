"""Reach the running server from this machine; where none runs, its web half is served here for the moment."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx

from app.cli.settings import read_settings
from app.clients.tls import trusting
from app.core.errors import Conflict, FluxbridgeError, Invalid, NotAuthentic, NotFound, Refused, Unavailable
from app.main import Server, address_file, serving, token_file
from app.settings.models import Settings

_TIMEOUT_S = 30
_PROBE_TIMEOUT_S = 5
_KINDS: Mapping[int, type[FluxbridgeError]] = {
    HTTPStatus.BAD_REQUEST: Invalid,
    HTTPStatus.UNPROCESSABLE_ENTITY: Invalid,
    HTTPStatus.UNAUTHORIZED: NotAuthentic,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.SERVICE_UNAVAILABLE: Unavailable,
}


class Api:
    """The HTTP API of one server. What it answers with a problem is raised as that problem's kind."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str, **query: object) -> Any:
        """Ask."""
        return self._send("GET", path, query, timeout_s=_TIMEOUT_S)

    def post(self, path: str, *, timeout_s: float = _TIMEOUT_S, **query: object) -> Any:
        """Tell it to do something."""
        return self._send("POST", path, query, timeout_s=timeout_s)

    def _send(self, method: str, path: str, query: Mapping[str, object], *, timeout_s: float) -> Any:
        params = {name: _texts(value) for name, value in query.items() if value is not None}
        try:
            answer = self._client.request(method, f"/api/v1{path}", params=params, timeout=timeout_s)
        except httpx.HTTPError as error:
            raise Unavailable(f"the server does not answer ({type(error).__name__}); try again") from error
        if not answer.is_success:
            raise _KINDS.get(answer.status_code, Refused)(_problem(answer))
        return answer.json()


def _texts(value: object) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list) else [value])]


@contextmanager
def reach() -> Iterator[Api]:
    """The API of the server of these settings, running or not."""
    settings = read_settings()
    url = running_at(settings)
    if url is not None:
        with _client(url, settings) as client:
            yield Api(client)
        return
    with _served_here(settings) as private:
        yield Api(private)


def running_at(settings: Settings) -> str | None:
    """The URL at which a server of this data folder answers now; None where none does."""
    try:
        url = address_file(settings).read_text().strip()
        answer = httpx.get(f"{url}/healthz", timeout=_PROBE_TIMEOUT_S, trust_env=False)
    except (OSError, httpx.HTTPError, httpx.InvalidURL):
        return None
    return url if answer.is_success else None


@contextmanager
def _served_here(settings: Settings) -> Iterator[httpx.Client]:
    private = settings.model_copy(
        update={"listen": settings.listen.model_copy(update={"host": "127.0.0.1", "port": 0}), "root_path": ""}
    )
    with serving(Server(private, is_private=True)) as url, _client(url, private) as client:
        yield client


def _client(url: str, settings: Settings) -> httpx.Client:
    token = token_file(settings).read_text()
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S, verify=trusting(), trust_env=False)


def _problem(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    detail = str(problem.get("detail") or f"the server answered {answer.status_code} {answer.reason_phrase}")
    complaints = [f"{each['where'].removeprefix('query.')}: {each['why']}" for each in problem.get("errors", [])]
    return "; ".join(complaints) or detail
