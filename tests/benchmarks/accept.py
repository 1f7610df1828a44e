"""How fast and how promptly webhooks are kept: `uv run python -m tests.benchmarks.accept [--json FILE]`.

Webhooks are signed build reports of 2 KB, each with a content of its own, over 32 connections; beside them, in the same
run, the same server answers a request that does nothing (`/healthz`). Figures are ratios for that reason: machines
differ and have neighbours. The exit code is 1 where a bar does not hold.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from tests.benchmarks.bars import Bar, Figures, database_of, run
from tests.benchmarks.load import Load, keep_pace, request_bytes, saturate
from tests.benchmarks.site import Site, app_path, push_request, report_request, running_site

_CONNECTIONS, _SIZE = 32, 2048
_ROUNDS, _SECONDS = 3, 3.0
_APPS, _PER_SECOND, _STEADY_SECONDS = 100, 100, 20


@dataclass(frozen=True, slots=True)
class Bars:
    """What one kind of database promises."""

    share_of_noop: float
    p99_ms: float


BARS = {"SQLite": Bars(0.12, 100), "PostgreSQL": Bars(0.08, 250), "PgBouncer": Bars(0.08, 250)}


def measure_idle(site: Site) -> dict[str, Any]:
    """Accepted a second beside no-ops a second, in rounds by turns; the best of each counts against neighbours."""
    noop = request_bytes("GET", "/healthz")
    reports = (report_request(number, size=_SIZE) for number in range(1_000_000))
    warm = saturate(site.port, reports, connections=_CONNECTIONS, seconds=1)
    rounds: list[tuple[Load, Load]] = []
    for _ in range(_ROUNDS):
        noops = saturate(site.port, repeat(noop), connections=_CONNECTIONS, seconds=_SECONDS)
        ready = [next(reports) for _ in range(int(2 * warm.per_second * _SECONDS))]
        kept = saturate(site.port, iter(ready), connections=_CONNECTIONS, seconds=_SECONDS)
        if kept.statuses.keys() != {202}:
            raise RuntimeError(f"not every webhook was accepted: {dict(kept.statuses)}")
        rounds.append((noops, kept))
    shares = sorted(kept.per_second / noops.per_second for noops, kept in rounds)
    return {
        "noop_per_second": round(max(noops.per_second for noops, _ in rounds)),
        "accepted_per_second": round(max(kept.per_second for _, kept in rounds)),
        "share_of_noop": round(shares[len(shares) // 2], 3),
        "p50_ms": round(rounds[-1][1].percentile(0.5), 1),
        "p99_ms": round(rounds[-1][1].percentile(0.99), 1),
    }


def measure_busy(site: Site) -> dict[str, Any]:
    """The latency of a steady stream of pushes that the workers turn into pull requests meanwhile."""
    site.settle()
    count = _PER_SECOND * _STEADY_SECONDS
    images = [(app_path(number % _APPS), f"1.0.{1 + number // _APPS}") for number in range(count)]
    digests = site.registry.put_all(images)
    requests = [
        push_request(path, tag, digest, host=site.registry.host)
        for (path, tag), digest in zip(images, digests, strict=True)
    ]
    load = keep_pace(site.port, requests, connections=_CONNECTIONS, per_second=_PER_SECOND)
    if load.statuses.keys() != {202}:
        raise RuntimeError(f"not every webhook was accepted: {dict(load.statuses)}")
    done = site.get("/status")["deliveries"]["done"]
    return {
        "p50_ms": round(load.percentile(0.5), 1),
        "p99_ms": round(load.percentile(0.99), 1),
        "worst_ms": round(max(load.latencies_ms), 1),
        "per_second": round(load.per_second, 1),
        "worked_off_meanwhile": done,
        "pull_requests_meanwhile": site.count_pull_requests(),
        "memory_mb": round(site.memory_mb()),
    }


def measure(kind: str, folder: Path) -> Figures:
    """All figures of one kind of database."""
    with database_of(kind) as url, running_site(folder / "idle", url, apps=1, has_workers=False) as site:
        idle = measure_idle(site)
    with database_of(kind) as url, running_site(folder / "busy", url, apps=_APPS) as site:
        busy = measure_busy(site)
    return {"idle": idle, "busy": busy}


def bars_of(kind: str, found: Figures) -> Sequence[Bar]:
    """What is promised of these figures, and whether it holds."""
    bars, share, p99 = BARS[kind], found["idle"]["share_of_noop"], found["busy"]["p99_ms"]
    return [
        (f"accepts at least {bars.share_of_noop:.0%} of the no-op ({share:.1%})", share >= bars.share_of_noop),
        (f"p99 within {bars.p99_ms:g} ms at {_PER_SECOND} a second ({p99:g} ms)", p99 <= bars.p99_ms),
    ]


if __name__ == "__main__":
    sys.exit(run(__doc__, measure, bars_of))
