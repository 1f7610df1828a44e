"""Git over smart HTTP: real bare repositories behind `git http-backend`, with users, and a log of what was asked."""

import base64
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path

from tests.servers.bare_repository import BareRepository

# Refuses what a branch protection refuses: moving main, by anyone but admin, once it exists.
_PROTECT_MAIN = """#!/bin/sh
while read old new ref; do
  if [ "$ref" = refs/heads/main ] && [ "$old" != 0000000000000000000000000000000000000000 ] \\
      && [ "$REMOTE_USER" != admin ]; then
    echo "error: GH006: Protected branch update failed for $ref." >&2
    exit 1
  fi
done
"""


@dataclass(frozen=True, slots=True)
class GitRequest:
    """One request as it came; `user` is the name that was authenticated."""

    method: str
    path: str
    query: str
    user: str | None


@dataclass(slots=True)
class GitServer:
    """Serves every bare repository in `folder`; `users` maps names to passwords or tokens and may change.

    `bearers` maps tokens that are taken as Bearer to the names of their accounts.
    `on_request` is called while a client waits for its answer.
    """

    folder: Path
    users: dict[str, str]
    bearers: dict[str, str] = field(default_factory=dict)
    url: str = ""
    requests: list[GitRequest] = field(default_factory=list)
    on_request: Callable[[], None] = lambda: None

    def create(self, name: str) -> BareRepository:
        """Make an empty repository, to be found at `url_of(name)`."""
        return BareRepository.create(self.folder / f"{name}.git")

    def url_of(self, name: str) -> str:
        return f"{self.url}/{name}.git"


def protect_main(repository: BareRepository) -> None:
    """Let only `admin` move main from now on; refs written on the server itself are not asked."""
    hook = repository.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_PROTECT_MAIN)
    hook.chmod(0o755)


@contextmanager
def git_server(folder: Path, users: Mapping[str, str]) -> Iterator[GitServer]:
    """Run a server on loopback until the block ends."""
    served = GitServer(folder, dict(users))

    class Exchange(_Exchange):
        server_state = served

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
    served.url = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield served
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


class _Exchange(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    server_state: GitServer

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        user = self._user()
        self.server_state.requests.append(GitRequest(self.command, path, query, user))
        self.server_state.on_request()
        body = self._body()
        if user is None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._answer(self._run(path, query, user, body))

    do_POST = do_GET  # noqa: N815 - the base class looks for this name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Keep quiet; `requests` tells what came."""

    def _user(self) -> str | None:
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer":
            return self.server_state.bearers.get(encoded)
        if scheme != "Basic":
            return None
        name, _, password = base64.b64decode(encoded).decode().partition(":")
        return name if self.server_state.users.get(name) == password else None

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            return b"".join(_chunks(self.rfile))
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _run(self, path: str, query: str, user: str, body: bytes) -> bytes:
        variables = {
            "GIT_PROJECT_ROOT": str(self.server_state.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "REMOTE_USER": user,
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        command = ["git", "http-backend"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return subprocess.run(command, input=body, stdout=subprocess.PIPE, env=kept | variables, check=True).stdout

    def _answer(self, cgi: bytes) -> None:
        head, _, content = cgi.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((value for name, value in headers if name == "Status"), "200")
        self.send_response(int(status.split()[0]))
        for name, value in headers:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    while size := int(stream.readline().split(b";")[0], 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()
