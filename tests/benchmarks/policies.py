"""How long policies take, for 100 to 100,000 known tags: `uv run python -m tests.benchmarks.policies`.

Figures are medians of several runs in processor time of this thread, so that other processes matter less. Tags are in
no order, each run compiles its policy anew, and rubbish is collected between runs. The exit code is 1 where a bar does
not hold.
"""

import gc
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from app.core.policies.advance import StoredChoice, advance, choice_among
from app.core.policies.selection import compile_policy
from app.core.policies.spec import Alphabetical, Numerical, PolicySpec, SemVer, TagFilter

SIZES = (100, 1_000, 10_000, 100_000)
_RUNS = {100: 51, 1_000: 25, 10_000: 15, 100_000: 5}
_PUSHES = 500
_BY_TIME = TagFilter(r"^[a-z]+-[a-f0-9]+-(?P<ts>[0-9]+)$", "$ts")


@dataclass(frozen=True, slots=True)
class Kind:
    """A policy, how its tags look, and what a full evaluation of 10,000 may take, where that is promised."""

    name: str
    spec: PolicySpec
    tag: Callable[[random.Random], str]
    cold_bar_ms: float | None = None
    warm_bar_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What one kind took with so many known tags, in milliseconds."""

    tags: int
    cold: float
    warm: float
    push: float


def version(draw: random.Random) -> str:
    """A version; one in ten is a prerelease."""
    release = f"{draw.randrange(1, 30)}.{draw.randrange(100)}.{draw.randrange(1000)}"
    return f"{release}-rc.{draw.randrange(9)}" if draw.random() < 0.1 else release


def branch_sha_time(draw: random.Random) -> str:
    """A tag as `{branch}-{sha}-{ts}` makes it."""
    return f"{draw.choice(['main', 'dev', 'release'])}-{draw.randrange(16**7):07x}-{draw.randrange(10**9, 2 * 10**9)}"


def build_number(draw: random.Random) -> str:
    """A number."""
    return f"{draw.randrange(10**7)}"


def timestamp(draw: random.Random) -> str:
    """A time that sorts as text."""
    return f"{draw.randrange(2000, 2030)}-{draw.randrange(10, 13)}-{draw.randrange(10, 29)}T{draw.randrange(10**6):06}"


KINDS = (
    Kind("semver", PolicySpec(SemVer(">=1.0.0-0 <25.0.0")), version, 25, 5),
    Kind("numerical, {branch}-{sha}-{ts}", PolicySpec(Numerical(), _BY_TIME), branch_sha_time, 90, 5),
    Kind("alphabetical, {branch}-{sha}-{ts}", PolicySpec(Alphabetical(), _BY_TIME), branch_sha_time, 90, 5),
    Kind("numerical", PolicySpec(Numerical()), build_number),
    Kind("alphabetical", PolicySpec(Alphabetical()), timestamp),
)


def known_tags(kind: Kind, count: int) -> Sequence[str]:
    """So many different tags, the same in every run, in no order."""
    draw = random.Random(f"{kind.name} {count}")  # noqa: S311 (tags, not secrets)
    tags: dict[str, None] = {}
    while len(tags) < count:
        tags[kind.tag(draw)] = None
    return [*tags]


def measure(kind: Kind, count: int) -> Figures:
    """Evaluate cold, then warm with one more tag, then decide pushes of tags one by one."""
    *tags, last = known_tags(kind, count + 1)
    cold, warm = [], []
    for _ in range(_RUNS[count]):
        policy = compile_policy(kind.spec)
        cold.append(_took(partial(policy.select, tags)))
        warm.append(_took(partial(policy.select, [*tags, last])))
    return Figures(count, statistics.median(cold), statistics.median(warm), _push(kind, tags))


def _push(kind: Kind, tags: Sequence[str]) -> float:
    policy = compile_policy(kind.spec)
    stored_choice = choice_among(policy, tags)
    draw = random.Random(kind.name)  # noqa: S311 (tags, not secrets)
    pushed = [kind.tag(draw) for _ in range(_PUSHES)]

    def decide() -> StoredChoice | None:
        found: StoredChoice | None = stored_choice
        for tag in pushed:
            found = None if found is None else advance(policy, found, tag)
        return found

    return statistics.median(_took(decide) for _ in range(9)) / _PUSHES


def _took(work: Callable[[], object]) -> float:
    gc.collect()
    began = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - began) / 1e6


def report(kind: Kind) -> list[tuple[str, bool]]:
    """Print one kind's table; return its bars with whether they hold."""
    print(f"\n{kind.name}")
    print(f"{'known tags':>12} {'full, cold':>12} {'growth':>8} {'full, warm':>12} {'growth':>8} {'a push':>10}")
    rows = [measure(kind, count) for count in SIZES]
    for before, row in zip([None, *rows], rows, strict=False):
        cold, warm = (
            ("", "") if before is None else (f"x{row.cold / before.cold:.1f}", f"x{row.warm / before.warm:.1f}")
        )
        print(f"{row.tags:>12,} {row.cold:>9.2f} ms {cold:>8} {row.warm:>9.2f} ms {warm:>8} {row.push * 1e3:>7.1f} µs")
    return _bars(kind, rows)


def _bars(kind: Kind, rows: Sequence[Figures]) -> list[tuple[str, bool]]:
    slowest, fastest = max(row.push for row in rows), min(row.push for row in rows)
    at_ten_thousand = next(row for row in rows if row.tags == 10_000)
    bars = [
        (f"{kind.name}: a push takes under 1 ms ({slowest * 1e3:.1f} µs)", slowest < 1),
        (f"{kind.name}: a push is flat within 3x (x{slowest / fastest:.1f})", slowest < 3 * fastest),
    ]
    for name, took, bar in (
        ("cold", at_ten_thousand.cold, kind.cold_bar_ms),
        ("warm", at_ten_thousand.warm, kind.warm_bar_ms),
    ):
        if bar is not None:
            bars.append((f"{kind.name}: 10,000 tags {name} under {bar:g} ms ({took:.1f} ms)", took < bar))
    return bars


def main() -> int:
    """Print all, and whether each bar holds."""
    bars = [bar for kind in KINDS for bar in report(kind)]
    print()
    for text, holds in bars:
        print(f"{'holds ' if holds else 'BROKEN'}  {text}")
    return 0 if all(holds for _, holds in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
