"""A receiver of webhooks that is away, or says no, as long as a test wants."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.clients.forges.github.forge import GitHub
from app.clients.forges.github.webhooks import GitHubWebhooks
from app.core.ports import FailedWebhook
from tests.clients.forges.github_worlds import MIRA, GitHubWorld, connect

PATH = "/webhooks/github"
SECRET = "It's a Secret to Everybody"
NOBODY = "http://127.0.0.1:1"


class Receiver:
    """Answers every webhook with `status`, and keeps what came."""

    def __init__(self, url: str) -> None:
        self.url, self.status = url, 202
        self.received: list[str] = []


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run one on loopback; its `url` ends in PATH."""

    class Receiving(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            running.received.append(self.headers["X-GitHub-Delivery"])
            self.send_response(running.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing on the terminal."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Receiving)
    running = Receiver(f"http://127.0.0.1:{listening.server_port}{PATH}")
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield running
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


def failed(forge: GitHub, *, since: datetime | None = None) -> list[FailedWebhook]:
    return list(GitHubWebhooks(forge).failed_webhooks(path=PATH, since=since or an_hour_ago()))


def lost_webhook(github: GitHubWorld) -> FailedWebhook:
    """Push something while nobody receives; gives what GitHub then could not deliver."""
    github.server.send_webhooks_to(NOBODY + PATH, SECRET)
    github.server.push("topic", {"x.yaml": "x: 1\n"}, by=MIRA)
    github.server.wait_for_webhooks(1)
    [found] = failed(connect(github.server.api_url))
    return found
