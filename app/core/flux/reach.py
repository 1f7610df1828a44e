"""Which files a folder of the config repository brings into a cluster."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from posixpath import dirname, join, normpath

from app.core.flux.written import KustomizeFile

KUSTOMIZE_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def folder_of(path: str) -> str:
    """A folder as Flux writes it (`./clusters/prod/`), relative to the repository; empty for the repository itself.

    >>> folder_of("./clusters/prod/"), folder_of("./"), folder_of("")
    ('clusters/prod', '', '')
    """
    return normpath(f"/{path}").strip("/")


def is_below(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or lies below it."""
    return not folder or path == folder or path.startswith(f"{folder}/")


@dataclass(frozen=True, slots=True)
class Area:
    """What is reached: everything below some folders, and single files."""

    folders: frozenset[str]
    files: frozenset[str]

    def __contains__(self, path: str) -> bool:
        return path in self.files or any(folder in self.folders for folder in folders_above(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Follows kustomization.yaml files and Flux's Kustomizations through a tree.

    `entries` are the folders that the Kustomizations written in a file build; `kustomize` the kustomization.yaml files.
    """

    entries: Mapping[str, tuple[str, ...]]
    kustomize: Mapping[str, KustomizeFile]
    _paths: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_paths", sorted({*self.entries, *self.kustomize}))

    def of_build(self, folder: str) -> Area:
        """What one Kustomization of Flux applies itself: files below its folder, and what kustomization.yaml names."""
        return self._follow(folders=(folder,), files=(), is_deep=False)

    def of_root(self, folder: str) -> Area:
        """What a root brings in, also through the Kustomizations that it reaches."""
        return self._follow(folders=(folder,), files=(), is_deep=True)

    def of_kustomize_file(self, path: str) -> Area:
        """What one kustomization.yaml names, directly or through others."""
        return self._follow(folders=(), files=(path,), is_deep=False)

    def _follow(self, *, folders: Iterable[str], files: Iterable[str], is_deep: bool) -> Area:
        waiting_folders, waiting_files = set(folders), set(files)
        seen_folders: set[str] = set()
        seen_files: set[str] = set()
        while waiting_folders or waiting_files:
            seen_folders |= waiting_folders
            seen_files |= waiting_files
            met = {path for folder in waiting_folders for path in self._below(folder)} | waiting_files
            named = {target for path in met for target in self._named(path)}
            entered = {folder for path in met for folder in self.entries.get(path, ())} if is_deep else set()
            waiting_folders, waiting_files = entered - seen_folders, named - seen_files
        return Area(frozenset(seen_folders), frozenset(seen_files))

    def _below(self, folder: str) -> Iterator[str]:
        prefix = f"{folder}/" if folder else ""
        for index in range(bisect_left(self._paths, prefix), len(self._paths)):
            if not self._paths[index].startswith(prefix):
                return
            yield self._paths[index]

    def _named(self, path: str) -> Iterator[str]:
        """The files that a kustomization.yaml names; of a folder its own kustomization.yaml."""
        written = self.kustomize.get(path)
        for name in written.names if written else ():
            target = normpath(join(dirname(path), name))
            inside = [found for last in KUSTOMIZE_FILES if (found := normpath(join(target, last))) in self.kustomize]
            yield from inside or [target]


def folders_above(path: str) -> Iterator[str]:
    """The folder of a file, the folder of that, and so on to the repository itself (empty)."""
    folder = path
    while folder:
        folder = dirname(folder)
        yield folder
