"""Read a lane at its base head: rules, Flux's objects and fields."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.core.flux.reach import folders_above
from app.core.flux.scanning import is_manifest
from app.core.flux.tree import About, Field, FluxTree, Refused, Report, assemble
from app.core.kustomize.building import KUSTOMIZE_FILES
from app.core.manifests.text.links import explain_link
from app.core.ports import Blobs, Commit, ConfigRepository, TreeEntry
from app.core.promotion.rules import RULES_FILE, Rules, Stage
from app.core.promotion.rules_document import InvalidRules
from app.core.promotion.stage_paths import holds, is_narrow
from app.services.heads.scans import Scans

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadView:
    """A config repository at one commit, as its rules and Flux's objects describe it."""

    commit: str
    committed_at: datetime
    entries: Mapping[str, TreeEntry]
    rules: Rules
    rules_problem: str | None
    tree: FluxTree
    staged: tuple[tuple[Field, str], ...]
    refused: tuple[tuple[Refused, str], ...] = ()
    reports: tuple[Report, ...]

    def noticed_beside(self, files: Iterable[str]) -> tuple[Report, ...]:
        """What to look at for who changes these files: what is odd in their folders, kustomizations and the rules."""
        folders = {_folder(file) for file in files}
        kustomize = {path for folder in folders for path in self._kustomize_files_of(folder)}
        kept = kustomize | {RULES_FILE}
        return tuple(one for one in self.reports if one.file in kept or _folder(one.file) in folders)

    def _kustomize_files_of(self, folder: str) -> Iterator[str]:
        """The kustomization files of the nearest folder, this one or above it, that has any."""
        for above in folders_above(f"{folder}/"):
            found = [path for name in KUSTOMIZE_FILES if (path := f"{above}/{name}".lstrip("/")) in self.entries]
            if found:
                yield from found
                return


def _folder(file: str) -> str:
    return file.rpartition("/")[0]


def view_at(repository: ConfigRepository, scans: Scans, commit: str, *, are_rules_required: bool = False) -> HeadView:
    """Read one commit. Unreadable rules are a problem of the view, not an error."""
    at = repository.commit(commit)
    return view_of(repository, scans, repository.tree(commit), at=at, are_rules_required=are_rules_required)


def view_of(
    blobs: Blobs,
    scans: Scans,
    entries: Mapping[str, TreeEntry],
    *,
    at: Commit | None = None,
    are_rules_required: bool = False,
) -> HeadView:
    """Read files, which are those `at` a commit or, without one, of a folder."""
    rules, problem = _rules_at(blobs, scans, entries, are_rules_required=are_rules_required)
    declared = scans.by_rules.of(blobs, entries, rules)
    files = scans.of(blobs, entries)
    tree = assemble(files, declared=declared, estate=scans.estates.of(blobs, entries, files, rules))
    staged, unstaged = _by_stage(rules, tree.fields)
    reports = [*tree.reports, *_links(blobs, entries), *unstaged, *_empty_paths(rules, entries, staged)]
    refused = ((one, rules.stage_of(one.file)) for one in tree.refused)
    return HeadView(
        commit=at.sha if at is not None else "",
        committed_at=at.committed_at if at is not None else _NEVER,
        entries=entries,
        rules=rules,
        rules_problem=problem,
        tree=tree,
        staged=tuple(staged),
        refused=tuple((one, stage.name) for one, stage in refused if stage is not None),
        reports=tuple(reports),
    )


def _by_stage(rules: Rules, fields: Iterable[Field]) -> tuple[list[tuple[Field, str]], list[Report]]:
    """The fields that are in one stage, and reports on the others."""
    staged: list[tuple[Field, str]] = []
    reports: list[Report] = []
    stages: dict[str, tuple[Stage, ...]] = {}
    for one in fields:
        held = stages.get(one.file)
        held = stages[one.file] = rules.stages_of(one.file) if held is None else held
        if len(held) == 1:
            staged.append((one, held[0].name))
        elif not held:
            reports.append(Report(one.file, one.marked.line, f"sets {one.policy}, but is in no stage: not edited"))
        else:
            names = " and ".join(stage.name for stage in held)
            what = f"sets {one.policy}, but the stages {names} claim it alike: not edited; make one of the paths longer"
            reports.append(Report(one.file, one.marked.line, what, About.STAGE))
    return staged, reports


def _empty_paths(
    rules: Rules, entries: Mapping[str, TreeEntry], staged: Iterable[tuple[Field, str]]
) -> Iterator[Report]:
    """Paths of stages that hold nothing: the files that were meant may be in another stage, behind other gates."""
    if not rules.has_declared_stages:
        return
    stage_of = {one.file: stage for one, stage in staged}
    for stage in rules.stages:
        for path in stage.paths:
            # Most paths hold a field, which is soon found; only for the others all files are gone through.
            held = [file for file in stage_of if holds(path, file)]
            if not held and not any(holds(path, file) for file in entries):
                what = f"stages.{stage.name}.paths: no file of the repository matches {path!r}"
                yield Report(RULES_FILE, None, what, About.STAGE)
            elif held and is_narrow(path) and all(stage_of[file] != stage.name for file in held):
                what = (
                    f"stages.{stage.name}.paths: all that {path!r} matches is in other stages, such as {held[0]} in "
                    f"{stage_of[held[0]]}: make it longer before its first wildcard"
                )
                yield Report(RULES_FILE, None, what, About.STAGE)


def _links(blobs: Blobs, entries: Mapping[str, TreeEntry]) -> Iterator[Report]:
    """Links with a manifest's name: Flux writes through them, we edit what they lead to under its own name only."""
    links = {path: entry.blob for path, entry in entries.items() if entry.is_link and is_manifest(path)}
    targets = blobs.blobs(set(links.values())) if links else {}
    for path, blob in links.items():
        yield Report(path, None, explain_link(path, targets[blob].decode("utf-8", "replace")))


def _rules_at(
    blobs: Blobs, scans: Scans, entries: Mapping[str, TreeEntry], *, are_rules_required: bool
) -> tuple[Rules, str | None]:
    entry = entries.get(RULES_FILE)
    if entry is None:
        missing = f"{RULES_FILE} is not on the base branch, and the server says `rules: required`"
        return Rules(), missing if are_rules_required else None
    if not entry.is_regular:
        return Rules(), f"{RULES_FILE} is not a regular file"
    try:
        return scans.rules(blobs, entry.blob), None
    except InvalidRules as error:
        return Rules(), str(error)
