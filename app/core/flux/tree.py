"""A whole config repository as Flux sees it: policies, the fields that they set, and who reaches which file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.core.flux.declared import Declared, join_declared
from app.core.flux.fields import About, Field, Refused, Report
from app.core.flux.namespaces import Namespaces
from app.core.flux.naming import Policies, Roots, find_policies
from app.core.flux.objects import Automation, FluxKustomization, Policy
from app.core.flux.overridden import report_overridden
from app.core.flux.reach import Area, Holders, Reach, folder_of
from app.core.flux.reading import Unreadable
from app.core.flux.rendering import Read, Rendering
from app.core.flux.roots import Entry, derive_roots, find_entries
from app.core.flux.written import ScannedFile, WrittenSource
from app.core.manifests.markers import MarkedField, RefusedMarker

__all__ = ["About", "Field", "FluxTree", "Refused", "Report", "assemble"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FluxTree:
    """A config repository at one commit. What is wrong with a policy is in its `problem`, the rest in `reports`."""

    policies: tuple[Policy, ...]
    fields: tuple[Field, ...]
    refused: tuple[Refused, ...]
    reports: tuple[Report, ...]
    kustomizations: tuple[FluxKustomization, ...]
    automations: tuple[Automation, ...]
    roots: tuple[str, ...]
    _reach: Reach = field(repr=False)
    _builds: Mapping[str, Area] = field(repr=False)
    _areas: Roots = field(repr=False)
    _sources: tuple[tuple[str, WrittenSource], ...] = field(default=(), repr=False)

    def reaches(self, kustomization: FluxKustomization, file: str) -> bool:
        """Tell whether this Kustomization itself applies a file, not only another Kustomization that does."""
        return kustomization.is_here and file in self._builds[kustomization.path]

    def rendering_of(self, kustomization: FluxKustomization, read: Read) -> Rendering:
        """How this Kustomization, which is of this repository, renders files; `read` reads files of the commit."""
        top = self._reach.top_of(kustomization.path)
        area = self._reach.of_kustomize_file(top) if top else self._builds[kustomization.path]
        return Rendering(kustomization, top, area, self._reach.named_by(), read)

    def find_kustomization(self, *, root: str | None, namespace: str, name: str) -> FluxKustomization | None:
        """The Kustomization of that name that a root reaches, or that makes the folder a root.

        With `root` None it is searched for in the whole repository. None where there is none, or no single one.
        """
        named = [one for one in self.brought_in(root) if (one.namespace, one.name) == (namespace, name)]
        return named[0] if len(named) == 1 else None

    def brought_in(self, root: str | None) -> tuple[FluxKustomization, ...]:
        """The Kustomizations that a root reaches, and of other names those that make the folder a root.

        With `root` None they are all of the repository.
        """
        if root is None:
            return self.kustomizations
        folder = folder_of(root)
        area = self._reach.of_root(folder)
        inside = [one for one in self.kustomizations if one.file in area]
        named = {(one.namespace, one.name) for one in inside}
        above = [one for one in self.kustomizations if one.is_here and one.path == folder and one.file not in area]
        return (*inside, *(one for one in above if (one.namespace, one.name) not in named))

    def sources_in(self, root: str | None) -> tuple[WrittenSource, ...]:
        """The sources that a root reaches; with `root` None they are all of the repository."""
        area = self._reach.of_root(folder_of(root)) if root is not None else None
        return tuple(source for file, source in self._sources if area is None or file in area)

    def serves(self, automation: Automation, policy: Policy) -> bool:
        """Tell whether an automation writes what a policy chooses: one of its namespace, cluster and selector."""
        return (
            automation.namespace == policy.name.namespace
            and all(one.admits(dict(policy.labels)) for one in automation.selector)
            and self._areas.may_share(automation.file, policy.file)
        )

    def builds(self) -> Holders:
        """The folders that Kustomizations build, by the files which they reach: for a look at many files."""
        return Holders.of(self._builds)


def assemble(
    files: Mapping[str, ScannedFile], *, roots: Sequence[str] = (), declared: Declared | None = None
) -> FluxTree:
    """Put the scanned manifests of one commit together, by their paths, with what `.fluxbridge.yaml` declares.

    `roots` are folders; where none are given they are those that Flux's Kustomizations tell, else the repository.
    """
    declared = declared or Declared()
    entries = find_entries(files)
    reach = _reach(files, entries)
    chosen = tuple(dict.fromkeys(map(folder_of, roots))) or derive_roots(entries, reach, tuple(files))
    areas = Roots.with_areas({root: reach.of_root(root) for root in chosen})
    builds = {entry.folder: reach.of_build(entry.folder) for entry in entries if entry.folder is not None}
    namespaces = Namespaces(reach, entries, builds)
    policies = find_policies(files, areas, namespaces, declared.policies)
    marked, refused, unmet = _fields(files, policies)
    joined = join_declared(marked, declared, policies)
    kustomizations, unnamed = _kustomizations(entries, areas, namespaces)
    reports = [*_problems(files), *unmet, *joined.reports, *unnamed, *report_overridden(joined.fields)]
    return FluxTree(
        policies=policies.all,
        fields=joined.fields,
        refused=(*refused, *joined.refused),
        reports=tuple(sorted(reports, key=lambda report: (report.file, report.line or 0, report.what))),
        kustomizations=kustomizations,
        automations=tuple(_automations(files, namespaces)),
        roots=chosen,
        _reach=reach,
        _builds=builds,
        _areas=areas,
        _sources=tuple((path, source) for path in sorted(files) for source in files[path].sources),
    )


def _reach(files: Mapping[str, ScannedFile], entries: Sequence[Entry]) -> Reach:
    folders: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        if entry.folder is not None:
            folders[entry.file] = (*folders.get(entry.file, ()), entry.folder)
    kustomize = {path: scanned.kustomize for path, scanned in files.items() if scanned.kustomize is not None}
    return Reach(entries=folders, kustomize=kustomize)


def _fields(files: Mapping[str, ScannedFile], policies: Policies) -> tuple[list[Field], list[Refused], list[Report]]:
    fields: list[Field] = []
    refused: list[Refused] = []
    unmet: list[Report] = []
    for path in sorted(files):
        markers = files[path].markers
        found: tuple[MarkedField | RefusedMarker, ...] = (*markers.fields, *markers.refused)
        for marked in found:
            try:
                policy = policies.meant_by(marked.marker.namespace, marked.marker.policy, path).name
            except Unreadable as error:
                unmet.append(Report(path, marked.line, str(error), About.POLICY_OF_MARKER))
                continue
            if isinstance(marked, RefusedMarker):
                refused.append(Refused(policy, path, marked.line, marked.why))
            else:
                fields.append(Field(policy, path, marked))
    return fields, refused, unmet


def _kustomizations(
    entries: Sequence[Entry], roots: Roots, namespaces: Namespaces
) -> tuple[tuple[FluxKustomization, ...], list[Report]]:
    found: list[FluxKustomization] = []
    unnamed: list[Report] = []
    for entry in entries:
        namespace = ""
        try:
            namespace = namespaces.of(entry.file, entry.written.namespace)
        except Unreadable as error:
            unnamed.append(Report(entry.file, None, f"Kustomization {entry.written.name}: {error}"))
        found.append(
            FluxKustomization(
                root=roots.owner_of(entry.file),
                namespace=namespace,
                name=entry.written.name,
                path=entry.written.path if entry.folder is None else entry.folder,
                file=entry.file,
                suspended=entry.written.is_suspended,
                source_kind=entry.written.source_kind,
                source_name=entry.written.source_name,
                source_namespace=entry.written.source_namespace or namespace,
                is_here=entry.folder is not None,
            )
        )
    return tuple(found), unnamed


def _automations(files: Mapping[str, ScannedFile], namespaces: Namespaces) -> Iterator[Automation]:
    for path in sorted(files):
        for written in files[path].automations:
            try:
                namespace = namespaces.of(path, written.namespace)
            except Unreadable:
                continue  # without a namespace it is in no cluster either
            yield Automation(
                namespace=namespace,
                name=written.name,
                path=folder_of(written.path),
                file=path,
                is_suspended=written.is_suspended,
                selector=written.selector,
            )


def _problems(files: Mapping[str, ScannedFile]) -> Iterator[Report]:
    for path, scanned in files.items():
        for problem in scanned.markers.problems:
            yield Report(path, problem.line, problem.what, About.MARKER)
        for problem in scanned.problems:
            yield Report(path, problem.line, problem.what)
