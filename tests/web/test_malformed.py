"""What is no HTTP is answered as every other mistake is, once, counted, and its connection ends."""

import json
import socket
from collections.abc import Iterator

import pytest

from app.db.database import Database
from app.web.errors import PROBLEM_JSON, Problem
from tests.web.site import SECRET, Site, running_site
from tests.web.test_metrics import scrape
from tests.web.test_overload import senders, wait_until

PATIENCE_S = 20
COUNTED = ("fluxbridge_malformed_requests_total", ())
CHUNKED = (
    f"POST /webhooks/registry HTTP/1.1\r\nHost: x\r\nAuthorization: {SECRET}\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.fixture
def site(light_database: Database) -> Iterator[Site]:
    with running_site(light_database) as running:
        yield running


def said(site: Site, *sent: bytes) -> bytes:
    """All that the server says, until it ends the connection."""
    url = site.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=PATIENCE_S) as connection:
        for part in sent:
            connection.sendall(part)
        with connection.makefile("rb") as read:
            return read.read()


def assert_malformed(answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().splitlines()
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert status.startswith("HTTP/1.1 400 ")
    assert (headers["content-type"], headers["connection"]) == (PROBLEM_JSON, "close")
    assert int(headers["content-length"]) == len(body) < 1000
    problem = Problem.model_validate(json.loads(body))
    assert (problem.type, problem.status, problem.title) == ("urn:fluxbridge:problem:invalid", 400, "Bad Request")
    assert "no HTTP/1.1" in problem.detail


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"hello\r\n\r\n", id="no request line"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="TLS"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost x\r\n\r\n", id="a header without a colon"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param("GET /hé HTTP/1.1\r\nHost: x\r\n\r\n".encode(), id="a path that is no ASCII"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", id="two lengths"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", id="a negative length"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", id="an unknown encoding"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000, id="a head that is too large"),
        pytest.param(CHUNKED.encode() + b"nonsense\r\n", id="a chunk without a size"),
    ],
)
def test_it_is_answered_as_a_mistake_counted_once_and_the_connection_ends(site: Site, sent: bytes) -> None:
    assert_malformed(said(site, sent))
    assert scrape(site)[COUNTED] == 1


def test_what_comes_after_a_good_request_is_answered_by_itself(site: Site) -> None:
    answers = said(site, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n")
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert_malformed(answers[answers.index(b"HTTP/1.1 400 ") :])
    assert scrape(site)[COUNTED] == 1


def test_what_has_its_answer_gets_no_second_one(site: Site) -> None:
    with senders(site, 1) as [one]:
        assert one.send(CHUNKED.replace(SECRET, "guessed").encode()).answer().status == 401
        assert one.send(b"nonsense\r\n").is_cut_off()
    assert scrape(site)[COUNTED] == 1


def test_a_body_that_breaks_off_into_nonsense_gives_its_room_back(site: Site) -> None:
    assert_malformed(said(site, CHUNKED.encode() + b"5\r\nhello\r\nnonsense\r\n"))
    wait_until(lambda: site.reserved_bytes() == 0)
    assert scrape(site)["fluxbridge_deliveries", ("waiting",)] == 0


def test_there_is_none_at_first(site: Site) -> None:
    assert scrape(site)[COUNTED] == 0
