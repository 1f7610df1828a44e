"""A small HTTP/1.1 load generator: whole requests as bytes over connections that stay open."""

import asyncio
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial


@dataclass(slots=True)
class Load:
    """What came back: how often each status, and how long each answer took in milliseconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers with a 2xx status a second."""
        return sum(count for status, count in self.statuses.items() if status // 100 == 2) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency within which this share of the answers came, in milliseconds."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = bytes(self._received).partition(b"\r\n\r\n")
        if not found:
            return
        length = next(
            int(line.partition(b":")[2]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        )
        if len(body) >= length and self._answer is not None:
            self._received.clear()
            self._answer.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server closed the connection"))

    async def send(self, request: bytes) -> int:
        """Send a request; returns the status of its answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


def request_bytes(method: str, path: str, *, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """A whole request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def saturate(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Load:
    """Send as fast as answers come, on so many connections, for so long or until there are no more requests."""

    async def run() -> Load:
        load = Load()
        opened = await _open(port, connections)
        began = time.perf_counter()

        async def one(connection: _Connection) -> None:
            for request in requests:
                sent = time.perf_counter()
                load.statuses[await connection.send(request)] += 1
                load.latencies_ms.append((time.perf_counter() - sent) * 1000)
                if time.perf_counter() - began > seconds:
                    return

        await asyncio.gather(*map(one, opened))
        load.seconds = time.perf_counter() - began
        return load

    return asyncio.run(run())


def keep_pace(port: int, requests: Sequence[bytes], *, connections: int, per_second: float) -> Load:
    """Send each request at its time, whether or not others are answered; waiting for a connection counts as latency."""

    async def run() -> Load:
        load = Load()
        free: asyncio.Queue[_Connection] = asyncio.Queue()
        for connection in await _open(port, connections):
            free.put_nowait(connection)
        began = time.perf_counter()

        async def one(request: bytes, due: float) -> None:
            connection = await free.get()
            load.statuses[await connection.send(request)] += 1
            load.latencies_ms.append((time.perf_counter() - due) * 1000)
            free.put_nowait(connection)

        async with asyncio.TaskGroup() as group:
            for number, request in enumerate(requests):
                due = began + number / per_second
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(one(request, due))
        load.seconds = time.perf_counter() - began
        return load

    return asyncio.run(run())


@contextmanager
def answering_server() -> Iterator[int]:
    """Answer every request that fits one packet with an empty 202, in a thread of its own; gives the port."""
    ready: Future[tuple[int, Callable[[], object]]] = Future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):
            while await reader.read(65536):
                writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        writer.close()

    async def serve() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            ready.set_result((port, partial(loop.call_soon_threadsafe, ended.set)))
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    port, end = ready.result(10)
    try:
        yield port
    finally:
        end()
        thread.join()


async def _open(port: int, connections: int) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(_Connection, "127.0.0.1", port) for _ in range(connections)]
    return [protocol for _, protocol in made]
