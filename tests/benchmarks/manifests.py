"""How long a config repository takes, from its fetched head to commits: `uv run python -m tests.benchmarks.manifests`.

Repositories are generated (`tests.benchmarks.monorepo`) and measured by a process of their own each, with a real git.
Figures are medians of several runs in time on the clock, for git's processes count too. Before each run a person
changes one file on main, and every run writes contents that the repository never had. The exit code is 1 where a bar
does not hold; `--json` prints the figures and bars for programs.
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from app.clients.git.command import GitCommand
from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote
from app.core.flux.tree import Field, assemble
from app.core.manifests.kinds.markers import set_fields
from app.core.ports import BranchUpdate, CommitDraft, PushOutcome
from app.services.heads.scans import Scans
from app.services.heads.view import HeadView, view_at
from tests.benchmarks import monorepo
from tests.benchmarks.monorepo import Shape
from tests.servers.bare_repository import BareRepository

MONOREPO = Shape(10_000, 1_000)
SMALL, LARGE = Shape(1_000, 100), Shape(50_000, 100)
_RUNS = {1: 9, 100: 5, 1_000: 3}
_BARS_MS = {1: 100, 100: 500, 1_000: 3_000}
_FIRST_INDEX_BAR_MS = 5_000
_PEAK_BAR_MB = 300
_MOST_GROWTH = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """One run from the fetched head on, in milliseconds."""

    view: float
    edit: float
    write: float
    push: float = 0

    @property
    def to_commit(self) -> float:
        """All before the push."""
        return self.view + self.edit + self.write


@dataclass(frozen=True, slots=True)
class Figures:
    """What one repository took, in milliseconds but for CPU; by number of changed policies where there are several."""

    files: int
    policies: int
    first_index: float
    first_index_cpu_s: float
    assemble: float
    scan_of_changed: Mapping[str, float]
    one_commit: Mapping[str, Run]
    many_commits: Mapping[str, Run]
    peak_mb: float


class World:
    """A config repository and our mirror of it."""

    def __init__(self, repository: BareRepository, folder: Path, shape: Shape) -> None:
        self.repository, self.folder, self.shape = repository, folder, shape
        self.mirror = Mirror(
            Remote(url=str(repository.path)),
            GitCommand(folder / "mirror.git", 120),
            base_branches=["main"],
            prefix="fluxbridge",
            identity=("Fluxbridge", "fluxbridge@localhost"),
        )
        self.scans = Scans()
        self.head = self.mirror.fetch()["main"]
        self.round = 0

    def move_head(self, count: int = 1) -> None:
        """A person changes so many marked files, which is fetched."""
        self.round += 1
        files = {
            monorepo.marked_file(number): monorepo.deployment(number, f"1.{self.round}.0") for number in range(count)
        }
        monorepo.commit(self.repository, files)
        self.head = self.mirror.fetch()["main"]

    def view(self) -> HeadView:
        """The lane at its head."""
        return view_at(self.mirror, self.scans, self.head)

    def drafts(self, view: HeadView, count: int, *, is_one: bool) -> list[CommitDraft]:
        """The first so many fields set to a new tag: in one commit, or in a commit for each."""
        chosen = [one for one, _ in view.staged[:count]]
        blobs = {one.file: view.entries[one.file].blob for one in chosen}
        contents = self.mirror.blobs(set(blobs.values()))
        edited = {one.file: self._edited(one, contents[blobs[one.file]]) for one in chosen}
        files = [edited] if is_one else [{path: content} for path, content in edited.items()]
        at = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
        return [CommitDraft(parent=view.commit, files=each, message="Set tags", at=at) for each in files]

    def _edited(self, one: Field, content: bytes) -> bytes:
        image = one.marked.text.rpartition(":")[0]
        return set_fields(content, {one.marked.start: f"{image}:2.0.{self.round}"})

    def push(self, commits: Sequence[str]) -> None:
        """Give each commit a branch of its own, all in one push."""
        names = [f"fluxbridge/main/all/app-{number:04}-{self.round}" for number in range(len(commits))]
        results = self.mirror.push([BranchUpdate(*pair, None) for pair in zip(names, commits, strict=True)])
        if {result.outcome for result in results.values()} != {PushOutcome.DONE}:
            raise AssertionError(results)


def measure(folder: Path, shape: Shape) -> Figures:
    """All figures of the repository `fleet.git` in this folder."""
    world = World(BareRepository(folder / "fleet.git"), folder, shape)
    cpu = _cpu_s()
    first, view = _took(world.view)
    cpu = _cpu_s() - cpu
    if len(view.staged) != shape.policies:
        raise AssertionError(view.reports)
    counts = [count for count in _RUNS if count <= shape.policies]
    one = {str(count): _median([_run(world, count, is_one=True) for _ in range(_RUNS[count])]) for count in counts}
    many = {str(count): _median([_run(world, count, is_one=False) for _ in range(3)]) for count in counts}
    peak = _peak_mb()
    scanned = world.scans.of(world.mirror, world.mirror.tree(world.head))
    return Figures(
        files=shape.files,
        policies=shape.policies,
        first_index=first,
        first_index_cpu_s=cpu,
        assemble=statistics.median(_took(partial(assemble, scanned))[0] for _ in range(5)),
        scan_of_changed={str(count): _scan_of(world, count) for count in counts},
        one_commit=one,
        many_commits=many,
        peak_mb=peak,
    )


def _run(world: World, count: int, *, is_one: bool) -> Run:
    world.move_head()
    viewing, view = _took(world.view)
    editing, drafts = _took(partial(world.drafts, view, count, is_one=is_one))
    writing, commits = _took(partial(world.mirror.write_commits, drafts))
    pushing = 0.0 if is_one else _took(partial(world.push, commits))[0]
    return Run(viewing, editing, writing, pushing)


def _scan_of(world: World, count: int) -> float:
    world.move_head(count)
    return _took(world.view)[0]


def _median(runs: Sequence[Run]) -> Run:
    return sorted(runs, key=lambda run: run.to_commit)[len(runs) // 2]


def _took(work: Callable[[], T]) -> tuple[float, T]:
    gc.collect()
    began = time.perf_counter_ns()
    done = work()
    return (time.perf_counter_ns() - began) / 1e6, done


def _cpu_s() -> float:
    """Seconds of the processor so far, git's among them."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _peak_mb() -> float:
    """The most memory that this process has held, without git's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def measured_apart(shape: Shape) -> Figures:
    """Generate a repository and measure it in a fresh process, whose memory is its own."""
    with tempfile.TemporaryDirectory() as folder:
        monorepo.create(Path(folder) / "fleet.git", shape)
        command = [sys.executable, "-m", "tests.benchmarks.manifests", "--measure", folder]
        done = subprocess.run([*command, str(shape.files), str(shape.policies)], check=True, capture_output=True)
    found = json.loads(done.stdout)
    for runs in (found["one_commit"], found["many_commits"]):
        runs |= {count: Run(**run) for count, run in runs.items()}
    return Figures(**found)


def report(figures: Figures) -> None:
    """Print one repository's figures."""
    print(f"\n{figures.files:,} manifests, {figures.policies:,} with markers, {figures.policies:,} policies")
    print(f"  first index, so after each start {figures.first_index:,.0f} ms, {figures.first_index_cpu_s:.1f} s of CPU")
    print(f"  putting the scans together {figures.assemble:.0f} ms, peak memory {figures.peak_mb:.0f} MB")
    print(f"  {'changed policies':>18} {'view':>10} {'edit':>10} {'write':>10} {'to commit':>12} {'push':>10}")
    for title, runs in (("one commit", figures.one_commit), ("a commit each", figures.many_commits)):
        for count, run in runs.items():
            told = "".join(f"{value:>8,.0f} ms" for value in (run.view, run.edit, run.write))
            pushed = f"{run.push:>8,.0f} ms" if run.push else ""
            print(f"  {int(count):>6,} {title:>13} {told} {run.to_commit:>8,.0f} ms {pushed}")
    for count, took in figures.scan_of_changed.items():
        print(f"  the view of a head with {int(count):,} changed files: {took:,.0f} ms")


