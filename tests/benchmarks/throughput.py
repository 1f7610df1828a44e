"""From webhooks to pull requests: `uv run python -m tests.benchmarks.throughput [--json FILE]`.

A thousand pushes of a hundred apps come at once and become a hundred right pull requests in a local forge; then single
pushes, one after another, tell how long one takes from its webhook to its opened pull request; last they come at a
steady pace, each of another app of one lane. Beside them stands what a webhook, a commit and a push cost without us: a
server that only answers, and git alone. All with the settings' defaults. The exit code is 1 where a bar does not hold.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from app.compose.machine import utc_now
from tests.benchmarks.bars import Bar, Figures, database_of, run
from tests.benchmarks.load import answering_server, request_bytes, saturate
from tests.benchmarks.site import Site, app_path, config_files, push_request, running_site, wait_for
from tests.servers.bare_repository import BareRepository

_APPS, _TAGS, _CONNECTIONS = 100, 10, 32
_SINGLE, _STEADY = 20, 40
_PACES = (1 / 1.5, 5.0)
_BURST_BAR_S, _P50_BAR_S, _P95_BAR_S = 20.0, 1.2, 2.5


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
    return _spread(taken)


def _spread(taken: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(taken)
    return {
        "p50_s": round(ordered[len(ordered) // 2], 3),
        "p95_s": round(ordered[int(len(ordered) * 0.95)], 3),
        "worst_s": round(ordered[-1], 3),
    }


def measure_steady(site: Site, *, per_second: float) -> dict[str, Any]:
    """How long each push takes from its webhook until its pull request is open, at a steady pace."""
    site.settle()
    began = time.perf_counter()
    sent: list[datetime] = []
    for number in range(_STEADY):
        time.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        path, tag = app_path(number), "1.1.0"
        (digest,) = site.registry.put_all([(path, tag)])
        request = push_request(path, tag, digest, host=site.registry.host)
        sent.append(utc_now())
        saturate(site.port, iter([request]), connections=1, seconds=1)
    wait_for("a pull request each", partial(_has, site, _STEADY), within_s=60)
    opened = site.opened_at()
    taken = []
    for number, at in enumerate(sent):
        (opened_at,) = (found for branch, found in opened.items() if f"app{number:03}" in branch)
        taken.append((opened_at - at).total_seconds())
    return _spread(taken)


def measure_without_us(folder: Path) -> dict[str, Any]:
    """What it costs where nothing is decided: an answer of a server that does nothing else, a commit and its push."""
    bare = BareRepository.create(folder / "bare.git")
    bare.commit("main", config_files(_SINGLE))
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", bare.path, clone], check=True)
    git = ["git", "-C", str(clone), "-c", "user.name=nobody", "-c", "user.email=nobody@acme.example"]
    pushes: list[float] = []
    for number in range(_SINGLE):
        began = time.perf_counter()
        (clone / "apps" / f"app{number:03}.yaml").write_text(f"{number}\n")
        for command in (["checkout", "--quiet", "-b", f"of{number}"], ["commit", "--quiet", "--all", "--message=new"]):
            subprocess.run([*git, *command], check=True)
        subprocess.run([*git, "push", "--quiet", "origin", f"of{number}"], check=True)
        pushes.append(time.perf_counter() - began)
    with answering_server() as port:
        load = saturate(port, iter([request_bytes("POST", "/")] * 1000), connections=1, seconds=60)
    return {"answer_p50_ms": round(load.percentile(0.5), 2), "push_p50_s": _spread(pushes)["p50_s"]}


def measure(kind: str, folder: Path) -> Figures:
    """All figures of one kind of database."""
    found: Figures = {"without us": measure_without_us(folder)}
    with database_of(kind) as url, running_site(folder / "burst", url, apps=_APPS) as site:
        site.settle()
        found["burst"] = measure_burst(site)
    with database_of(kind) as url, running_site(folder / "single", url, apps=_SINGLE) as site:
        found["single"] = measure_single(site)
    for per_second in _PACES:
        where = folder / f"steady-{per_second:.1f}"
        with database_of(kind) as url, running_site(where, url, apps=_STEADY) as site:
            found[f"steady {per_second:.2g}/s"] = measure_steady(site, per_second=per_second)
    return found


def bars_of(kind: str, found: Figures) -> Sequence[Bar]:
    """What is promised of these figures, for both kinds alike, and whether it holds."""
    del kind
    all_right_s = found["burst"]["all_right_s"]
    bars = [(f"all right within {_BURST_BAR_S:g} s ({all_right_s} s)", all_right_s < _BURST_BAR_S)]
    for when, values in found.items():
        if "p95_s" in values:
            bars += [
                (f"{when}: p50 under {_P50_BAR_S} s ({values['p50_s']} s)", values["p50_s"] < _P50_BAR_S),
                (f"{when}: p95 under {_P95_BAR_S} s ({values['p95_s']} s)", values["p95_s"] < _P95_BAR_S),
            ]
    return bars


if __name__ == "__main__":
    sys.exit(run(__doc__, measure, bars_of))
