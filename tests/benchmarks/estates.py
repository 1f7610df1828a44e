"""How a config repository is read: `uv run python -m tests.benchmarks.estates DIR [--variables FILE]`.

DIR is a working tree of any repository that Flux applies; it is copied, and nothing is written there. FILE holds
variables that only clusters know, as JSON: {"clusters/prod": {"NAME": "value"}}. Times are of the processor, in this
process and its children. Beside ours stands `kubectl kustomize` over the folders that Kustomizations build; those that
it cannot build (remote bases) are named and left out. The exit code is 1 where a bar does not hold.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from app.clients.git.command import GitCommand
from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote
from app.services.heads.scans import Scans
from app.services.heads.view import HeadView, view_at
from tests.parts import require_program

_MOST_OF_KUBECTL, _NEXT_HEAD_BAR_MS = 3.0, 50.0
_RUNS = 5
_GIT = ("git", "-c", "user.name=nobody", "-c", "user.email=nobody@acme.example")

T = TypeVar("T")


def _took_s(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of the processor, with those of processes that were waited for."""
    before = sum(os.times()[:4])
    done = work()
    return sum(os.times()[:4]) - before, done


def _commit(tree: Path, message: str) -> None:
    for command in (["add", "--all", "--force"], ["commit", "--quiet", "--message", message]):
        subprocess.run([*_GIT, "-C", str(tree), *command], check=True)


def _mirror_of(tree: Path, folder: Path) -> Mirror:
    return Mirror(
        Remote(url=str(tree)),
        GitCommand(folder / "mirror.git", 120),
        base_branches=["main"],
        prefix="fluxbridge",
        identity=("Fluxbridge", "fluxbridge@localhost"),
    )


def _kubectl_s(tree: Path, view: HeadView) -> tuple[float, int, list[str]]:
    """What kubectl takes for the folders that are built, how many these are, and those that it cannot build."""
    program = require_program("kubectl", "https://kubernetes.io/docs/tasks/tools/")
    paths = sorted({one.path for one in view.tree.kustomizations if one.is_here and (tree / one.path).is_dir()})
    total, failed = 0.0, []
    for path in paths:
        command = [program, "kustomize", "--load-restrictor=LoadRestrictionsNone", str(tree / path)]
        seconds, done = _took_s(lambda command=command: subprocess.run(command, capture_output=True, check=False))  # type: ignore[misc]
        if done.returncode:
            failed.append(path)
        else:
            total += seconds
    return total, len(paths), failed


def measure(source: Path, variables: Path | None, folder: Path) -> int:
    """Print the figures of one working tree; 1 where a bar does not hold."""
    tree = folder / "tree"
    shutil.copytree(source, tree, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    if variables is not None:
        given = json.loads(variables.read_text())
        roots = [{"path": root, "variables": values} for root, values in given.items()]
        (tree / ".fluxbridge.yaml").write_text(json.dumps({"roots": roots}))
    subprocess.run([*_GIT, "init", "--quiet", "--initial-branch=main", str(tree)], check=True)
    _commit(tree, "as it is")
    mirror, scans = _mirror_of(tree, folder), Scans()
    first_s, view = _took_s(lambda: view_at(mirror, scans, mirror.fetch()["main"]))
    next_ms = []
    edited = tree / view.tree.fields[0].file
    for _ in range(_RUNS):
        edited.write_bytes(edited.read_bytes() + b"\n# and on\n")
        _commit(tree, "another head")
        head = mirror.fetch()["main"]
        seconds, view = _took_s(lambda head=head: view_at(mirror, scans, head))  # type: ignore[misc]
        next_ms.append(seconds * 1000)
    median_ms = sorted(next_ms)[_RUNS // 2]
    theirs_s, count, failed = _kubectl_s(tree, view)
    usable = sum(one.problem is None for one in view.tree.policies)
    print(
        f"{len(view.entries)} files, {len(view.tree.roots)} roots, {len(view.tree.policies)} policies, {usable} usable"
    )
    print(f"{len(view.tree.fields)} fields, {len(view.tree.reports)} reports")
    print(f"first read {first_s:.2f} s, next head {median_ms:.0f} ms (median of {_RUNS})")
    print(f"kubectl kustomize over {count - len(failed)} folders: {theirs_s:.2f} s; it cannot build {failed}")
    bars = [
        (f"first read within {_MOST_OF_KUBECTL:g} times kubectl's", first_s <= _MOST_OF_KUBECTL * theirs_s),
        (f"next head within {_NEXT_HEAD_BAR_MS:g} ms", median_ms <= _NEXT_HEAD_BAR_MS),
    ]
    for text, holds in bars:
        print(f"{'holds ' if holds else 'BROKEN'}  {text}")
    return 0 if all(holds for _, holds in bars) else 1


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("tree", type=Path)
    options.add_argument("--variables", type=Path)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(measure(chosen.tree, chosen.variables, Path(scratch)))
