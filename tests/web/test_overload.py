"""Overload is answered in time with a time to come back; memory stays within its limit, and nobody is kept out."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from secrets import token_bytes

from app.db import deliveries
from app.db.database import Database
from app.web.connections import Connections
from app.web.intake import IntakeLimits
from app.web.parts import WebParts
from tests.web.site import LIMIT, READ, SOURCES, Site, github_headers, running_site
from tests.web.test_metrics import scrape

PATIENCE_S = 20
PING = b'{"zen": "Keep it logically awesome."}'
ROOM = IntakeLimits(most_bytes=6 * LIMIT, grace_s=600)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came over a connection before it ended, or up to the end of the answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Sender:
    """A connection of our own, written to as slowly as we like."""

    def __init__(self, site: Site) -> None:
        url = site.client.base_url
        self._socket = socket.create_connection((url.host, url.port or 80), timeout=PATIENCE_S)

    def send(self, data: bytes) -> "Sender":
        self._socket.sendall(data)
        return self

    def head(
        self, *, length: int | None = None, delivery: str = "slow", body: bytes = b"", source: str = "github"
    ) -> "Sender":
        """A webhook's head; without a length its body comes in chunks."""
        size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        lines = [f"{name}: {value}" for name, value in github_headers(body, delivery).items()]
        return self.send("\r\n".join([f"POST /webhooks/{source} HTTP/1.1", "Host: x", size, *lines, "", ""]).encode())

    def answer(self) -> Answer:
        """Read until the answer is whole."""
        with self._socket.makefile("rb") as read:
            status = int(read.readline().split()[1])
            headers = {}
            while (line := read.readline().strip()) != b"":
                name, _, value = line.decode().partition(": ")
                headers[name.lower()] = value
            return Answer(status, headers, read.read(int(headers["content-length"])))

    def is_cut_off(self) -> bool:
        """Wait for the other side to end the connection."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._socket.close()


@contextmanager
def senders(site: Site, count: int) -> Iterator[list[Sender]]:
    with ExitStack() as stack:
        opened = [Sender(site) for _ in range(count)]
        for one in opened:
            stack.callback(one.close)
        yield opened


def with_room(limits: IntakeLimits) -> Callable[[WebParts], WebParts]:
    return lambda parts: replace(parts, intake=limits)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Look again and again; what is waited for happens on the server's own thread."""
    ticking = threading.Event()
    for _ in range(int(PATIENCE_S / 0.01)):
        if is_so():
            return
        ticking.wait(0.01)
    raise AssertionError("it never came to it")


def assert_unavailable(answer: Answer) -> None:
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body)["type"] == "urn:fluxbridge:problem:unavailable"


def test_an_announcement_takes_no_room(light_database: Database) -> None:
    with running_site(light_database, change=with_room(ROOM)) as site, senders(site, 40) as slow:
        for one in slow[:20]:
            one.head(length=LIMIT)
        for one in slow[20:]:
            one.head()
        assert [site.send_github(PING, delivery=str(number)).status_code for number in range(10)] == [202] * 10
        assert site.intake.peak_bytes <= 10 * len(PING)


def test_what_proves_nothing_is_refused_before_its_body_is_read(light_database: Database) -> None:
    heads = {
        "github": "X-GitHub-Event: ping",
        "registry": "Authorization: Bearer wrong",
        "legacy": "Authorization: Basic bm86bm8=",
    }
    with running_site(light_database, change=with_room(ROOM)) as site:
        for source, header in heads.items():
            with senders(site, 1) as [one]:
                lines = [f"POST /webhooks/{source} HTTP/1.1", "Host: x", f"Content-Length: {LIMIT}", header, "", ""]
                assert one.send("\r\n".join(lines).encode()).answer().status == 401


def test_one_source_takes_no_more_than_half(light_database: Database) -> None:
    with running_site(light_database, change=with_room(ROOM)) as site, senders(site, 4) as slow:
        for one in slow[:3]:
            one.head(length=LIMIT).send(b"x" * (LIMIT - 1))
        wait_until(lambda: site.reserved_bytes() == 3 * (LIMIT - 1))
        assert_unavailable(slow[3].head(length=LIMIT).send(b"x" * 5).answer())
        assert site.send_registry().status_code == 202
        for one in slow[:3]:
            one.close()
        wait_until(lambda: site.reserved_bytes() == 0)
        assert site.send_github(PING).status_code == 202


