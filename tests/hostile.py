"""Clients without a proof that are slow, half open or lie, many at once, in a process of their own."""

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

_LIFE_S = 4.0
_PIECE = b"x" * 16_384
_MIB = 1024 * 1024
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def _head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", "")).encode()


async def _is_silent(streams: Streams) -> None:
    del streams
    await asyncio.sleep(_LIFE_S)


async def _drips_a_head(streams: Streams) -> None:
    for byte in _head("POST", "/webhooks/ci", f"Content-Length: {_MIB}")[:-2]:
        streams[1].write(bytes([byte]))
        await asyncio.sleep(_LIFE_S / 20)


async def _announces_much(streams: Streams) -> None:
    streams[1].write(_head("POST", "/webhooks/ci", f"Content-Length: {5 * _MIB}"))
    await asyncio.sleep(_LIFE_S)


async def _drips_a_body(streams: Streams) -> None:
    streams[1].write(_head("POST", "/webhooks/ci", "Content-Type: application/json", f"Content-Length: {5 * _MIB}"))
    for _ in range(10):
        streams[1].write(_PIECE)
        await asyncio.sleep(_LIFE_S / 10)


async def _lies_about_its_length(streams: Streams) -> None:
    streams[1].write(_head("POST", "/webhooks/ci", "Content-Length: 1", "Transfer-Encoding: chunked"))
    streams[1].write(b"4000\r\n" + _PIECE + b"\r\n")
    await streams[0].read(_MIB)


async def _lies_about_who_it_is(streams: Streams) -> None:
    body = b"x" * (256 * 1024)
    proof = ("X-Signature-Timestamp: 1", "X-Signature: sha256=" + "0" * 64)
    streams[1].write(_head("POST", "/webhooks/ci", *proof, f"Content-Length: {len(body)}") + body)
    await streams[1].drain()
    await streams[0].read(_MIB)


async def _breaks_off(streams: Streams) -> None:
    streams[1].write(_head("POST", "/webhooks/registry", f"Content-Length: {_MIB}") + _PIECE)
    await streams[1].drain()
    open_socket = streams[1].get_extra_info("socket")
    open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _shuts_half(streams: Streams) -> None:
    streams[1].write(_head("POST", "/webhooks/ci", f"Content-Length: {_MIB}") + _PIECE)
    streams[1].write_eof()
    await asyncio.sleep(_LIFE_S)


async def _asks_and_never_reads(streams: Streams) -> None:
    streams[1].transport.pause_reading()  # type: ignore[attr-defined]
    streams[1].write(_head("GET", "/metrics") * 4)
    await asyncio.sleep(_LIFE_S)


async def _asks_for_metrics(streams: Streams) -> None:
    for path in ("/metrics", "/healthz", "/readyz", "/"):
        streams[1].write(_head("GET", path))
    await asyncio.sleep(_LIFE_S)


KINDS: tuple[Callable[[Streams], Awaitable[None]], ...] = (
    _is_silent,
    _drips_a_head,
    _announces_much,
    _drips_a_body,
    _lies_about_its_length,
    _lies_about_who_it_is,
    _breaks_off,
    _shuts_half,
    _asks_and_never_reads,
    _asks_for_metrics,
)


@contextmanager
def hostile_clients(port: int, *, at_once: int, connections: int) -> Iterator[Connection]:
    """So many clients by turns of every kind; the number of connections that were made comes when they are done."""
    ours, theirs = multiprocessing.Pipe()
    attack = (theirs, port, at_once, connections)
    process = multiprocessing.get_context("spawn").Process(target=_attack, args=attack, daemon=True)
    process.start()
    ours.recv()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def _attack(pipe: Connection, port: int, at_once: int, connections: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # They stand for clients on other machines: what they cost themselves is not to be missing here.
    os.nice(15)
    # Else asyncio tells of each write to a connection that the server has cut off.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    made = asyncio.run(_attack_together(pipe, port, at_once, connections))
    pipe.send(made)


async def _attack_together(pipe: Connection, port: int, at_once: int, connections: int) -> int:
    numbers = iter(range(connections))
    pipe.send("begun")
    made = await asyncio.gather(*(_attack_in_turn(port, numbers, _LIFE_S * one / at_once) for one in range(at_once)))
    return sum(made)


async def _attack_in_turn(port: int, numbers: Iterator[int], begins_after_s: float) -> int:
    made = 0
    await asyncio.sleep(begins_after_s)
    for number in numbers:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(2 * _LIFE_S):
                streams = await asyncio.open_connection("127.0.0.1", port)
                made += 1
                try:
                    await KINDS[number % len(KINDS)](streams)
                finally:
                    streams[1].transport.abort()
    return made
