"""A working directory on this disk: its manifests as Flux would walk them, and their replacement."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import Invalid, Refused
from app.core.manifests.links import explain_link, leads_outside


class NotAFolder(Invalid):
    """The folder to work in is not there or is none."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} cannot be used as a folder of manifests: {problem}")


class CannotReplace(Refused):
    """A file could not be written; it is as it was."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} was not written: {problem}; see to its folder's rights and space, then run it again")


@dataclass(frozen=True, slots=True)
class WorkingFolder:
    """The files below a folder that are wanted by their path, which is relative to it and has `/` between names.

    Symbolic links are never followed below the folder and `.git` is left out.
    """

    path: Path
    is_wanted: Callable[[str], bool]

    def files(self, report: Callable[[str, str], None]) -> Iterator[tuple[str, bytes]]:
        """Path and content of each wanted file; `report` is told the path of what was passed over, and why.

        Raises NotAFolder.
        """
        if not self.path.is_dir():
            raise NotAFolder(self.path, "it is no folder" if self.path.exists() else "it is not there")
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            below: list[str] = []
            for path, entry in self._entries(folder, report):
                if entry.is_symlink():
                    self._report_link(path, entry, report)
                elif entry.is_dir(follow_symlinks=False):
                    below += [path] if entry.name != ".git" else []
                elif self.is_wanted(path):
                    yield from _read(path, entry, report)
            waiting += reversed(below)

    def replace(self, path: str, content: bytes) -> None:
        """Put a new file in the place of a wanted one at once, with its mode. Raises CannotReplace."""
        target = self.path / path
        try:
            _replace(target, content)
        except OSError as error:
            raise CannotReplace(target, error.strerror or "unknown problem") from error

    def _entries(self, folder: str, report: Callable[[str, str], None]) -> list[tuple[str, "os.DirEntry[str]"]]:
        try:
            with os.scandir(self.path / folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            report(folder or ".", f"the folder cannot be read: {error.strerror}")
            return []
        return [(f"{folder}/{entry.name}" if folder else entry.name, entry) for entry in entries]

    def _report_link(self, path: str, entry: "os.DirEntry[str]", report: Callable[[str, str], None]) -> None:
        target = str(Path(entry.path).readlink())
        if self.is_wanted(path) or (leads_outside(path, target) and Path(entry.path).is_dir()):
            report(path, explain_link(path, target))


def read_file(path: Path) -> bytes | None:
    """A regular file's content, links not followed; None where there is none."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
    except OSError:
        return None


def _read(path: str, entry: "os.DirEntry[str]", report: Callable[[str, str], None]) -> Iterator[tuple[str, bytes]]:
    if not entry.is_file(follow_symlinks=False):
        report(path, "it is no regular file: neither read nor edited")
        return
    try:
        with os.fdopen(os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            content = file.read()
    except OSError as error:
        report(path, f"the file cannot be read: {error.strerror}")
        return
    yield path, content


def _replace(target: Path, content: bytes) -> None:
    before = target.lstat()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                with contextlib.suppress(PermissionError):
                    os.fchown(descriptor, before.st_uid, before.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            os.fsync(descriptor)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
