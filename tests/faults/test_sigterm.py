"""Asked to end, a server ends soon: every request is answered, what it acknowledged is kept, what it began is free."""

import json
import threading
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from tests.faults.extent import timeout
from tests.faults.fleets import Message
from tests.faults.locks import deliveries_locked
from tests.faults.waiting import until
from tests.faults.worlds import World, world

pytestmark = timeout
_ENDED_S = 10
_LEASE_S = 60


def test_it_ends_soon_in_the_midst_of_work_and_its_successor_goes_on_at_once(tmp_path: Path, database_url: str) -> None:
    with world(tmp_path, database_url, apps=3, lease_s=_LEASE_S) as here:
        here.fluxbridge.start()
        here.fluxbridge.settle()
        may_go_on = _stop_at_opening(here)
        group = [message for number in range(2, 8) for message in here.fleet.push_all(number)]
        with deliveries_locked(database_url):
            asked = [_send(here, message) for message in group]
            # The loop that answers these has taken the whole group before.
            assert all(here.fluxbridge.is_alive() for _ in range(3))
            here.fluxbridge.begin_stop()
            began = time.monotonic()
        kept = [(message, *_answer(one)) for message, one in zip(group, asked, strict=True)]
        assert here.fluxbridge.server is not None
        here.fluxbridge.server.wait(60)
        took_s = time.monotonic() - began
        print(f"ended after {took_s:.1f} s")
        assert took_s < _ENDED_S, f"it ended after {took_s:.1f} s"
        may_go_on.set()
        refused = [(str(message), status, body) for message, status, body in kept if status != 202]
        assert not refused, f"taken and not kept: {refused}"
        here.senders.count_in((message, json.loads(body)["id"]) for message, _, body in kept)
        here.fluxbridge.start()
        here.check(patience_s=_LEASE_S / 2)


def _stop_at_opening(here: World) -> threading.Event:
    """Push something and return once the run for it waits for the forge; it goes on when the event is set."""
    waits, may_go_on = threading.Event(), threading.Event()

    def hold(method: str, path: str) -> None:
        if method == "POST" and path.endswith("/pulls") and not may_go_on.is_set():
            waits.set()
            assert may_go_on.wait(60)

    here.github.on_asked = hold
    here.senders.give(here.fleet.push_all(1))
    here.senders.wait()
    until("the run to wait for the forge", waits.is_set, told=here.fluxbridge.told)
    return may_go_on


def _send(here: World, message: Message) -> HTTPConnection:
    connection = HTTPConnection(urlsplit(here.fluxbridge.url).netloc, timeout=30)
    connection.request("POST", f"/webhooks/{message.source}", message.body, dict(message.headers))
    return connection


def _answer(asked: HTTPConnection) -> tuple[int, bytes]:
    with closing(asked):
        answer = asked.getresponse()
        return answer.status, answer.read()
