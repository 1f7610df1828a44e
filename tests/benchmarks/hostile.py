"""Signed webhooks beside hostile clients: `uv run python -m tests.benchmarks.hostile [--json FILE]`.

Ten thousand connections without a proof that are slow, half open or lie (tests/hostile.py), six hundred at once, while
signed build reports come at a steady pace, each over a connection of its own. Beside them stands the same pace before
the attack. The exit code is 1 where a bar does not hold.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.benchmarks.bars import Bar, Figures, database_of, run
from tests.benchmarks.load import Load
from tests.benchmarks.site import Site, report_request, running_site
from tests.hostile import hostile_clients

_CONNECTIONS, _AT_ONCE = 10_000, 600
_PER_SECOND, _SIZE, _BEFORE = 10, 2048, 100
_P99_BAR_S, _REFUSED_BAR, _MEMORY_BAR_MB = 1.0, 0.001, 400


def one_by_one(port: int, requests: Iterator[bytes], *, per_second: float, until: Callable[[], bool]) -> Load:
    """Send each request at its time over a connection of its own; who gets no answer counts as status 0."""

    async def send(load: Load, request: bytes) -> None:
        sent, answer = time.perf_counter(), b""
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(30):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                answer = await reader.readuntil(b"\r\n")
                writer.close()
        load.statuses[int(answer[9:12] or b"0")] += 1
        load.latencies_ms.append((time.perf_counter() - sent) * 1000)

    async def all_of_them() -> Load:
        load, began = Load(), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, request in enumerate(requests):
                if until():
                    break
                await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
                group.create_task(send(load, request))
        load.seconds = time.perf_counter() - began
        return load

    return asyncio.run(all_of_them())


def _told(load: Load) -> dict[str, Any]:
    kept = load.statuses[202]
    return {
        "webhooks": sum(load.statuses.values()),
        "refused": sum(load.statuses.values()) - kept,
        "statuses": dict(load.statuses),
        "p50_ms": round(load.percentile(0.5), 1),
        "p99_ms": round(load.percentile(0.99), 1),
        "worst_ms": round(max(load.latencies_ms), 1),
    }


def measure_attack(site: Site) -> Figures:
    """The pace before the attack, and during it."""
    reports = (report_request(number, size=_SIZE) for number in range(1_000_000))
    sent = iter(range(_BEFORE))
    quiet = one_by_one(site.port, reports, per_second=_PER_SECOND, until=lambda: next(sent, None) is None)
    with hostile_clients(site.port, at_once=_AT_ONCE, connections=_CONNECTIONS) as attack:
        under = one_by_one(site.port, reports, per_second=_PER_SECOND, until=attack.poll)
        made = attack.recv()
    return {
        "before": _told(quiet),
        "under attack": {"connections": made, **_told(under), "memory_mb": round(site.memory_mb())},
    }


def measure(kind: str, folder: Path) -> Figures:
    """All figures of one kind of database."""
    with database_of(kind) as url, running_site(folder / "site", url, apps=1) as site:
        return measure_attack(site)


def bars_of(kind: str, found: Figures) -> Sequence[Bar]:
    """What is promised of these figures, for both kinds alike, and whether it holds."""
    del kind
    under = found["under attack"]
    share = under["refused"] / under["webhooks"]
    return [
        (f"p99 under {_P99_BAR_S:g} s ({under['p99_ms']} ms)", under["p99_ms"] < _P99_BAR_S * 1000),
        (f"fewer than one in a thousand refused ({share:.2%})", share < _REFUSED_BAR),
        (f"memory under {_MEMORY_BAR_MB} MB ({under['memory_mb']} MB)", under["memory_mb"] < _MEMORY_BAR_MB),
    ]


if __name__ == "__main__":
    sys.exit(run(__doc__, measure, bars_of))
