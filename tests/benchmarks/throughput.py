"""From webhooks to pull requests: `uv run python -m tests.benchmarks.throughput [--json FILE]`.

A thousand pushes of a hundred apps come at once and become a hundred right pull requests in a local forge; then single
pushes, one after another, tell how long one takes from its webhook to its opened pull request, with a quiet time of
0.5 s. The exit code is 1 where a bar does not hold.
"""

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.bars import Bar, Figures, database_of, run
from tests.benchmarks.load import saturate
from tests.benchmarks.site import Site, app_path, push_request, running_site, wait_for

_APPS, _TAGS, _CONNECTIONS = 100, 10, 32
_SINGLE = 20
_BURST_BAR_S, _P50_BAR_S, _P95_BAR_S = 60.0, 1.5, 2.5


def measure_burst(site: Site) -> dict[str, Any]:
    """How long a thousand pushes take until every app's newest tag is in a pull request of its own."""
    images = [(app_path(number), f"1.0.{tag}") for tag in range(1, _TAGS + 1) for number in range(_APPS)]
    digests = site.registry.put_all(images)
    host = site.registry.host
    requests = [push_request(path, tag, digest, host=host) for (path, tag), digest in zip(images, digests, strict=True)]
    began = time.perf_counter()
    load = saturate(site.port, iter(requests), connections=_CONNECTIONS, seconds=_BURST_BAR_S)
    if load.statuses != {202: len(requests)}:
        raise RuntimeError(f"not every webhook was accepted: {dict(load.statuses)}")
    wait_for("a hundred pull requests", lambda: site.count_pull_requests() >= _APPS, within_s=300)
    site.settle(within_s=300)
    seconds = time.perf_counter() - began
    right = {f"app{number:03}": f"1.0.{_TAGS}" for number in range(_APPS)}
    if site.proposed_tags() != right or site.count_pull_requests() != _APPS:
        raise RuntimeError(f"not the right pull requests: {site.proposed_tags()}")
    return {
        "accepted_s": round(load.seconds, 2),
        "accept_p99_ms": round(load.percentile(0.99), 1),
        "all_right_s": round(seconds, 2),
        "memory_mb": round(site.memory_mb()),
    }


def _has(site: Site, count: int) -> bool:
    return site.count_pull_requests() >= count


def measure_single(site: Site) -> dict[str, Any]:
    """How long one push takes when nothing else goes on."""
    taken: list[float] = []
    for number in range(_SINGLE):
        site.settle()
        path, tag = app_path(number), "1.1.0"
        (digest,) = site.registry.put_all([(path, tag)])
        request = push_request(path, tag, digest, host=site.registry.host)
        wanted = site.count_pull_requests() + 1
        began = time.perf_counter()
        saturate(site.port, iter([request]), connections=1, seconds=1)
        wait_for("a pull request", partial(_has, site, wanted), within_s=60)
        taken.append(time.perf_counter() - began)
    taken.sort()
    return {
        "p50_s": round(taken[len(taken) // 2], 2),
        "p95_s": round(taken[int(len(taken) * 0.95)], 2),
        "worst_s": round(taken[-1], 2),
    }


def measure(kind: str, folder: Path) -> Figures:
    """All figures of one kind of database."""
    with database_of(kind) as url, running_site(folder / "burst", url, apps=_APPS) as site:
        site.settle()
        burst = measure_burst(site)
    with database_of(kind) as url, running_site(folder / "single", url, apps=_SINGLE) as site:
        single = measure_single(site)
    return {"burst": burst, "single": single}


def bars_of(kind: str, found: Figures) -> Sequence[Bar]:
    """What is promised of these figures, for both kinds alike, and whether it holds."""
    del kind
    all_right_s, single = found["burst"]["all_right_s"], found["single"]
    return [
        (f"all right within {_BURST_BAR_S:g} s ({all_right_s} s)", all_right_s < _BURST_BAR_S),
        (f"p50 under {_P50_BAR_S} s ({single['p50_s']} s)", single["p50_s"] < _P50_BAR_S),
        (f"p95 under {_P95_BAR_S} s ({single['p95_s']} s)", single["p95_s"] < _P95_BAR_S),
    ]


if __name__ == "__main__":
    sys.exit(run(__doc__, measure, bars_of))
