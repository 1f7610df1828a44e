"""A working directory on this disk: its manifests as Flux would walk them, and their replacement."""

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.core.errors import Invalid, Refused
from app.core.manifests.text.links import explain_link, leads_outside


class NotAFolder(Invalid):
    """The folder to work in is not there or is none."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} cannot be used as a folder of manifests: {problem}")


class CannotRead(Invalid):
    """A file is there and cannot be read as one."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} cannot be read: {problem}; put a regular file there, or nothing")


class CannotReplace(Refused):
    """A file could not be written; it is as it was, and so are all but those `replaced` before it."""

    def __init__(self, path: Path, problem: str, replaced: frozenset[str]) -> None:
        others = f"{len(replaced)} before it written" if replaced else "no other file written"
        super().__init__(
            f"{path} was not written: {problem} ({others}); see to its folder's rights and space, then run it again"
        )
        self.replaced = replaced


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
        for path, entry in self.walk(report):
            if entry.is_symlink():
                self._report_link(path, entry, report)
            elif self.is_wanted(path):
                yield from read_entry(path, entry, report)

    def walk(self, report: Callable[[str, str], None]) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
        """All that is no folder, by its path; links too. Raises NotAFolder."""
        if not self.path.is_dir():
            raise NotAFolder(self.path, "it is no folder" if self.path.exists() else "it is not there")
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            below: list[str] = []
            for path, entry in self._entries(folder, report):
                if not entry.is_symlink() and entry.is_dir(follow_symlinks=False):
                    below += [path] if entry.name != ".git" else []
                else:
                    yield path, entry
            waiting += reversed(below)

    def replace(self, contents: Mapping[str, bytes]) -> None:
        """Put new files in the place of wanted ones, each at once and with its mode, once all could be written.

        Raises CannotReplace.
        """
        waiting: dict[str, Path] = {}
        replaced: set[str] = set()
        path = ""
        try:
            for path, content in contents.items():
                waiting[path] = _write_beside(self.path / path, content)
            for path in contents:
                waiting[path].replace(self.path / path)
                del waiting[path]
                replaced.add(path)
                _settle(self.path / path)
        except OSError as error:
            problem = error.strerror or "unknown problem"
            raise CannotReplace(self.path / path, problem, frozenset(replaced)) from error
        finally:
            for name in waiting.values():
                name.unlink(missing_ok=True)

    def create(self, path: str, content: bytes) -> None:
        """Put a file where nothing is. Raises CannotReplace, also where something is by now."""
        target = self.path / path
        try:
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb") as file:
                _write_all(target, file, content)
        except OSError as error:
            raise CannotReplace(target, error.strerror or "unknown problem", frozenset()) from error

    def read(self, path: str) -> bytes | None:
        """A file below the folder, reached through no link; None where there is none."""
        folders = path.split("/")[:-1]
        is_below = all(name not in ("", ".", "..") for name in path.split("/"))
        above = [self.path.joinpath(*folders[: depth + 1]) for depth in range(len(folders))]
        if not is_below or any(folder.is_symlink() for folder in above):
            return None
        try:
            return read_file(self.path / path)
        except CannotRead:
            return None

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
    """A regular file's content, links not followed; None where nothing is. Raises CannotRead."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        problem = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror or "unknown problem"
        raise CannotRead(path, problem) from error
    raise CannotRead(path, "it is no regular file")


def read_entry(path: str, entry: "os.DirEntry[str]", report: Callable[[str, str], None]) -> Iterator[tuple[str, bytes]]:
    """Path and content of a regular file; nothing, but a report, where it is none or cannot be read."""
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


def _write_all(target: Path, file: BinaryIO, content: bytes) -> None:
    """Write a new file to the end, or have none there."""
    try:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    _settle(target)


def _write_beside(target: Path, content: bytes) -> Path:
    """A new file beside another, with its mode and as far as may be its owner."""
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
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _settle(target: Path) -> None:
    """Have the disk remember which file a name stands for."""
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
