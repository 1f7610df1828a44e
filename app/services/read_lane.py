"""Read a lane at its base head: rules, Flux's objects and fields."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.core.flux.scanning import is_manifest
from app.core.flux.tree import Field, FluxTree, Refused, Report, assemble
from app.core.manifests.links import explain_link
from app.core.ports import ConfigRepository, TreeEntry
from app.core.promotion.rules import RULES_FILE, InvalidRules, Rules
from app.services.scans import Scans


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
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

    def reports_in(self, stage: str) -> tuple[Report, ...]:
        """What a person should look at in the files of one stage, and in the rules."""
        staged = ((one, self.rules.stage_of(one.file)) for one in self.reports)
        return tuple(one for one, its in staged if one.file == RULES_FILE or (its is not None and its.name == stage))


def view_at(repository: ConfigRepository, scans: Scans, commit: str, *, are_rules_required: bool = False) -> LaneView:
    """Read one commit. Unreadable rules are a problem of the view, not an error."""
    entries = repository.tree(commit)
    rules, problem = _rules_at(repository, scans, entries, are_rules_required=are_rules_required)
    declared = scans.declared.of(repository, entries, rules)
    tree = assemble(scans.of(repository, entries), roots=rules.roots, declared=declared)
    staged: list[tuple[Field, str]] = []
    reports = [*tree.reports, *_links(repository, entries)]
    for one in tree.fields:
        stage = rules.stage_of(one.file)
        if stage is None:
            reports.append(Report(one.file, one.marked.line, f"sets {one.policy}, but is in no stage: not edited"))
        else:
            staged.append((one, stage.name))
    refused = ((one, rules.stage_of(one.file)) for one in tree.refused)
    return LaneView(
        commit=commit,
        committed_at=repository.commit(commit).committed_at,
        entries=entries,
        rules=rules,
        rules_problem=problem,
        tree=tree,
        staged=tuple(staged),
        refused=tuple((one, stage.name) for one, stage in refused if stage is not None),
        reports=tuple(reports),
    )


def _links(repository: ConfigRepository, entries: Mapping[str, TreeEntry]) -> Iterator[Report]:
    """Links with a manifest's name: Flux writes through them, we edit what they lead to under its own name only."""
    links = {path: entry.blob for path, entry in entries.items() if entry.is_link and is_manifest(path)}
    targets = repository.blobs(set(links.values())) if links else {}
    for path, blob in links.items():
        yield Report(path, None, explain_link(path, targets[blob].decode("utf-8", "replace")))


def _rules_at(
    repository: ConfigRepository, scans: Scans, entries: Mapping[str, TreeEntry], *, are_rules_required: bool
) -> tuple[Rules, str | None]:
    entry = entries.get(RULES_FILE)
    if entry is None:
        missing = f"{RULES_FILE} is not on the base branch, and the server says `rules: required`"
        return Rules(), missing if are_rules_required else None
    if not entry.is_regular:
        return Rules(), f"{RULES_FILE} is not a regular file"
    try:
        return scans.rules(repository, entry.blob), None
    except InvalidRules as error:
        return Rules(), str(error)