def test_what_other_sources_send_without_a_proof_makes_place_at_once(light_database: Database) -> None:
    limits = replace(ROOM, most_bytes=3 * LIMIT)
    sources = {**SOURCES, "second": replace(SOURCES["github"], name="second")}
    change = with_room(limits)
    with running_site(light_database, sources=sources, change=change) as site, senders(site, 4) as slow:
        for number, one in enumerate(slow[:2]):
            one.head(length=LIMIT, source=("github", "second")[number]).send(b"x" * (LIMIT - 1))
        slow[2].head(length=LIMIT).send(b"x" * (LIMIT // 2))
        slow[3].head(length=LIMIT, source="second").send(b"x" * (LIMIT // 2))
        wait_until(lambda: site.reserved_bytes() == 3 * LIMIT - 2)
        assert site.send_registry().status_code == 202
        assert_unavailable(slow[0].answer())


def test_who_is_slow_gives_way_so_that_others_of_its_source_are_read(light_database: Database) -> None:
    limits = replace(ROOM, grace_s=0)
    with running_site(light_database, change=with_room(limits)) as site, senders(site, 50) as slow:
        for one in slow:
            one.head(length=LIMIT).send(b"x" * (LIMIT // 2))
        assert [site.send_github(PING, delivery=str(number)).status_code for number in range(10)] == [202] * 10
        assert site.intake.peak_bytes <= ROOM.most_bytes // 2
        assert_unavailable(slow[0].answer())


def test_a_request_with_two_lengths_is_refused_and_its_connection_ends(light_database: Database) -> None:
    with running_site(light_database, change=with_room(ROOM)) as site, senders(site, 1) as [one]:
        one.send(
            b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        answer = one.send(b"1000\r\n" + b"x" * 4096).answer()
        assert (answer.status, json.loads(answer.body)["type"]) == (400, "urn:fluxbridge:problem:invalid")
        assert one.is_cut_off()
        assert site.intake.peak_bytes == 0


def test_a_body_that_does_not_come_is_408_and_its_room_is_given_back(light_database: Database) -> None:
    limits = replace(ROOM, body_s=0.05)
    with running_site(light_database, change=with_room(limits)) as site, senders(site, 1) as [slow]:
        answer = slow.head(length=10).send(b"x").answer()
        assert (answer.status, "limits.body_s" in answer.body.decode()) == (408, True)
        assert site.reserved_bytes() == 0


def test_an_upload_that_is_broken_off_is_counted_as_that(light_database: Database) -> None:
    with running_site(light_database) as site, senders(site, 1) as [one]:
        one.head(length=LIMIT).send(b"x").close()
        wait_until(lambda: scrape(site).get(("fluxbridge_webhooks_total", ("github", "aborted"))) == 1)
        assert ("fluxbridge_webhooks_total", ("github", "500")) not in scrape(site)


def test_a_body_that_comes_in_pieces_is_kept(light_database: Database) -> None:
    with running_site(light_database) as site, senders(site, 1) as [slow]:
        slow.head(length=len(PING), body=PING)
        for byte in PING:
            slow.send(bytes([byte]))
        assert slow.answer().status == 202


def test_in_a_storm_memory_stays_within_its_limit_and_all_is_well_after_it(database: Database) -> None:
    answers: list[Answer] = []

    def send(one: Sender, number: int) -> None:
        body = token_bytes(LIMIT // 2)
        answers.append(one.head(length=len(body), delivery=str(number), body=body).send(body).answer())

    with running_site(database, change=with_room(ROOM)) as site, senders(site, 60) as storm:
        threads = [threading.Thread(target=send, args=(one, number)) for number, one in enumerate(storm)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert 0 < site.intake.peak_bytes <= ROOM.most_bytes
        assert {answer.status for answer in answers} <= {202, 503}
        for refused in (answer for answer in answers if answer.status == 503):
            assert_unavailable(refused)
        assert site.send_github(PING, delivery="after").status_code == 202
        assert site.reserved_bytes() == 0
        kept = sum(answer.status == 202 for answer in answers)
    with database.transaction() as connection:
        assert deliveries.counts_by_state(connection) == {"waiting": kept + 1}


def test_bodies_that_wait_for_the_database_are_counted_too(light_database: Database) -> None:
    body = token_bytes(LIMIT)
    with running_site(light_database, change=with_room(ROOM)) as site, senders(site, 4) as waiting:
        with light_database.transaction():  # the only connection: nothing can be kept meanwhile
            for number, one in enumerate(waiting[:3]):
                one.head(length=LIMIT, delivery=str(number), body=body).send(body)
            wait_until(lambda: site.reserved_bytes() == 3 * LIMIT)
            assert_unavailable(waiting[3].head(length=LIMIT, delivery="late", body=body).send(body[:1]).answer())
        assert [one.answer().status for one in waiting[:3]] == [202] * 3
        wait_until(lambda: site.reserved_bytes() == 0)


def test_connections_that_only_wait_keep_nobody_out(light_database: Database) -> None:
    connections = Connections(most=20, head_s=600)
    with running_site(light_database, connections=connections) as site, senders(site, 100) as idle:
        for one in idle[:50]:
            one.send(b"POST /webhooks/github HTTP/1.1\r\nHost")
        for number in range(10):
            with senders(site, 1) as [new]:
                assert new.head(length=len(PING), delivery=str(number), body=PING).send(PING).answer().status == 202
        assert idle[0].is_cut_off()


def test_a_head_that_does_not_come_is_not_waited_for(light_database: Database) -> None:
    connections = Connections(most=20, head_s=0.05)
    with running_site(light_database, connections=connections) as site, senders(site, 2) as idle:
        idle[0].send(b"POST /webhooks/git")
        assert [one.is_cut_off() for one in idle] == [True, True]


def test_a_body_that_nobody_reads_any_more_is_not_waited_for(light_database: Database) -> None:
    connections = Connections(most=20, head_s=0.05)
    with running_site(light_database, connections=connections) as site, senders(site, 1) as [one]:
        one.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        assert one.answer().status == 404
        with suppress(OSError):  # cut off already
            one.send(b"x")
        assert one.is_cut_off()


def test_connections_whose_body_does_not_come_keep_nobody_out(light_database: Database) -> None:
    connections = Connections(most=20, head_s=600)
    with running_site(light_database, connections=connections) as site, senders(site, 60) as lying:
        for one in lying:
            with suppress(OSError):  # cut off before it has said all
                one.head(length=LIMIT).send(b"x")
        for number in range(10):
            with senders(site, 1) as [new]:
                assert new.head(length=len(PING), delivery=str(number), body=PING).send(PING).answer().status == 202
        assert lying[0].is_cut_off()


def test_where_every_connection_is_at_work_a_new_one_is_told_to_come_back(light_database: Database) -> None:
    connections = Connections(most=3, head_s=600)
    with running_site(light_database, connections=connections) as site, senders(site, 3) as busy:
        with light_database.transaction():  # the only connection: nothing can be kept meanwhile
            for number, one in enumerate(busy):
                one.head(length=len(PING), delivery=str(number), body=PING).send(PING)
            wait_until(lambda: site.reserved_bytes() == 3 * len(PING))
            with senders(site, 1) as [new]:
                assert_unavailable(new.head(length=1).answer())
                assert new.is_cut_off()
        assert [one.answer().status for one in busy] == [202] * 3
        assert site.client.get("/healthz").status_code == 200


def test_questions_that_wait_for_the_database_keep_no_webhook_waiting(light_database: Database) -> None:
    turns = light_database._turns
    assert turns is not None
    with running_site(light_database) as site, senders(site, 60) as asking:
        with light_database.transaction():  # the only connection
            for one in asking:
                one.send(f"GET /api/v1/lanes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READ}\r\n\r\n".encode())
            wait_until(lambda: len(turns._others) >= 40)
            with senders(site, 1) as [new]:
                assert new.head(length=len(PING), body=b"another").send(PING).answer().status == 401
        assert [one.answer().status for one in asking] == [200] * 60
