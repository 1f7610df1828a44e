"""`fluxbridge edit`: the fields of a working directory set by hand, without a server, settings or a network."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import typer

from app.cli.terminal import pass_on, printable, say
from app.clients.git.working_folder import CannotReplace, WorkingFolder, read_file
from app.core.errors import Invalid
from app.core.flux.from_rules import RULES_FILE
from app.core.flux.globs import compile_globs
from app.core.flux.paths import is_manifest
from app.core.flux.resolved import Report
from app.core.manifests.kinds.charts import is_lock_file
from app.core.manifests.text.diffs import unified_diff
from app.core.promotion.edit_plans import Declaring, EditPlan, NothingDeclared, plan_edits
from app.core.promotion.given_images import InvalidSelections, Selected, read_selections
from app.core.promotion.rules_document import InvalidRules


class UnreadableSelections(Invalid):
    """The file of selections is not there, cannot be read, or is wrong."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file}: {problem}")


class UnreadableRules(Invalid):
    """The folder's rules, which say where its fields are, cannot be used."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file}: {problem}; nothing was edited")


def edit(folder: Path, *, selections: Path, dry_run: bool, as_json: bool) -> None:
    """Set the fields of policies in a working directory, changing no other byte."""
    chosen = _read(selections)
    passed_over: list[Report] = []
    rules = _rules(folder / RULES_FILE)
    working = WorkingFolder(folder, is_wanted=_wanted(rules))
    files = dict(working.files(lambda path, why: passed_over.append(Report(path, None, why))))
    plan = plan_edits(files, chosen, rules, paths=[one.file for one in passed_over])
    reports = sorted([*plan.reports, *passed_over], key=lambda one: (one.file, one.line or 0, one.what))
    failure = None
    if not dry_run:
        plan, failure = write(working, plan)
    if failure is None or plan.files:
        _tell(plan, reports, is_dry=dry_run, as_json=as_json)
    if failure is not None:
        raise failure
    raise typer.Exit(1 if plan.unset else 0)


def write(working: WorkingFolder, plan: EditPlan) -> tuple[EditPlan, CannotReplace | None]:
    """Write what is planned; returns the part of it that is done, and what hindered the rest."""
    try:
        working.replace({one.path: one.after for one in plan.files})
    except CannotReplace as error:
        files = tuple(one for one in plan.files if one.path in error.replaced)
        return replace(plan, files=files, fields=tuple(one for one in plan.fields if one.file in error.replaced)), error
    return plan, None


def _tell(plan: EditPlan, reports: list[Report], *, is_dry: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_as_json(plan, reports, is_dry=is_dry), indent=2))
        return
    if is_dry and plan.files:
        pass_on(_diff(plan))
    for line in _summary(plan, reports, is_dry=is_dry):
        say(line)


def _read(file: Path) -> dict[str, Selected]:
    try:
        return dict(read_selections(file.read_bytes()))
    except OSError as error:
        raise UnreadableSelections(file, f"the selections cannot be read: {error.strerror}") from error
    except InvalidSelections as error:
        raise UnreadableSelections(file, printable(str(error))) from error


def _rules(file: Path) -> Declaring:
    """What the folder's own rules declare. What reads them is loaded only where there are any: it takes a while."""
    if (content := read_file(file)) is None:
        return NothingDeclared()
    from app.core.promotion.rules_reading import read_rules

    try:
        return read_rules(content)
    except InvalidRules as error:
        raise UnreadableRules(file, error.problem) from error


def _wanted(rules: Declaring) -> Callable[[str], bool]:
    """Manifests, and what the rules declare; with charts their lock files and the archives of dependencies."""
    is_declared = compile_globs([glob for one in rules.declarations for glob in one.files])

    def is_wanted(path: str) -> bool:
        is_of_chart = is_lock_file(path) or (path.endswith(".tgz") and "/charts/" in f"/{path}")
        return path != RULES_FILE and (is_manifest(path) or is_of_chart or is_declared(path))

    return is_wanted


def _diff(plan: EditPlan) -> str:
    return "".join(unified_diff(one.path, one.before, one.after) for one in plan.files)


def _summary(plan: EditPlan, reports: list[Report], *, is_dry: bool) -> Iterator[str]:
    for one in plan.fields:
        yield f"{one.file}:{one.line}: {one.policy}: {one.old or '(empty)'} -> {one.new}"
    for policy, why in plan.unset.items():
        yield f"not set {policy}: {why}"
    for report in reports:
        yield f"report  {report.file}:{report.line or 1}: {report.what}"
    done = "would change" if is_dry else "changed"
    counted = f"{_count(len(plan.fields), 'field')} in {_count(len(plan.files), 'file')}"
    unset = _count(len(plan.unset), "policy", "policies")
    yield f"{counted} {done}, {unset} not set, {_count(len(reports), 'report')}."


def _as_json(plan: EditPlan, reports: list[Report], *, is_dry: bool) -> dict[str, object]:
    return {
        "is_dry_run": is_dry,
        "files": [one.path for one in plan.files],
        "fields": [
            {"file": one.file, "line": one.line, "policy": one.policy, "old": one.old, "new": one.new}
            for one in plan.fields
        ],
        "not_set": [{"policy": policy, "why": why} for policy, why in plan.unset.items()],
        "reports": [{"file": one.file, "line": one.line, "what": one.what} for one in reports],
        "diff": _diff(plan) if is_dry else None,
    }


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
