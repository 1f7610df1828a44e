"""A web server with classic Helm repositories, as ChartMuseum, Nexus or plain files are one."""

import hashlib
import threading
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


def digest_of(chart: str, version: str) -> str:
    """The digest that an archive of a chart has here, without `sha256:`."""
    return hashlib.sha256(f"{chart}-{version}".encode()).hexdigest()


def index_of(charts: Mapping[str, tuple[str, ...]]) -> bytes:
    """An index as Helm writes it, of charts with their versions."""
    lines = ["apiVersion: v1", "entries:" if charts else "entries: {}"]
    for chart, versions in charts.items():
        lines.append(f"  {chart}:")
        for version in versions:
            lines += [
                "  - apiVersion: v2",
                '    created: "2026-01-02T03:04:05.123456Z"',
                f"    digest: {digest_of(chart, version)}",
                f"    name: {chart}",
                "    urls:",
                f"    - {chart}-{version}.tgz",
                f"    version: {version}",
            ]
    return "\n".join([*lines, 'generated: "2026-01-02T03:04:05.123456Z"', ""]).encode()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its path, and how it was answered."""

    path: str
    status: int
    authorization: str | None


@dataclass(slots=True)
class HelmRepository:
    """Serves what is put into `files` by path. With `has_etags` it answers 304 for what is unchanged.

    `login` is a user and a password without which it answers 401. `redirects_to` sends everybody elsewhere.
    """

    login: tuple[str, str] | None = None
    has_etags: bool = True
    is_chunked: bool = False
    redirects_to: str | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    _server: ThreadingHTTPServer = field(init=False)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def statuses(self) -> list[int]:
        """How it has answered so far."""
        return [one.status for one in self.asked]

    def put(self, folder: str, charts: Mapping[str, tuple[str, ...]]) -> None:
        """Write the index of a folder anew."""
        self.files[f"{folder}/index.yaml" if folder else "index.yaml"] = index_of(charts)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        repository = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, headers, body = repository._answer(self.path, self.headers)
                repository.asked.append(Asked(self.path, status, self.headers.get("Authorization")))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if repository.is_chunked and body:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for start in range(0, len(body), 1000):
                        part = body[start : start + 1000]
                        self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                    self.wfile.write(b"0\r\n\r\n")
                    return
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Nothing is logged."""

        return Handler

    def _answer(self, path: str, headers: Message) -> tuple[int, Mapping[str, str], bytes]:
        if self.redirects_to:
            return HTTPStatus.FOUND, {"Location": self.redirects_to}, b""
        wanted = self.login and "Basic " + b64encode(":".join(self.login).encode()).decode()
        if wanted and headers.get("Authorization") != wanted:
            return HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": 'Basic realm="charts"'}, b"no"
        body = self.files.get(path.removeprefix("/"))
        if body is None:
            return HTTPStatus.NOT_FOUND, {}, b"not here"
        etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        if not self.has_etags:
            return HTTPStatus.OK, {}, body
        if headers.get("If-None-Match") == etag:
            return HTTPStatus.NOT_MODIFIED, {"ETag": etag}, b""
        return HTTPStatus.OK, {"ETag": etag, "Content-Type": "text/yaml"}, body
