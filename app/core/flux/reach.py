"""Which files a folder of the config repository brings into a cluster."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from posixpath import dirname, join, normpath

from app.core.flux.paths import folders_above
from app.core.flux.written import KustomizeFile
from app.core.kustomize.building import rank
from app.core.kustomize.making import MANIFESTS, Build


class Below:
    """Who holds folders with all below them, by the files there; folders that were met are remembered."""

    def __init__(self, folders: Mapping[str, Iterable[str]]) -> None:
        of_folder: dict[str, set[str]] = defaultdict(set)
        for name, held in folders.items():
            for folder in held:
                of_folder[folder].add(name)
        self._of_folder = _frozen(of_folder)
        self._met: dict[str, frozenset[str]] = {}

    def holding(self, file: str) -> frozenset[str]:
        """The names of those that hold a folder above a file."""
        folder = dirname(file)
        if folder not in self._met:
            above = (self._of_folder.get(one, frozenset[str]()) for one in folders_above(f"{folder}/"))
            self._met[folder] = frozenset[str]().union(*above)
        return self._met[folder]


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
