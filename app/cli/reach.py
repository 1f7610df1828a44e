"""Reach the running server from this machine; where none runs, its web half is served here for the moment."""

import hmac
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from app.cli.settings import read_settings
from app.core.errors import Conflict, FluxbridgeError, Invalid, NotAuthentic, NotFound, Refused, Unavailable
from app.core.server_proof import PROOF_PATH, proof_of
from app.settings.models import Settings
from app.settings.own_files import address_file, token_file
from app.settings.server import is_loopback

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


class ServerNotProven(NotAuthentic):
    """What listens where our server did does not know its token: another program, or a server of another version."""

    def __init__(self, url: str, file: Path) -> None:
        super().__init__(
            f"what answers at {url} does not prove to be the server of this data folder, and was told nothing: "
            f"start that server again, or where none should run remove {file}"
        )


class ServerElsewhere(Refused):
    """The data folder is that of a server on another machine, which the token would reach in clear."""

    def __init__(self, url: str) -> None:
        super().__init__(f"the server of this data folder is on another machine ({url}): run this command there")


class Api:
    """The HTTP API of one server. What it answers with a problem is raised as that problem's kind."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url, self._settings = url, settings

    def get(self, path: str, **query: object) -> Any:
        """Ask."""
        return self._send("GET", path, query, timeout_s=_TIMEOUT_S)

    def post(self, path: str, *, timeout_s: float = _TIMEOUT_S, **query: object) -> Any:
        """Tell it to do something."""
        return self._send("POST", path, query, timeout_s=timeout_s)

    def _send(self, method: str, path: str, query: Mapping[str, object], *, timeout_s: float) -> Any:
        params = {name: _texts(value) for name, value in query.items() if value is not None}
        target = f"/api/v1{path}?{urlencode(params, doseq=True, errors='replace')}".removesuffix("?")
        try:
            with closing(HTTPConnection(*_place(self._url), timeout=timeout_s)) as connection:
                token = _prove(connection, self._url, self._settings)
                connection.request(method, target, headers={"Authorization": f"Bearer {token}"})
                answer = connection.getresponse()
                body = answer.read()
        except (OSError, HTTPException) as error:
            raise Unavailable(f"the server does not answer ({type(error).__name__}); try again") from error
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise _KINDS.get(answer.status, Refused)(_problem(body) or f"the server answered {answer.status}")
        return json.loads(body)


def _texts(value: object) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list) else [value])]


@contextmanager
def reach() -> Iterator[Api]:
    """The API of the server of these settings, running or not. Raises ServerNotProven, ServerElsewhere."""
    settings = read_settings()
    url = running_at(settings)
    if url is not None:
        yield Api(url, settings)
        return
    # A server is large, and mostly it runs already.
    from app.main import Server, serving

    private = settings.model_copy(
        update={"listen": settings.listen.model_copy(update={"host": "127.0.0.1", "port": 0}), "root_path": ""}
    )
    with serving(Server(private, is_private=True)) as own:
        yield Api(own, private)


def running_at(settings: Settings) -> str | None:
    """The URL at which the server of this data folder answers now; None where nothing does.

    Raises ServerNotProven, ServerElsewhere.
    """
    try:
        url = address_file(settings).read_text().strip()
        with closing(HTTPConnection(*_place(url), timeout=_PROBE_TIMEOUT_S)) as connection:
            _prove(connection, url, settings)
    except (OSError, ValueError):
        return None
    except HTTPException as error:
        raise ServerNotProven(url, address_file(settings)) from error
    return url


def _place(url: str) -> tuple[str, int]:
    """Host and port of a URL of ours. Raises ValueError where it is none."""
    parts = urlsplit(url)
    if not parts.hostname or not parts.port:
        raise ValueError(url)
    return parts.hostname, parts.port


def _prove(connection: HTTPConnection, url: str, settings: Settings) -> str:
    """Connect, and return the token once the other side has proven that it knows it.

    Raises ServerNotProven, ServerElsewhere.
    The proof is that of this one connection: should it end, none is opened in its place.
    """
    connection.connect()
    connection.auto_open = 0
    host, port = connection.sock.getpeername()[:2]
    if not is_here(connection.sock.getsockname()[0], host):
        raise ServerElsewhere(url)
    nonce = secrets.token_hex(32)
    connection.request("GET", f"{PROOF_PATH}?nonce={nonce}")
    answer = connection.getresponse()
    token = _token(settings)
    proof = proof_of(token, nonce, host=host, port=port).encode()
    if not token or not hmac.compare_digest(answer.read(len(proof) + 1), proof):
        raise ServerNotProven(url, address_file(settings))
    return token


def is_here(own: str, peer: str) -> bool:
    """Tell by the two addresses of a connection whether it stays on this machine.

    >>> is_here("127.0.0.1", "127.0.0.2"), is_here("192.0.2.7", "192.0.2.7"), is_here("192.0.2.7", "192.0.2.8")
    (True, True, False)
    """
    return is_loopback(peer) or own == peer


def _token(settings: Settings) -> str:
    """What the server wrote down at its start; empty where nothing can be read, which proves nothing."""
    try:
        return token_file(settings).read_text()
    except OSError:
        return ""


def _problem(body: bytes) -> str:
    try:
        problem = json.loads(body)
    except ValueError:
        return ""
    complaints = [f"{each['where'].removeprefix('query.')}: {each['why']}" for each in problem.get("errors", [])]
    return "; ".join(complaints) or str(problem.get("detail", ""))
