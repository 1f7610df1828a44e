"""The keys of an issuer: kept while they are good, fetched without anybody waiting, and bounded in all ways."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.clients.kept_keys import KeptKeys
from app.core.errors import Invalid
from tests.servers.dripping import DrippingServer

HOUR_S = 3600.0
PATIENCE_S = 10


@dataclass
class Issuer:
    """Publishes a word as its keys."""

    keys: bytes = b"first"
    status: HTTPStatus = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict)
    port: int = 0
    asked: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/certs"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    serving = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            serving.asked += 1
            self.send_response(serving.status)
            for name, value in serving.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(serving.keys)))
            self.end_headers()
            self.wfile.write(serving.keys)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
            pass

    with serve(Handler) as serving.port:
        yield serving


@contextmanager
def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read(document: bytes) -> Mapping[str, bytes]:
    if not document.isalpha():
        raise Invalid("no word")
    return {"k": document}


@dataclass
class World:
    """Keys with a clock that is turned by hand; what would run in a thread runs at once, or when it is let."""

    url: str
    now: float = 1000.0
    waiting: list[Callable[[], None]] = field(default_factory=list)
    is_held: bool = False

    def __post_init__(self) -> None:
        self.kept = KeptKeys(self.url, read=read, largest=100, timeout_s=0.2, clock=lambda: self.now, start=self.start)

    def start(self, work: Callable[[], None]) -> None:
        if self.is_held:
            self.waiting.append(work)
        else:
            work()


def test_keys_are_kept_and_asked_for_again_when_their_time_is_over(issuer: Issuer) -> None:
    issuer.headers["Cache-Control"] = "public, max-age=1200, must-revalidate"
    world = World(issuer.url)
    assert world.kept.current() == {"k": b"first"}
    issuer.keys, world.now = b"second", world.now + 1199
    assert world.kept.current() == {"k": b"first"}
    world.now += 1
    assert world.kept.current() == {"k": b"second"}
    assert issuer.asked == 2


@pytest.mark.parametrize(
    ("told", "kept_s"),
    [
        pytest.param({}, 300, id="not told"),
        pytest.param({"Cache-Control": "max-age=0"}, 300, id="at once"),
        pytest.param({"Cache-Control": "max-age=999999999"}, HOUR_S, id="for ever"),
        pytest.param({"Cache-Control": "s-max-age=9, no-store"}, 300, id="something else"),
    ],
)
def test_they_are_kept_for_five_minutes_at_least_and_an_hour_at_most(
    issuer: Issuer, told: dict[str, str], kept_s: float
) -> None:
    issuer.headers.update(told)
    world = World(issuer.url)
    world.kept.current()
    world.now += kept_s - 1
    world.kept.current()
    assert issuer.asked == 1
    world.now += 1
    world.kept.current()
    assert issuer.asked == 2


def test_while_they_are_fetched_nobody_waits_and_nobody_asks_a_second_time(issuer: Issuer) -> None:
    world = World(issuer.url, is_held=True)
    assert [world.kept.current() for _ in range(3)] == [None] * 3
    [fetch] = world.waiting
    fetch()
    assert world.kept.current() == {"k": b"first"}


def test_old_keys_are_good_for_a_day_while_new_ones_cannot_be_had(issuer: Issuer) -> None:
    world = World(issuer.url)
    world.kept.current()
    issuer.status = HTTPStatus.INTERNAL_SERVER_ERROR
    world.now += 24 * HOUR_S - 1
    assert world.kept.current() == {"k": b"first"}
    world.now += 1
    assert world.kept.current() is None
    issuer.status, issuer.keys, world.now = HTTPStatus.OK, b"second", world.now + 10
    assert world.kept.current() == {"k": b"second"}


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"status": HTTPStatus.NOT_FOUND}, id="not found"),
        pytest.param({"status": HTTPStatus.FOUND, "headers": {"Location": "/certs"}}, id="a redirect"),
        pytest.param({"keys": b"{}"}, id="no keys"),
        pytest.param({"keys": b"x" * 101}, id="too much"),
        pytest.param({"headers": {"Content-Encoding": "gzip"}}, id="not what it says"),
    ],
)
def test_an_answer_without_keys_is_none_and_is_asked_for_again_after_ten_seconds(
    issuer: Issuer, odd: dict[str, object]
) -> None:
    for name, value in odd.items():
        setattr(issuer, name, value)
    world = World(issuer.url)
    assert world.kept.current() is None
    world.now += 9
    assert world.kept.current() is None
    assert issuer.asked == 1
    issuer.status, issuer.keys, issuer.headers, world.now = HTTPStatus.OK, b"word", {}, world.now + 1
    assert world.kept.current() == {"k": b"word"}


def test_nobody_there_and_an_answer_that_never_ends_are_no_keys(issuer: Issuer) -> None:
    assert World(issuer.url.replace(str(issuer.port), "1")).kept.current() is None
    with DrippingServer() as dripping:
        assert World(f"{dripping.url}/certs").kept.current() is None


def test_in_earnest_they_are_fetched_in_a_thread_of_their_own(issuer: Issuer) -> None:
    came = threading.Event()

    def told(document: bytes) -> Mapping[str, bytes]:
        came.set()
        return read(document)

    kept = KeptKeys(issuer.url, read=told, largest=100)
    kept.current()
    assert came.wait(PATIENCE_S)
    for thread in threading.enumerate():
        if thread.name == "keys":
            thread.join(PATIENCE_S)
    assert kept.current() == {"k": b"first"}
