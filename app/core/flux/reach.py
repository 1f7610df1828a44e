"""Which files a folder of the config repository brings into a cluster."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from posixpath import dirname, join, normpath
from typing import Self

from app.core.flux.written import KustomizeFile
from app.core.kustomize.building import rank
from app.core.kustomize.making import MANIFESTS, Build


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


class Reached:
    """Which builds have a file, without a look at each."""

    def __init__(self, builds: Iterable[tuple[str, Build]]) -> None:
        of_file: dict[str, set[str]] = defaultdict(set)
        of_folder: dict[str, set[str]] = defaultdict(set)
        for name, build in builds:
            for file in build.files:
                of_file[file].add(name)
            for folder in build.folders:
                of_folder[folder].add(name)
        self._of_file, self._of_folder = _frozen(of_file), _frozen(of_folder)

    def __contains__(self, file: object) -> bool:
        return isinstance(file, str) and bool(self.holding(file))

    def holding(self, file: str) -> frozenset[str]:
        """The names of the builds that a file is in."""
        named = self._of_file.get(file, frozenset())
        return named | self._of_folder.get(dirname(file), frozenset()) if file.endswith(MANIFESTS) else named


def named_by(kustomize: Mapping[str, KustomizeFile]) -> Mapping[str, Sequence[str]]:
    """The kustomization.yaml files that name each file themselves; a folder stands for its own kustomization.yaml."""
    inside: dict[str, list[str]] = defaultdict(list)
    for path in sorted(kustomize, key=rank):
        inside[dirname(path)].append(path)
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(kustomize):
        targets = (normpath(join(dirname(path), name)) for name in kustomize[path].names)
        named = (one for target in targets for one in inside.get("" if target == "." else target, [target]))
        for target in dict.fromkeys(named):
            found[target].append(path)
    return found


def folders_above(path: str) -> Iterator[str]:
    """The folder of a file, the folder of that, and so on to the repository itself (empty)."""
    folder = path
    while folder:
        folder = folder[: max(folder.rfind("/"), 0)]
        yield folder
