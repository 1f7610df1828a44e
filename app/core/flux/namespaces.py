"""In which namespace an object ends up that does not say so itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from posixpath import dirname, join

from app.core.flux.reach import KUSTOMIZE_FILES, Area, Holders, Reach
from app.core.flux.reading import Unreadable
from app.core.flux.roots import Entry


@dataclass(frozen=True)
class Namespaces:
    """Finds the namespace of objects: their own, else kustomization.yaml's, else a Kustomization's targetNamespace."""

    reach: Reach
    entries: Sequence[Entry]
    builds: Mapping[str, Area]

    @cached_property
    def _overlays(self) -> Holders:
        """What each kustomization.yaml with a namespace names; made when the first object asks."""
        named = (path for path, written in self.reach.kustomize.items() if written.namespace)
        return Holders.of({path: self.reach.of_kustomize_file(path) for path in named})

    def of(self, file: str, written: str) -> str:
        """The namespace of an object of this file that names `written` (or nothing) itself. Raises Unreadable."""
        found = written or self._of_folders(file) or self._of_overlays(file) or self._of_targets(file)
        if not found:
            raise Unreadable(
                "it has no namespace: neither metadata.namespace nor a kustomization.yaml nor a targetNamespace names "
                "one; add metadata.namespace"
            )
        if "${" in found:
            raise Unreadable(f"its namespace is unreadable: Flux fills in {found[:80]!r} only in the cluster")
        return found

    def _of_folders(self, file: str) -> str:
        """That of the kustomization.yaml in the object's folder or the nearest folder above it."""
        folder = file
        while folder:
            folder = dirname(folder)
            for name in KUSTOMIZE_FILES:
                written = self.reach.kustomize.get(join(folder, name))
                if written and written.namespace:
                    return written.namespace
        return ""

    def _of_overlays(self, file: str) -> str:
        """That of the kustomization.yaml elsewhere which names the file."""
        found = {self.reach.kustomize[path].namespace for path in self._overlays.holding(file)}
        return _only(found, "kustomization.yaml files give it the namespaces")

    def _of_targets(self, file: str) -> str:
        """The targetNamespace of the Kustomization that builds the file; of several the one with the longest path."""
        found = [
            (len(entry.folder), entry.written.target_namespace)
            for entry in self.entries
            if entry.folder is not None and entry.written.target_namespace and file in self.builds[entry.folder]
        ]
        longest = max((length for length, _ in found), default=0)
        return _only({name for length, name in found if length == longest}, "Kustomizations give it targetNamespace")


def _only(found: set[str], what: str) -> str:
    if len(found) > 1:
        raise Unreadable(f"it has no single namespace: {what} {' and '.join(sorted(found))}; add metadata.namespace")
    return next(iter(found), "")
