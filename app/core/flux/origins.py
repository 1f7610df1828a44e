"""Where the files of Kustomizations come from: this repository or others, also by way of generated artifacts.

Sources: a Kustomization's sourceRef names a GitRepository, OCIRepository or Bucket, or an ExternalArtifact; that is
made by an ArtifactGenerator of its namespace, which copies parts of sources to places in it (source-watcher's
`spec.artifacts[].copy`: `from: "@alias/path/**"`, `to: "@artifact/place/"`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename, join, normpath

from app.core.flux.kustomize_objects import read_source
from app.core.flux.paths import folder_of, is_below
from app.core.flux.written import WrittenKustomization
from app.core.kustomize.objects import KubeObject
from app.core.manifests.text.documents import Value
from app.core.manifests.text.values import items_at, written_at

SOURCES = ("GitRepository", "OCIRepository", "Bucket")
_ARTIFACT = "@artifact/"


@dataclass(frozen=True, slots=True)
class _Copy:
    """What a generated artifact takes from a source: the files below one folder, put below another."""

    kind: str
    name: str
    namespace: str
    taken: str
    put: str


@dataclass(frozen=True, slots=True)
class _Named:
    """Something of a namespace, which may not be written beside it."""

    namespace: str
    url: str = ""
    copies: tuple[_Copy, ...] = ()


class Origins:
    """Tells which folder of this repository a Kustomization builds, where it is one.

    A repository that syncs itself tells its own URL (`own`); a Kustomization whose source has another builds something
    else. While none is known, all that Git does not contradict is of this repository.
    """

    def __init__(self, objects: Iterable[KubeObject], own: Iterable[str] = ()) -> None:
        self._own = frozenset(own)
        self._named: dict[tuple[str, str], list[_Named]] = defaultdict(list)
        for one in objects:
            if one.kind in SOURCES:
                written = read_source(one.value)
                self._named[written.kind, written.name].append(_Named(written.namespace, written.url))
            elif one.kind == "ArtifactGenerator":
                for name, copies in _artifacts(one.value, one.namespace):
                    self._named["ExternalArtifact", name].append(_Named(one.namespace, copies=copies))

    def with_own(self, own: Iterable[str]) -> "Origins":
        """The same where these are the URLs of this repository."""
        other = Origins(())
        other._own, other._named = frozenset(own), self._named
        return other

    def folder_of(self, one: KubeObject, written: WrittenKustomization) -> str | None:
        """The folder that it builds, relative to the repository; None where that is not here."""
        found = self._find(written.source_kind, written.source_name, written.source_namespace or one.namespace)
        path = folder_of(written.path)
        if found is None:
            return path
        if not found.copies:
            return path if self._is_own(found.url) else None
        return self._behind(found.copies, path)

    def url_of(self, one: KubeObject, written: WrittenKustomization) -> str | None:
        """Where its files come from; None where Git does not tell."""
        found = self._find(written.source_kind, written.source_name, written.source_namespace or one.namespace)
        return found.url or None if found is not None else None

    def _find(self, kind: str, name: str, namespace: str) -> _Named | None:
        named: Sequence[_Named] = self._named.get((kind, name), ())
        return next((one for one in named if not one.namespace or not namespace or one.namespace == namespace), None)

    def _is_own(self, url: str) -> bool:
        return not self._own or url in self._own

    def _behind(self, copies: Iterable[_Copy], path: str) -> str | None:
        """The folder that a path in an artifact was copied from, where that is one."""
        own = []
        for one in copies:
            found = self._find(one.kind, one.name, one.namespace)
            if found is None or self._is_own(found.url):
                own.append(one)
        inside = [one for one in own if is_below(path, one.put)]
        if inside:
            nearest = max(inside, key=lambda one: len(one.put))
            return folder_of(join(nearest.taken, path[len(nearest.put) :].strip("/")))
        below = {one.taken for one in own if is_below(one.put, path)}
        return next(iter(below)) if len(below) == 1 else None


def _artifacts(generator: Value, namespace: str) -> Iterator[tuple[str, tuple[_Copy, ...]]]:
    sources = {written_at(one, "alias"): one for one in items_at(generator, "spec", "sources")}
    for artifact in items_at(generator, "spec", "artifacts"):
        copies = [_copy(one, sources, namespace) for one in items_at(artifact, "copy")]
        yield written_at(artifact, "name"), tuple(one for one in copies if one is not None)


def _copy(written: Value, sources: Mapping[str, Value], namespace: str) -> _Copy | None:
    alias, _, pattern = written_at(written, "from").removeprefix("@").partition("/")
    put, source = written_at(written, "to"), sources.get(alias)
    if source is None or not put.startswith(_ARTIFACT):
        return None
    place = put.removeprefix(_ARTIFACT)
    literal = pattern.partition("*")[0]
    taken = literal.rpartition("/")[0] if "*" in pattern else normpath(pattern)
    if "*" not in pattern and place.endswith("/"):
        place = join(place, basename(taken))
    kind, name = written_at(source, "kind"), written_at(source, "name")
    return _Copy(kind, name, written_at(source, "namespace") or namespace, folder_of(taken), folder_of(place))
