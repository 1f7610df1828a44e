"""Servers that are not GitHub, where the settings say that it is: a Gitea, for one."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Other:
    """Some server, and what was asked of it."""

    answers: Mapping[str, tuple[int, object]]
    headers: Mapping[str, str]
    url: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def other_server(
    answers: Mapping[str, tuple[int, object]], *, base: str, headers: Mapping[str, str] | None = None
) -> Iterator[Other]:
    """Serve these answers as JSON below `base`; everything else is 404."""
    other = Other(answers, headers or {})

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.partition("?")[0].removeprefix(base)
            other.asked.append(f"{self.command} {path}")
            status, body = other.answers.get(path, (404, {"message": "Not Found"}))
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response_only(status)
            for name, value in other.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815 - the base class looks for these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    other.url = f"http://127.0.0.1:{server.server_port}{base}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield other
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def gitea(version: str = "1.22.3") -> dict[str, tuple[int, object]]:
    """What a Gitea answers, as far as it goes along with a client of GitHub."""
    return {"/version": (200, {"version": version}), "/user": (200, {"id": 2, "login": "fluxbridge"})}
