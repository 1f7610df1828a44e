"""A working directory read as a commit would be: its files by path, their contents by id; nothing is written."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from app.clients.git.working_folder import WorkingFolder, read_entry, read_file
from app.core.flux.paths import is_manifest
from app.core.ports import TreeEntry


@dataclass(frozen=True, slots=True)
class WorkingTree:
    """What lies in a folder. Manifests were read and have git's ids, other files are read when they are asked for.

    `unread` are paths that are left out, each with the reason.
    """

    entries: Mapping[str, TreeEntry]
    unread: tuple[tuple[str, str], ...]
    _contents: Mapping[str, bytes]
    _files: Mapping[str, Path]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a folder as it is now; links are not followed. Raises NotAFolder."""
        entries: dict[str, TreeEntry] = {}
        contents: dict[str, bytes] = {}
        files: dict[str, Path] = {}
        unread: list[tuple[str, str]] = []

        def report(path: str, why: str) -> None:
            unread.append((path, why))

        for path, entry in WorkingFolder(folder, is_manifest).walk(report):
            if entry.is_symlink():
                target = bytes(Path(entry.path).readlink())
                entries[path] = TreeEntry("120000", blob := _id(target))
                contents[blob] = target
            elif is_manifest(path):
                for _, content in read_entry(path, entry, report):
                    entries[path] = TreeEntry("100644", blob := _id(content))
                    contents[blob] = content
            elif entry.is_file(follow_symlinks=False):
                entries[path] = TreeEntry("100644", blob := f"./{path}")
                files[blob] = Path(entry.path)
        return cls(entries, tuple(unread), contents, files)

    def blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        """Contents by id. Raises CannotRead."""
        return {
            one: self._contents[one] if one in self._contents else read_file(self._files[one]) or b"" for one in ids
        }


def _id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
