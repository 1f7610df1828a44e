"""A config repository's clusters: all that its files say about Flux, put together, whatever its fields are."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from app.core.flux.clusters import Cluster, Walk
from app.core.flux.kustomize_objects import read_source
from app.core.flux.naming import Policies, PolicyFinder, Roots, Waiting
from app.core.flux.objects import Policy
from app.core.flux.origins import SOURCES, Origins
from app.core.flux.paths import folder_of, is_manifest
from app.core.flux.reach import named_by
from app.core.flux.roots import derive_roots, find_entries
from app.core.flux.written import ScannedFile, WrittenSource
from app.core.kustomize.building import Builder, Sources
from app.core.kustomize.making import Build
from app.core.kustomize.objects import KubeObject
from app.core.kustomize.rendered import Render
from app.core.manifests.text.documents import Value

ReadFile = Callable[[str], bytes | None]


def read_nothing(_path: str) -> None:
    """For trees none of whose kustomization.yaml files makes anything of other files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """The clusters of one tree, by their roots, and the policies in them."""

    clusters: tuple[Cluster, ...]
    roots: tuple[str, ...]
    policies: Policies
    builds: Mapping[str, Build]
    sources: tuple[tuple[str, WrittenSource], ...]
    waiting: tuple[Waiting, ...]
    named_by: Mapping[str, Sequence[str]] = field(repr=False)
    builder: Builder = field(repr=False, compare=False)


def read_estate(  # noqa: PLR0913 (all named)
    files: Mapping[str, ScannedFile],
    *,
    roots: Sequence[str] = (),
    variables: Mapping[str, Mapping[str, str]] | None = None,
    declared: Sequence[Policy] = (),
    paths: Collection[str] = (),
    read: ReadFile = read_nothing,
    render: Render | None = None,
) -> Estate:
    """Follow everything from the roots on: those given, else those that Kustomizations tell, else all that is there.

    `variables` are those that only clusters know, by root. `paths` are all of the tree, of which `files` may lack those
    that say nothing; `read` reads one that is no manifest, `render` asks kustomize for what is not followed here.
    """
    objects = {path: scanned.flux.objects for path, scanned in files.items() if scanned.flux.objects}
    builder = Builder(replace(_sources(files, objects, paths, read), render=render))
    written = [KubeObject.of(value, path) for path in sorted(objects) for value in objects[path]]
    entries = find_entries(builder, (one for one in written if one.kind == "Kustomization"), files, Origins(written))
    chosen = tuple(dict.fromkeys(map(folder_of, roots))) or derive_roots(builder, entries)
    given = {folder_of(root): values for root, values in (variables or {}).items()}
    clusters = [
        Walk(builder, root, given.get(root, {}), entries.origins).run(
            entries.making(root), partial(builder.build, root) if chosen else builder.build_all
        )
        for root in chosen or ("",)
    ]
    reached = Roots.of(clusters)
    outside = builder.build_all(but=reached.exact)
    policies = PolicyFinder(clusters, outside.objects, reached).find(declared, _unlisted(written, reached, outside))
    return Estate(
        clusters=tuple(clusters),
        roots=chosen or ("",),
        policies=policies,
        builds=_builds(clusters),
        sources=_all_sources(clusters),
        waiting=(*policies.waiting, *_waiting(clusters)),
        named_by=named_by({path: one.flux.kustomize for path, one in files.items() if one.flux.kustomize is not None}),
        builder=builder,
    )


def _sources(
    files: Mapping[str, ScannedFile],
    objects: Mapping[str, Sequence[dict[str, Value]]],
    paths: Collection[str],
    read: ReadFile,
) -> Sources:
    silent = [path for path in paths if path not in files]
    # What is no manifest by its name was never looked at: it may be listed all the same.
    known: dict[str, Sequence[Value]] = {path: () for path in silent if is_manifest(path)}
    read_well = {
        path: (*one.flux.objects, *one.flux.operations)
        for path, one in files.items()
        if one.flux.objects or not one.problems
    }
    return Sources(
        objects=objects,
        documents={**known, **read_well},
        kustomizations={path: one.flux.kustomize.content for path, one in files.items() if one.flux.kustomize},
        paths=(*silent, *files),
        read=read,
    )


def _unlisted(written: Iterable[KubeObject], reached: Roots, outside: Build) -> list[KubeObject]:
    """The policies that are written in files which the kustomization.yaml beside them does not name."""
    policies = (one for one in written if one.kind == "ImagePolicy")
    return [one for one in policies if one.file not in reached.exact and one.file not in outside]


def _waiting(clusters: Iterable[Cluster]) -> Iterator[Waiting]:
    """The Kustomizations whose folders depend on variables that are not known."""
    for cluster in clusters:
        for kustomization, missing in cluster.waiting:
            what = f"Kustomization {kustomization.one.name} ({kustomization.written.path})"
            yield from (Waiting(variable, cluster.root, what) for variable in sorted(missing))


def _builds(clusters: Iterable[Cluster]) -> Mapping[str, Build]:
    """What is built of each folder, in all clusters together."""
    found: dict[str, Build] = {}
    for cluster in clusters:
        for one in cluster.kustomizations:
            if one.folder is not None and one.build is not None:
                known = found.get(one.folder, Build())
                found[one.folder] = Build(
                    files=known.files | one.build.files, folders=known.folders | one.build.folders
                )
    return found


def _all_sources(clusters: Iterable[Cluster]) -> tuple[tuple[str, WrittenSource], ...]:
    found = {
        (cluster.root, one.one.file, written.kind, written.namespace, written.name): (cluster.root, written)
        for cluster in clusters
        for one in cluster.applied
        if one.one.kind in SOURCES
        for written in [read_source(one.one.value)]
    }
    return tuple(found[key] for key in sorted(found))
