"""Senders in a closed loop: each sends one webhook again and again until it is answered with 202."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

from tests.faults.fleets import Message
from tests.faults.processes import Fluxbridge
from tests.faults.waiting import PATIENCE_S, until

_ANSWER_S = 10
_AGAIN_S = 0.05


@dataclass(slots=True)
class Senders:
    """Threads that take messages from one queue; `acknowledged` is what was answered with 202, and under which id."""

    fluxbridge: Fluxbridge
    on_acknowledged: Callable[[], None] = lambda: None
    acknowledged: list[tuple[Message, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    attempts: int = 0
    _given: int = 0
    _queue: "queue.Queue[Message | None]" = field(default_factory=queue.Queue)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def give(self, messages: Iterable[Message]) -> int:
        """Hand over what is to be sent; returns how many that are."""
        count = 0
        for message in messages:
            self._queue.put(message)
            count += 1
        self._given += count
        return count

    def count_in(self, acknowledged: Iterable[tuple[Message, str]]) -> None:
        """Note what somebody else has sent."""
        with self._lock:
            for one in acknowledged:
                self.acknowledged.append(one)
                self._given += 1

    def wait(self) -> None:
        """Wait until everything that was handed over is acknowledged."""
        until("every webhook to be acknowledged", self._is_done, told=self._told)

    @contextmanager
    def sending(self, threads: int = 4) -> Iterator[None]:
        """Send until the block ends."""
        running = [threading.Thread(target=self._run, name=f"sender-{number}") for number in range(threads)]
        for thread in running:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            self.fluxbridge.is_up.set()
            for _ in running:
                self._queue.put(None)
            for thread in running:
                thread.join()

    def _run(self) -> None:
        while (message := self._queue.get()) is not None and not self._over.is_set():
            while not self._over.is_set() and not self._send(message):
                self.fluxbridge.is_up.wait(PATIENCE_S)
                self._over.wait(_AGAIN_S)

    def _send(self, message: Message) -> bool:
        url = f"{self.fluxbridge.url}/webhooks/{message.source}"
        try:
            answer = self.fluxbridge.http.post(
                url, content=message.body, headers=dict(message.headers), timeout=_ANSWER_S
            )
        except httpx.TransportError:
            answer = None
        with self._lock:
            self.attempts += 1
            if answer is None or answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                return False
            if answer.status_code != HTTPStatus.ACCEPTED:
                self.refused.append(f"{message}: {answer.status_code} {answer.text[:300]}")
                return True
            self.acknowledged.append((message, answer.json()["id"]))
        self.on_acknowledged()
        return True

    def _is_done(self) -> bool:
        assert not self.refused, f"refused for good: {self.refused}"
        return len(self.acknowledged) == self._given

    def _told(self) -> str:
        return f"{len(self.acknowledged)} of {self._given} acknowledged\n{self.fluxbridge.told()}"
