"""HTTP of the libraries that use requests: each call ends in time and says no more than we take."""

import http.client
import io
import socket
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ReadTimeoutError

from app.clients.deadline import ending_within, seconds_left

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LARGEST_ANSWER = 16 * 1024 * 1024
_CHUNK = 64 * 1024


class AnswerTooLarge(requests.RequestException):
    """An answer has more than 16 MiB."""


def bound(session: requests.Session, *, timeout_s: float) -> None:
    """Let each call of a session end within twice `timeout_s`, and by the deadline of the thread's work.

    The timeouts of requests count anew with each byte. Raises requests.Timeout, AnswerTooLarge.
    """
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Bounded(timeout_s))


class _Bounded(HTTPAdapter):
    """Reads the whole answer before anyone sees it, for only here is it known when the call began."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    def send(  # noqa: PLR0913, PLR0917 - as requests has it
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        del stream, timeout
        with ending_within(timedelta(seconds=2 * self._timeout_s)):
            if not (left_s := seconds_left(self._timeout_s)):
                raise requests.Timeout
            answer = super().send(request, stream=True, timeout=left_s, verify=verify, cert=cert, proxies=proxies)
            with closing(answer):
                _read(answer)
        return answer

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,  # noqa: FBT001
        proxies: Mapping[str, str] | None = None,
        cert: tuple[str, str] | str | None = None,
    ) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        assert isinstance(pool, HTTPConnectionPool)  # noqa: S101 (also of a proxy; only the types do not say so)
        pool.ConnectionCls = _HTTPS if isinstance(pool, HTTPSConnectionPool) else _HTTP
        return pool


def _read(answer: requests.Response) -> None:
    body = bytearray()
    try:
        for chunk in answer.iter_content(_CHUNK):
            body += chunk
            if len(body) > LARGEST_ANSWER:
                raise AnswerTooLarge(response=answer)
    except requests.ConnectionError as error:
        # requests says so of a timeout, too, once the headers are there.
        if isinstance(error.args[0], ReadTimeoutError):
            raise requests.Timeout from error
        raise
    # What `content` gives once it was asked for: it cannot be bounded itself.
    answer._content = bytes(body)  # noqa: SLF001


class _InTime(io.RawIOBase):
    """What comes from a socket, until the deadline of the thread's work."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket, self._raw = connected, connected.makefile("rb", buffering=0)
        self._timeout_s = connected.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        left_s = seconds_left(self._timeout_s or float("inf"))
        if not left_s:
            raise TimeoutError
        self._socket.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: object, **kwargs: object) -> None:
        super().__init__(sock, *args, **kwargs)  # type: ignore[arg-type]
        self.fp.close()
        self.fp = io.BufferedReader(_InTime(sock))


class _HTTP(HTTPConnection):
    response_class = _Answer


class _HTTPS(HTTPSConnection):
    response_class = _Answer
