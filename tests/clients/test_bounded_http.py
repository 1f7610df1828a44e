"""A server that sends byte after byte without end holds no thread: each call ends in time, and within a size."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.clients.deadline import ending_within
from app.clients.forges.errors import ForgeUnavailable
from app.clients.forges.github.access import PersonalToken
from app.clients.forges.github.forge import GitHub
from app.clients.jenkins.controller import Jenkins, JenkinsUnavailable
from app.clients.registry.errors import RegistryUnavailable
from app.clients.registry.oci import OCIRegistry
from app.core.errors import Unavailable
from tests.servers.dripping import BODY, CHUNKS, HEAD, DrippingServer

PATIENCE_S = 10
HOUR_S = 3600
SOON = timedelta(seconds=0.3)
Asking = Callable[[str, int], object]


def ask_jenkins(url: str, timeout_s: int) -> object:
    return Jenkins("main", url, timeout_s=timeout_s).build("app", 1)


def ask_github(url: str, timeout_s: int) -> object:
    return GitHub("acme/fleet", access=PersonalToken(lambda: "token"), base_url=url, timeout_s=timeout_s).account()


def ask_registry(url: str, timeout_s: int) -> object:
    registry = OCIRegistry(url.removeprefix("http://"), plain_http=True, timeout_s=timeout_s)
    try:
        return registry.tags("team/app")
    finally:
        registry.close()


DRIPS = [
    pytest.param(BODY, b" ", id="body"),
    pytest.param(CHUNKS, b"1\r\n \r\n", id="chunks"),
    pytest.param(HEAD, b"X", id="headers"),
    pytest.param(b"", b"H", id="status line"),
]


@pytest.fixture(params=[ask_jenkins, ask_github], ids=["jenkins", "github"])
def ask(request: pytest.FixtureRequest) -> Asking:
    """Ask a server for something by one of the clients."""
    asking: Asking = request.param
    return asking


def error_within_patience(call: Callable[[], object]) -> BaseException | None:
    """What a call ends with; one that does not end is left behind."""
    pool = ThreadPoolExecutor(1)
    asked: Future[object] = pool.submit(call)
    pool.shutdown(wait=False)
    return asked.exception(PATIENCE_S)


def test_a_call_ends_within_twice_its_timeout(ask: Asking) -> None:
    with DrippingServer() as server:
        error = error_within_patience(lambda: ask(server.url, 1))
    assert isinstance(error, JenkinsUnavailable | ForgeUnavailable)
    assert "did not answer within" in str(error)


@pytest.mark.parametrize(("first", "drop"), DRIPS)
def test_a_call_ends_by_the_deadline_of_the_work(ask: Asking, first: bytes, drop: bytes) -> None:
    def work() -> None:
        with ending_within(SOON):
            ask(server.url, HOUR_S)

    with DrippingServer(first, drop) as server:
        error = error_within_patience(work)
    assert isinstance(error, JenkinsUnavailable | ForgeUnavailable)


def test_a_registry_is_asked_until_the_deadline_of_the_work() -> None:
    def work() -> None:
        with ending_within(SOON):
            ask_registry(server.url, HOUR_S)

    with DrippingServer() as server:
        error = error_within_patience(work)
    assert isinstance(error, RegistryUnavailable)


@pytest.mark.parametrize("asking", [ask_jenkins, ask_github, ask_registry])
def test_nothing_is_asked_after_the_deadline_of_the_work(asking: Asking) -> None:
    with DrippingServer() as server, ending_within(-SOON), pytest.raises(Unavailable):
        asking(server.url, HOUR_S)
    assert server.connections == 0


def test_an_answer_of_github_without_end_is_not_held_in_memory() -> None:
    with DrippingServer(HEAD + b"\r\n" + b" " * (17 * 1024 * 1024)) as server:
        error = error_within_patience(lambda: ask_github(server.url, 5))
    assert isinstance(error, ForgeUnavailable)
    assert "sent more than 16777216 bytes" in str(error)
