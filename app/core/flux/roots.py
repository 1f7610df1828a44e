"""The roots of a config repository: where each cluster enters it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from posixpath import dirname

from app.core.flux.kustomize_objects import read_kustomization
from app.core.flux.origins import Origins
from app.core.flux.paths import folder_of, folders_above, is_below
from app.core.flux.reach import Reached
from app.core.kustomize.building import Builder
from app.core.kustomize.objects import KubeObject

_SUBSTITUTION = "${"


@dataclass(frozen=True, slots=True)
class Entry:
    """A Kustomization that builds a folder of the repository, as it is found without knowing any cluster."""

    one: KubeObject
    folder: str

    @property
    def stands_in_itself(self) -> bool:
        """Whether it is written below its own folder, as `flux bootstrap` leaves it."""
        return is_below(self.one.file, self.folder)


@dataclass(frozen=True, slots=True)
class Entries:
    """Where clusters may enter: Kustomizations whose folders bring themselves in, and those in files by themselves."""

    of_itself: Mapping[str, Sequence[Entry]]
    alone: Sequence[Entry]
    origins: Origins

    def making(self, root: str) -> list[KubeObject]:
        """The Kustomizations that make a folder a root."""
        found = [entry.one for entry in self.of_itself.get(root, ())]
        return found or [entry.one for entry in self.alone if entry.folder == root]


def find_entries(
    builder: Builder,
    written: Iterable[KubeObject],
    paths: Iterable[str],
    origins: Origins,
) -> Entries:
    """Look at every Kustomization that is `written` in a file, and at what the folders that they name bring in.

    A repository that syncs itself tells its own URL; a Kustomization whose source has another builds something else.
    """
    folders = _folders(paths)
    named = [
        entry
        for one in written
        if (path := read_kustomization(one.value).path) and _SUBSTITUTION not in path
        if (entry := Entry(one, folder_of(path))).folder in folders
    ]
    builds = {entry.folder: builder.build(entry.folder) for entry in named}
    of_itself = {
        folder: [Entry(one, folder) for one in _kustomizations(build.objects) if _folder(one) == folder]
        for folder, build in builds.items()
    }
    reached = Reached(builds.items())
    alone = [
        entry
        for entry in named
        if read_kustomization(entry.one.value).source_name and not reached.holding(entry.one.file)
        if entry.stands_in_itself or _is_listed(builder, entry.one.file)
    ]
    syncing = [
        (entry.folder, url)
        for entry in (*(one for found in of_itself.values() for one in found), *filter(_stands_in_itself, alone))
        if (url := origins.url_of(entry.one, read_kustomization(entry.one.value)))
    ]
    # Everything stands below `./`, also what builds the root of another repository: a narrower path tells more.
    own = {url for folder, url in syncing if folder} or {url for _, url in syncing}
    origins = origins.with_own(own)
    here = {folder: [one for one in found if _is_here(one, origins)] for folder, found in of_itself.items()}
    alone = [one for one in alone if _is_here(one, origins)]
    return Entries({folder: found for folder, found in here.items() if found}, alone, origins)


def derive_roots(builder: Builder, entries: Entries) -> tuple[str, ...]:
    """The folders that no other one brings in; none where no Kustomization tells any.

    Of folders that bring each other in, one stands for all: what they reach is the same.
    """
    itself = {*entries.of_itself, *(entry.folder for entry in entries.alone if entry.stands_in_itself)}
    # Where clusters sync themselves, a Kustomization that nothing brings in is one that nobody applies any more.
    candidates = itself or {entry.folder for entry in entries.alone}
    bringing = {folder: _brought_by(builder, folder, entries.origins) for folder in candidates}
    roots: set[str] = set()
    for folder in candidates:
        above = [other for other in candidates if other != folder and folder in bringing[other]]
        if all(other in bringing[folder] for other in above):
            alike = [*above, folder]
            roots.add(min((one not in itself, one) for one in alike)[1])
    return tuple(sorted(roots))


def _brought_by(builder: Builder, folder: str, origins: Origins) -> set[str]:
    """The folders that a folder brings in by Kustomizations, also by those of the folders that these build."""
    found: set[str] = set()
    waiting = [folder]
    while waiting:
        for one in _kustomizations(builder.build(waiting.pop()).objects):
            path = origins.folder_of(one, read_kustomization(one.value)) if _folder(one) is not None else None
            if path is not None and path not in found:
                found.add(path)
                waiting.append(path)
    return found


def _kustomizations(objects: Iterable[KubeObject]) -> Iterable[KubeObject]:
    return (one for one in objects if one.kind == "Kustomization" and read_kustomization(one.value).source_name)


def _folder(one: KubeObject) -> str | None:
    path = read_kustomization(one.value).path
    return None if _SUBSTITUTION in path else folder_of(path)


def _stands_in_itself(entry: Entry) -> bool:
    return entry.stands_in_itself


def _is_here(entry: Entry, origins: Origins) -> bool:
    return origins.folder_of(entry.one, read_kustomization(entry.one.value)) is not None


def _is_listed(builder: Builder, file: str) -> bool:
    """Whether the kustomization.yaml beside a file, where there is one, names it."""
    folder = dirname(file)
    return builder.top_of(folder) is None or file in builder.build(folder)


def _folders(files: Iterable[str]) -> set[str]:
    """Every folder that has one of these files below it."""
    found: set[str] = set()
    for path in files:
        for folder in folders_above(path):
            if folder in found:
                break
            found.add(folder)
    return found
