"""A config repository as a whole: its policies, its fields, and which Kustomization reaches what."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from app.core.flux.clusters import AppliedKustomization
from app.core.flux.estate import Estate, read_estate
from app.core.flux.from_rules import RULES_FILE, FoundByRules, join_declared
from app.core.flux.image_objects import read_automation
from app.core.flux.naming import NO_NAMESPACE, Policies, Waiting
from app.core.flux.objects import Automation, FluxKustomization, Policy
from app.core.flux.overridden import report_overridden
from app.core.flux.paths import folder_of, is_below
from app.core.flux.reach import Reached
from app.core.flux.rendering import Read, Rendering
from app.core.flux.resolved import About, Field, Refused, Report
from app.core.flux.spec_texts import Unreadable
from app.core.flux.written import ScannedFile, WrittenSource
from app.core.kustomize.making import Build
from app.core.manifests.kinds.markers import MarkedField, RefusedMarker

__all__ = ["About", "Field", "FluxTree", "Refused", "Report", "assemble"]

_MOST_NAMED = 3
_MOST_WAITING = 1_000


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
    _by_root: Mapping[str, tuple[FluxKustomization, ...]] = field(repr=False)
    _estate: Estate = field(repr=False, compare=False)

    def reaches(self, kustomization: FluxKustomization, file: str) -> bool:
        """Tell whether this Kustomization itself applies a file, not only another Kustomization that does."""
        return kustomization.is_here and file in self._build_of(kustomization)

    def rendering_of(self, kustomization: FluxKustomization, read: Read) -> Rendering:
        """How this Kustomization, which is of this repository, renders files; `read` reads files of the commit."""
        top = self._estate.builder.top_of(kustomization.path) or ""
        return Rendering(kustomization, top, self._build_of(kustomization), self._estate.named_by, read)

    def find_kustomization(self, *, root: str | None, namespace: str, name: str) -> FluxKustomization | None:
        """The Kustomization of that name that a root brings in.

        With `root` None it is searched for in the whole repository. None where there is none, or no single one.
        """
        named = [one for one in self.brought_in(root) if (one.namespace, one.name) == (namespace, name)]
        return named[0] if len(named) == 1 else None

    def brought_in(self, root: str | None) -> tuple[FluxKustomization, ...]:
        """The Kustomizations that a root brings in, with those that make the folder a root.

        With `root` None they are all of the repository.
        """
        return self.kustomizations if root is None else self._by_root.get(folder_of(root), ())

    def sources_in(self, root: str | None) -> tuple[WrittenSource, ...]:
        """The sources that a root brings in; with `root` None they are all of the repository."""
        folder = folder_of(root) if root is not None else None
        return tuple(source for its_root, source in self._estate.sources if folder in (None, its_root))

    def serves(self, automation: Automation, policy: Policy) -> bool:
        """Tell whether an automation writes what a policy chooses: one of its namespace, cluster and selector."""
        return (
            automation.namespace == policy.name.namespace
            and all(one.admits(dict(policy.labels)) for one in automation.selector)
            and self._estate.policies.roots.may_share(automation.file, policy.file)
        )

    def roots_of(self, file: str) -> frozenset[str]:
        """The roots that bring a file into their cluster."""
        return self._estate.policies.roots.reaching(file)

    def deploys(self, root: str, file: str) -> bool:
        """Tell whether who deploys a folder without Flux has a file: below it, or brought in by it as a root."""
        folder = folder_of(root)
        return is_below(file, folder) or folder in self.roots_of(file)

    def builds(self) -> Reached:
        """The folders that Kustomizations build, by the files which they reach: for a look at many files."""
        return Reached(self._estate.builds.items())

    def _build_of(self, kustomization: FluxKustomization) -> Build:
        return self._estate.builds.get(kustomization.path, Build())


def assemble(
    files: Mapping[str, ScannedFile],
    *,
    roots: Sequence[str] = (),
    declared: FoundByRules | None = None,
    estate: Estate | None = None,
) -> FluxTree:
    """Put the scanned manifests of one commit together, by their paths, with what `.fluxbridge.yaml` declares.

    `roots` are folders; where none are given they are those that Flux's Kustomizations tell, else the repository.
    `estate` is what `read_estate` has made of just these, where it is known.
    """
    declared = declared or FoundByRules()
    estate = estate or read_estate(files, roots=roots, declared=declared.policies)
    marked, refused, unmet = _fields(files, estate.policies)
    joined = join_declared(marked, declared, estate.policies)
    by_root = {
        cluster.root: tuple(map(partial(_kustomization, cluster.root), cluster.kustomizations))
        for cluster in estate.clusters
    }
    reports = [
        *_problems(files, estate),
        *unmet,
        *joined.reports,
        *_unnamed(by_root),
        *_waiting(estate.waiting),
        *report_overridden(joined.fields),
    ]
    return FluxTree(
        policies=estate.policies.all,
        fields=joined.fields,
        refused=(*refused, *joined.refused),
        reports=tuple(sorted(set(reports), key=lambda report: (report.file, report.line or 0, report.what))),
        kustomizations=_together(by_root, estate),
        automations=tuple(_automations(estate)),
        roots=estate.roots,
        _by_root=by_root,
        _estate=estate,
    )


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
                if policies.roots.reaching(path):
                    unmet.append(Report(path, marked.line, str(error), About.POLICY_OF_MARKER))
                continue
            if isinstance(marked, RefusedMarker):
                refused.append(Refused(policy, path, marked.line, marked.why))
            else:
                fields.append(Field(policy, path, marked))
    return fields, refused, unmet


def _kustomization(root: str, one: AppliedKustomization) -> FluxKustomization:
    return FluxKustomization(
        root=root,
        namespace=one.one.namespace,
        name=one.one.name,
        path=one.written.path if one.folder is None else one.folder,
        file=one.one.file,
        suspended=one.written.is_suspended,
        source_kind=one.written.source_kind,
        source_name=one.written.source_name,
        source_namespace=one.written.source_namespace or one.one.namespace,
        is_here=one.folder is not None,
    )


def _together(by_root: Mapping[str, Sequence[FluxKustomization]], estate: Estate) -> tuple[FluxKustomization, ...]:
    """Those of all roots; what several roots bring in alike is one, under the folder of its file."""
    roots: dict[FluxKustomization, set[str]] = defaultdict(set)
    for root, found in by_root.items():
        for one in found:
            roots[replace(one, root="")].add(root)
    together = (
        replace(one, root=next(iter(its)) if len(its) == 1 else estate.policies.roots.owner_of(one.file))
        for one, its in roots.items()
    )
    return tuple(sorted(together, key=lambda one: (one.file, one.root, one.namespace, one.name)))


def _unnamed(by_root: Mapping[str, Sequence[FluxKustomization]]) -> Iterator[Report]:
    for found in by_root.values():
        for one in found:
            if not one.namespace:
                yield Report(one.file, None, f"Kustomization {one.name}: {NO_NAMESPACE}")


def _automations(estate: Estate) -> Iterator[Automation]:
    seen: set[Automation] = set()
    for cluster in estate.clusters:
        for one in cluster.applied:
            if one.one.kind == "ImageUpdateAutomation" and one.one.namespace:
                written = read_automation(one.one.value)
                found = Automation(
                    namespace=written.namespace,
                    name=written.name,
                    path=folder_of(written.path),
                    file=one.one.file,
                    is_suspended=written.is_suspended,
                    selector=written.selector,
                )
                if found not in seen:
                    seen.add(found)
                    yield found


def _waiting(waiting: Sequence[Waiting]) -> Iterator[Report]:
    """One report for each variable that is not known, with all that waits for it."""
    by_variable: dict[str, list[Waiting]] = defaultdict(list)
    for one in waiting:
        by_variable[one.variable].append(one)
    for variable, found in sorted(by_variable.items()):
        roots = sorted({one.root for one in found if one.root is not None})
        whats = list(dict.fromkeys(one.what for one in found))
        where = f" of {_and([root or '.' for root in roots])}" if roots else ", in files that no root brings in,"
        path = (roots[0] or ".") if roots else "…"
        count = "1 object waits" if len(whats) == 1 else f"{len(whats)} objects wait"
        more = f" and {len(whats) - _MOST_WAITING} more" if len(whats) > _MOST_WAITING else ""
        what = (
            f"the variable {variable}{where} is in no ConfigMap of the repository: give it "
            f"(roots: [{{path: {path}, variables: {{{variable}: …}}}}]); {count} for it: "
            f"{', '.join(whats[:_MOST_WAITING])}{more}"
        )
        yield Report(RULES_FILE, None, what, About.WAITING)


def _and(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"


def _problems(files: Mapping[str, ScannedFile], estate: Estate) -> Iterator[Report]:
    """What is wrong in files that a cluster gets, or that lie below what is built: others are nobody's concern."""
    roots = estate.policies.roots
    for path, scanned in files.items():
        if scanned.markers.problems and roots.reaching(path):
            for problem in scanned.markers.problems:
                yield Report(path, problem.line, problem.what, About.MARKER)
        if scanned.problems and roots.exact.holding(path):
            for problem in scanned.problems:
                yield Report(path, problem.line, problem.what)
        for noticed in scanned.noticed if roots.exact.holding(path) else ():
            yield Report(path, noticed.line, noticed.what, About.BUILD)
    for cluster in estate.clusters:
        for path, what in cluster.problems:
            yield Report(path, None, what)
        for path, what in dict.fromkeys(one for build in cluster.builds() for one in build.refused):
            yield Report(path, None, what, About.BUILD)
