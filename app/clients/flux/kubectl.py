"""Builds folders of a config repository with `kubectl kustomize`: offline, without plugins, within limits."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.clients.deadline import seconds_left
from app.clients.flux.kustomizations import is_plain_path, on_one_line, why_not_built
from app.core.errors import Refused, Unavailable
from app.core.kustomize.rendered import KUSTOMIZE_FILES, resources_among
from app.core.ports import BuildCheck, ConfigRepository, RenderedManifests, TreeEntry

_REGULAR_FILES = frozenset({"100644", "100755"})
_BLOBS_AT_ONCE = 500
_LONGEST_WORDS = 2000
_MOST_READ = 64 * 1024
_MOST_MEMORY = 2 << 30
_MOST_WRITTEN = 64 << 20
# The first line that a Go program leaves when it breaks down; the lines after it differ each time.
_CRASH = re.compile(rb"^(?:fatal error|panic): [^\n]*", re.MULTILINE)
# A closed port: what a kustomization fetches from elsewhere fails at once instead of being fetched.
_NOWHERE = "http://127.0.0.1:1"


class KubectlMissing(Refused):
    """There is no kubectl to build with."""

    def __init__(self) -> None:
        super().__init__("kubectl is not on the PATH: install it, or take `validate: kustomize` out of the settings")


class CannotLayOut(Unavailable):
    """The files of a commit could not be written to a temporary folder."""

    def __init__(self, commit: str, problem: str) -> None:
        super().__init__(f"the files of {commit[:12]} could not be laid out for kustomize: {problem}")


class BuildDidNotEnd(Unavailable):
    """A build was stopped: another time it may end."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"kubectl kustomize did not end within {timeout_s:.3g} s")