def bars(main: Figures, small: Figures, large: Figures) -> list[tuple[str, bool]]:
    """Every promise with its figure, and whether it holds."""
    first = f"the first index of {main.files:,} manifests takes under {_FIRST_INDEX_BAR_MS / 1e3:g} s"
    found = [(f"{first} ({main.first_index / 1e3:.1f} s)", main.first_index < _FIRST_INDEX_BAR_MS)]
    for count, bar in _BARS_MS.items():
        took = main.one_commit[str(count)].to_commit
        found.append((f"{count:,} changed policies are a commit in under {bar:,} ms ({took:,.0f} ms)", took < bar))
    found.append((f"memory peaks under {_PEAK_BAR_MB} MB ({main.peak_mb:.0f} MB)", main.peak_mb < _PEAK_BAR_MB))
    for changed, run in small.one_commit.items():
        few, lots = run.to_commit, large.one_commit[changed].to_commit
        told = f"{few:,.0f} ms and {lots:,.0f} ms, x{lots / few:.1f}"
        grown = f"{large.files:,} manifests take at most x{_MOST_GROWTH} of {small.files:,}"
        found.append((f"{int(changed):,} changed policies: {grown} ({told})", lots < _MOST_GROWTH * few))
    return found


def main() -> int:
    """Print all, and whether each bar holds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", nargs=3, metavar=("FOLDER", "FILES", "POLICIES"))
    asked = parser.parse_args()
    if asked.measure:
        folder, files, policies = asked.measure
        print(json.dumps(asdict(measure(Path(folder), Shape(int(files), int(policies))))))
        return 0
    figures = [measured_apart(shape) for shape in (MONOREPO, SMALL, LARGE)]
    promised = bars(*figures)
    if asked.json:
        told = [{"bar": text, "holds": holds} for text, holds in promised]
        print(json.dumps({"figures": [asdict(one) for one in figures], "bars": told}, indent=2))
    else:
        for one in figures:
            report(one)
        print()
        for text, holds in promised:
            print(f"{'holds ' if holds else 'BROKEN'}  {text}")
    return 0 if all(holds for _, holds in promised) else 1


if __name__ == "__main__":
    sys.exit(main())
