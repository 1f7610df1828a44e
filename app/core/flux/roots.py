"""The roots of a config repository: where each cluster enters it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.core.flux.reach import Holders, Reach, folder_of, folders_above, is_below
from app.core.flux.written import ScannedFile, WrittenKustomization, WrittenSource

_SUBSTITUTION = "${"


@dataclass(frozen=True, slots=True)
class Entry:
    """A Kustomization of Flux, the file that it stands in, and the folder that it builds (None: not of this repo)."""

    file: str
    written: WrittenKustomization
    folder: str | None


def find_entries(files: Mapping[str, ScannedFile]) -> tuple[Entry, ...]:
    """Every Kustomization of Flux, with the folder that it builds where that lies in this repository.

    A repository that syncs itself (a Kustomization that stands below its own path, as `flux bootstrap` makes it)
    tells its own URL; a Kustomization whose source has another URL then builds something else.
    """
    found = [Entry(path, one, _folder(one)) for path in sorted(files) for one in files[path].kustomizations]
    sources = [source for path in sorted(files) for source in files[path].sources]
    urls = [_url_of(entry.written, sources) for entry in found]
    syncing = [(entry, url) for entry, url in zip(found, urls, strict=True) if url and _stands_below_itself(entry)]
    # Everything stands below `./`, also what builds the root of another repository: a narrower path tells more.
    own = {url for entry, url in syncing if entry.folder} or {url for _, url in syncing}
    return tuple(
        entry if not own or url is None or url in own else replace(entry, folder=None)
        for entry, url in zip(found, urls, strict=True)
    )


def derive_roots(entries: Sequence[Entry], reach: Reach, files: Sequence[str]) -> tuple[str, ...]:
    """The folders of the Kustomizations that no other one brings in; the repository itself where there are none.

    Of Kustomizations that bring each other in, one stands for all: what they reach is the same.
    """
    folders = _folders(files)
    own = [(entry, entry.folder) for entry in entries if entry.folder is not None and entry.folder in folders]
    areas = {folder: reach.of_root(folder) for _, folder in own}
    holders = Holders.of(areas)
    places: dict[str, list[tuple[Entry, str]]] = defaultdict(list)
    for entry, folder in own:
        places[folder].append((entry, folder))
    roots: set[str] = set()
    for entry, folder in own:
        bringing = [one for place in holders.holding(entry.file) for one in places[place]]
        if all(other.file in areas[folder] for other, _ in bringing):
            alike = [*bringing, (entry, folder)]
            roots.add(min((not _stands_below_itself(one), place) for one, place in alike)[1])
    return tuple(sorted(roots)) or ("",)


def _folders(files: Iterable[str]) -> set[str]:
    """Every folder that has one of these files below it."""
    found: set[str] = set()
    for path in files:
        for folder in folders_above(path):
            if folder in found:
                break
            found.add(folder)
    return found


def _folder(written: WrittenKustomization) -> str | None:
    return None if _SUBSTITUTION in written.path else folder_of(written.path)


def _stands_below_itself(entry: Entry) -> bool:
    return entry.folder is not None and is_below(entry.file, entry.folder)


def _url_of(written: WrittenKustomization, sources: Sequence[WrittenSource]) -> str | None:
    namespace = written.source_namespace or written.namespace
    for source in sources:
        if (source.kind, source.name) == (written.source_kind, written.source_name) and (
            not source.namespace or not namespace or source.namespace == namespace
        ):
            return source.url
    return None