class Kubectl:
    """The kubectl program; each build may take `timeout_s` and `memory` bytes, and write `most_written` bytes."""

    def __init__(
        self, program: Path, *, timeout_s: float, memory: int = _MOST_MEMORY, most_written: int = _MOST_WRITTEN
    ) -> None:
        self._program, self._timeout_s, self._memory, self._written = program, timeout_s, memory, most_written

    @classmethod
    def on_path(cls, *, timeout_s: float) -> "Kubectl":
        """The kubectl that is found on the PATH. Raises KubectlMissing."""
        found = shutil.which("kubectl")
        if found is None:
            raise KubectlMissing
        return cls(Path(found).absolute(), timeout_s=timeout_s)

    def build(self, root: Path, path: str) -> str | None:
        """Build a folder below `root`; None where it builds, else why not, in kustomize's words.

        Raises BuildDidNotEnd, KubectlMissing.
        """
        return self._run(root, path, subprocess.DEVNULL)

    def render(self, root: Path, path: str) -> RenderedManifests:
        """What a folder below `root` is built to.

        Its kustomizations may take files from anywhere, as Flux lets them: see to it before that they name none outside
        of `root`. Raises BuildDidNotEnd, KubectlMissing.
        """
        with tempfile.TemporaryFile() as output:
            problem = self._run(root, path, output.fileno(), "--load-restrictor=LoadRestrictionsNone")
            output.seek(0)
            return RenderedManifests(problem=problem) if problem else RenderedManifests(output.read())

    def _run(self, root: Path, path: str, output: int, *options: str) -> str | None:
        timeout_s = seconds_left(self._timeout_s)
        with tempfile.TemporaryFile() as said:
            process = self._start([*options, str(root / path)], output, said.fileno(), inside=root)
            try:
                self._bound(process.pid)
                code = process.wait(timeout_s)
            except subprocess.TimeoutExpired as error:
                raise BuildDidNotEnd(timeout_s) from error
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            said.seek(0)
            told = said.read(_MOST_READ)
        crash = _CRASH.search(told) if code else None
        words = _readable(crash[0] if crash else told, root)
        if crash:
            return f"kubectl kustomize broke down with {self._memory >> 20} MiB of memory: {words}"
        return None if code == 0 else words or f"kubectl kustomize ended with code {code} and gave no reason"

    def _bound(self, process: int) -> None:
        """Bound what a build takes of memory and writes: a few lines of YAML can stand for more than there is."""
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        memory = self._memory if most == resource.RLIM_INFINITY else min(self._memory, most)
        with contextlib.suppress(ProcessLookupError):
            # Of the address space a Go program reserves far more than it takes.
            resource.prlimit(process, resource.RLIMIT_DATA, (memory, memory))
            resource.prlimit(process, resource.RLIMIT_FSIZE, (self._written, self._written))

    def _start(self, words: Sequence[str], output: int, said: int, *, inside: Path) -> subprocess.Popen[bytes]:
        # Without a PATH kustomize finds no git to clone remote bases with, and no plugin or helm to run. A home that a
        # repository fills could have `.kube/kuberc`, which gives every command options: such as a helm to run.
        environment = {"PATH": "", "HOME": os.devnull, "KUBECONFIG": os.devnull, "KUBERC": "off", "LC_ALL": "C"}
        environment |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _NOWHERE)
        try:
            return subprocess.Popen(
                [self._program, "kustomize", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=said,
                cwd=inside,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise KubectlMissing from error


class KustomizeBuilds:
    """Builds folders of one config repository's commits: the ManifestBuilder of `validate: kustomize`."""

    def __init__(self, repository: ConfigRepository, kubectl: Kubectl) -> None:
        self._repository, self._kubectl = repository, kubectl

    def check_builds(self, before: str, after: str, paths: Sequence[str]) -> tuple[BuildCheck, ...]:
        """Build each folder at two commits; see `ManifestBuilder`. Raises UnknownCommit, CannotLayOut, KubectlMissing.

        Only the folder itself is laid out where that is enough, else the whole commit.
        """
        trees = [(commit, _files(self._repository.tree(commit))) for commit in (before, after)]
        with tempfile.TemporaryDirectory(prefix="fluxbridge-") as folder:
            laid_out = _LaidOut(self._repository, Path(folder))
            found = [[self._outcome(laid_out, commit, files, path) for path in paths] for commit, files in trees]
        return tuple(
            BuildCheck(path, before, after, has_ended=was_in_time and is_in_time)
            for path, (before, was_in_time), (after, is_in_time) in zip(paths, *found, strict=True)
        )

    def _outcome(
        self, laid_out: "_LaidOut", commit: str, files: Mapping[str, str], path: str
    ) -> tuple[str | None, bool]:
        """How a build ended, and whether it did so in time."""
        try:
            return self._build(laid_out, commit, files, path), True
        except BuildDidNotEnd as error:
            return str(error), False

    def _build(self, laid_out: "_LaidOut", commit: str, files: Mapping[str, str], path: str) -> str | None:
        below = {file: blob for file, blob in files.items() if _is_below(file, path)}
        if not below:
            return "there are no files in this folder"
        laid_out.bring(commit, below, around=files)
        problem = self._build_here(laid_out, path, below)
        if problem is None or laid_out.has(files):
            return problem
        laid_out.bring(commit, files, around=files)
        return self._build_here(laid_out, path, below)

    def _build_here(self, laid_out: "_LaidOut", path: str, below: Iterable[str]) -> str | None:
        root = laid_out.root
        with _kustomization_in(root / path, [file[len(path) :].lstrip("/") for file in below]) as generated:
            files = [*laid_out.files(), *(str(file.relative_to(root)) for file in generated)]
            refusal = why_not_built(path, files, lambda file: (root / file).read_bytes())
            return refusal or self._kubectl.build(root, path)


class _LaidOut:
    """A temporary folder with files of a commit; what is there already is not written again."""

    def __init__(self, repository: ConfigRepository, root: Path) -> None:
        self.root, self._repository = root, repository
        self._there: dict[str, str] = {}

    def files(self) -> Iterable[str]:
        """The paths of what is there."""
        return self._there

    def has(self, files: Mapping[str, str]) -> bool:
        """Tell whether exactly these files are there."""
        return self._there == files

    def bring(self, commit: str, files: Mapping[str, str], *, around: Mapping[str, str]) -> None:
        """Have these files there, and of others none that is not in `around`. Raises CannotLayOut."""
        try:
            for path in [path for path, blob in self._there.items() if around.get(path) != blob]:
                self._remove(path)
            missing = [path for path in files if path not in self._there]
            for first in range(0, len(missing), _BLOBS_AT_ONCE):
                self._write({path: files[path] for path in missing[first : first + _BLOBS_AT_ONCE]})
        except OSError as error:
            raise CannotLayOut(commit, error.strerror or "unknown problem") from error

    def _remove(self, path: str) -> None:
        """Remove a file and the folders that it leaves empty: a file of their name may come."""
        target = self.root / path
        target.unlink()
        del self._there[path]
        for folder in list(target.parents)[: path.count("/")]:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _write(self, files: Mapping[str, str]) -> None:
        contents = self._repository.blobs(set(files.values()))
        for path, blob in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(contents[blob])
            self._there[path] = blob


def _files(entries: Mapping[str, TreeEntry]) -> dict[str, str]:
    """The regular files of a tree: links and submodules are in no artifact that Flux builds from either."""
    return {path: entry.blob for path, entry in entries.items() if entry.mode in _REGULAR_FILES and is_plain_path(path)}


def _is_below(file: str, path: str) -> bool:
    return not path or file.startswith(f"{path}/")


@contextmanager
def _kustomization_in(folder: Path, files: Sequence[str]) -> Iterator[list[Path]]:
    """Have a kustomization in the folder: where there is none, the one that Flux would generate. Yields that one."""
    if any(file in KUSTOMIZE_FILES for file in files):
        yield []
        return
    generated = folder / "kustomization.yaml"
    generated.write_text(json.dumps({"resources": resources_among(files)}), encoding="utf-8")
    try:
        yield [generated]
    finally:
        generated.unlink()


def _readable(words: bytes, root: Path) -> str:
    """What kubectl said, fit for a pull request: one line, bounded, without the temporary folder's name."""
    text = words.decode("utf-8", "replace").replace(f"{root}/", "").replace(str(root), ".")
    return on_one_line(text).strip().removeprefix("error: ")[:_LONGEST_WORDS]
