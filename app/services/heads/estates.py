"""What the files of a config repository say about Flux, put together once for all heads that say the same."""

import threading
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from app.core.flux.estate import Estate, read_estate
from app.core.flux.written import FluxPart, ScannedFile
from app.core.kustomize.rendered import Rendered, Wanted
from app.core.ports import Blobs, ManifestRenderer, TreeEntry
from app.core.promotion.rules import Rules
from app.services.heads.renderings import Renderings, TreeRenderings

_MOST_KEPT = 8
_NOTHING = FluxPart()


@dataclass(frozen=True, slots=True)
class _Known:
    """An estate with all that it was made of.

    `read` are blobs of files beside manifests, None where there is none; `rendered` is what kustomize was asked.
    """

    repository: Blobs
    parts: Mapping[str, FluxPart]
    paths: AbstractSet[str]
    rules: Rules
    read: Mapping[str, str | None]
    rendered: Sequence[tuple[Wanted, Rendered]]
    estate: Estate


class Estates:
    """Keeps what was read last of each repository: most heads change tags only. Safe in threads."""

    def __init__(self, renderer: ManifestRenderer | None = None) -> None:
        self._renderings = Renderings(renderer) if renderer is not None else None
        self._lock = threading.Lock()
        self._known: list[_Known] = []

    def of(
        self,
        repository: Blobs,
        entries: Mapping[str, TreeEntry],
        files: Mapping[str, ScannedFile],
        rules: Rules,
    ) -> Estate:
        """The clusters of one head and the policies in them."""
        parts = {path: scanned.flux for path, scanned in files.items() if scanned.flux != _NOTHING}
        for one in self._known:
            is_same = one.repository is repository and one.paths == entries.keys() and one.parts == parts
            is_same = is_same and _asks_alike(one.rules, rules) and _are_there(one.read, entries)
            if is_same and self._are_rendered(one.rendered, repository, entries):
                return one.estate
        blobs: dict[str, str | None] = {}

        def read(path: str) -> bytes | None:
            entry = entries.get(path)
            if entry is None or not entry.is_regular:
                blobs[path] = None
                return None
            blobs[path] = entry.blob
            return repository.blobs([entry.blob])[entry.blob]

        render = self._rendering(repository, entries)
        estate = read_estate(
            files,
            roots=rules.roots,
            variables=rules.variables,
            declared=rules.policies,
            paths=entries.keys(),
            read=read,
            render=render,
        )
        known = _Known(repository, parts, entries.keys(), rules, blobs, render.asked if render else (), estate)
        with self._lock:
            self._known = [known, *(one for one in self._known if one.repository is not repository)][:_MOST_KEPT]
        return estate

    def _rendering(self, repository: Blobs, entries: Mapping[str, TreeEntry]) -> TreeRenderings | None:
        return TreeRenderings(self._renderings, repository, entries) if self._renderings is not None else None

    def _are_rendered(
        self, rendered: Sequence[tuple[Wanted, Rendered]], repository: Blobs, entries: Mapping[str, TreeEntry]
    ) -> bool:
        """Whether kustomize makes the same of the same folders: most edits change nothing that is followed."""
        render = self._rendering(repository, entries)
        return render is None or all(render(wanted) == found for wanted, found in rendered)


def _asks_alike(one: Rules, other: Rules) -> bool:
    return (one.roots, one.variables, one.policies) == (other.roots, other.variables, other.policies)


def _are_there(blobs: Mapping[str, str | None], entries: Mapping[str, TreeEntry]) -> bool:
    return all(
        (entry.blob if (entry := entries.get(path)) is not None and entry.is_regular else None) == blob
        for path, blob in blobs.items()
    )
