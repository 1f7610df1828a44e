"""Which files a folder of the config repository brings into a cluster."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from posixpath import basename, dirname, join, normpath
from typing import Self

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


@dataclass(frozen=True, slots=True)
class Holders:
    """Areas turned round: the names of those that hold a file, without a look at each. Folders met are remembered."""

    _of_folder: Mapping[str, frozenset[str]]
    _of_file: Mapping[str, frozenset[str]]
    _met: dict[str, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, areas: Mapping[str, Area]) -> Self:
        """Index areas by name."""
        of_folder: dict[str, set[str]] = defaultdict(set)
        of_file: dict[str, set[str]] = defaultdict(set)
        for name, area in areas.items():
            for folder in area.folders:
                of_folder[folder].add(name)
            for file in area.files:
                of_file[file].add(name)
        return cls(_frozen(of_folder), _frozen(of_file))

    def holding(self, file: str) -> frozenset[str]:
        """The names of the areas that a file is in."""
        folder = file[: max(file.rfind("/"), 0)]
        names = self._met.get(folder)
        if names is None:
            nothing: frozenset[str] = frozenset()
            names = nothing.union(*(self._of_folder.get(above, nothing) for above in folders_above(f"{folder}/")))
            self._met[folder] = names
        return names | self._of_file[file] if file in self._of_file else names


def _frozen(sets: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {key: frozenset(values) for key, values in sets.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Follows kustomization.yaml files and Flux's Kustomizations through a tree.

    `entries` are the folders that the Kustomizations written in a file build; `kustomize` the kustomization.yaml files.
    """

    entries: Mapping[str, tuple[str, ...]]
    kustomize: Mapping[str, KustomizeFile]
    _paths: list[str] = field(init=False)
    _inside: Mapping[str, tuple[str, ...]] = field(init=False)
    _leaving: Mapping[str, frozenset[str]] = field(init=False)

    def __post_init__(self) -> None:
        inside: dict[str, tuple[str, ...]] = {}
        for path in self.kustomize:
            if basename(path) in KUSTOMIZE_FILES:
                inside[dirname(path)] = (*inside.get(dirname(path), ()), path)
        object.__setattr__(self, "_paths", sorted({*self.entries, *self.kustomize}))
        object.__setattr__(self, "_inside", inside)
        leaving = {path: [*filter(_may_leave, written.names)] for path, written in self.kustomize.items()}
        named = {path: frozenset(self._targets(path, names)) for path, names in leaving.items() if names}
        object.__setattr__(self, "_leaving", named)

    def of_build(self, folder: str) -> Area:
        """What one Kustomization of Flux applies itself: files below its folder, and what kustomization.yaml names."""
        return self._follow(folders=(folder,), files=(), is_deep=False)

    def of_root(self, folder: str) -> Area:
        """What a root brings in, also through the Kustomizations that it reaches."""
        return self._follow(folders=(folder,), files=(), is_deep=True)

    def of_kustomize_file(self, path: str) -> Area:
        """What one kustomization.yaml names, directly or through others."""
        return self._follow(folders=(), files=(path,), is_deep=False)

    def top_of(self, folder: str) -> str:
        """The kustomization.yaml of a folder itself; empty where it has none."""
        return next(iter(self._inside.get(folder, ())), "")

    def named_by(self) -> Mapping[str, Sequence[str]]:
        """The kustomization.yaml files that name each file themselves."""
        found: dict[str, list[str]] = defaultdict(list)
        for path in sorted(self.kustomize):
            for target in dict.fromkeys(self._targets(path, self.kustomize[path].names)):
                found[target].append(path)
        return found

    def _follow(self, *, folders: Iterable[str], files: Iterable[str], is_deep: bool) -> Area:
        waiting_folders, waiting_files = set(folders), set(files)
        seen_folders: set[str] = set()
        seen_files: set[str] = set()
        while waiting_folders or waiting_files:
            seen_folders |= waiting_folders
            seen_files |= waiting_files
            met = {path for folder in waiting_folders for path in self._below(folder)}
            # What such a file names below its own folder is reached with that folder.
            named = {target for path in met & self._leaving.keys() for target in self._leaving[path]}
            listing = waiting_files & self.kustomize.keys()
            named |= {target for path in listing for target in self._targets(path, self.kustomize[path].names)}
            waiting = met | waiting_files if is_deep else set()
            entered = {folder for path in waiting & self.entries.keys() for folder in self.entries[path]}
            waiting_folders, waiting_files = entered - seen_folders, named - seen_files
        return Area(frozenset(seen_folders), frozenset(seen_files))

    def _below(self, folder: str) -> Sequence[str]:
        """The files that bring others in, of a folder with all below it."""
        if not folder:
            return self._paths
        # "0" is the character after "/".
        return self._paths[bisect_left(self._paths, f"{folder}/") : bisect_left(self._paths, f"{folder}0")]

    def _targets(self, path: str, names: Iterable[str]) -> Iterator[str]:
        """The files that names in a kustomization.yaml stand for; a folder stands for its own kustomization.yaml."""
        for name in names:
            target = normpath(join(dirname(path), name))
            yield from self._inside.get("" if target == "." else target, (target,))


def _may_leave(name: str) -> bool:
    """Whether a path may lead out of the folder that it starts from."""
    return ".." in name or name.startswith("/")


def folders_above(path: str) -> Iterator[str]:
    """The folder of a file, the folder of that, and so on to the repository itself (empty)."""
    folder = path
    while folder:
        folder = folder[: max(folder.rfind("/"), 0)]
        yield folder
