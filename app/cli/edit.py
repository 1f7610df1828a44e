"""`fluxbridge edit`: the fields of a working directory set by hand, without a server, settings or a network."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from app.clients.working_folder import WorkingFolder
from app.core.errors import Invalid
from app.core.flux.scanning import is_manifest
from app.core.flux.tree import Report
from app.core.manifests.diffs import unified_diff
from app.core.promotion.edit_plans import EditPlan, plan_edits
from app.core.promotion.rules import RULES_FILE
from app.core.promotion.selections import InvalidSelections, Selected, read_selections


class UnreadableSelections(Invalid):
    """The file of selections is not there, cannot be read, or is wrong."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file}: {problem}")


def edit(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder whose manifests are edited.")],
    *,
    selections: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help='YAML or JSON: "namespace:name": "image:tag[@sha256:…]" for each policy to set.'
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print a unified diff and write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Set the fields of policies in a working directory, changing no other byte.

    Exit code 0: every named policy is set (or was already); 1: one has no field, or could not be set; 2: bad input.
    """
    chosen = _read(selections)
    passed_over: list[Report] = []
    working = WorkingFolder(folder, is_wanted=lambda path: is_manifest(path) and path != RULES_FILE)
    plan = plan_edits(working.files(lambda path, why: passed_over.append(Report(path, None, why))), chosen)
    reports = sorted([*plan.reports, *passed_over], key=lambda one: (one.file, one.line or 0, one.what))
    if not dry_run:
        for one in plan.files:
            working.replace(one.path, one.after)
    if as_json:
        typer.echo(json.dumps(_as_json(plan, reports, is_dry=dry_run), indent=2))
    else:
        for line in _summary(plan, reports, is_dry=dry_run):
            typer.echo(line)
    raise typer.Exit(1 if plan.unset else 0)


def _read(file: Path) -> dict[str, Selected]:
    try:
        return dict(read_selections(file.read_bytes()))
    except OSError as error:
        raise UnreadableSelections(file, f"the selections cannot be read: {error.strerror}") from error
    except InvalidSelections as error:
        raise UnreadableSelections(file, _printable(str(error))) from error


def _diff(plan: EditPlan) -> str:
    return "".join(unified_diff(one.path, one.before, one.after) for one in plan.files)


def _summary(plan: EditPlan, reports: list[Report], *, is_dry: bool) -> Iterator[str]:
    if is_dry and plan.files:
        yield _diff(plan)
    for one in plan.fields:
        yield _printable(f"{one.file}:{one.line}: {one.policy}: {one.old or '(empty)'} -> {one.new}")
    for policy, why in plan.unset.items():
        yield _printable(f"not set {policy}: {why}")
    for report in reports:
        yield _printable(f"report  {report.file}:{report.line or 1}: {report.what}")
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


def _printable(text: str) -> str:
    """A text from outside for a terminal, which is not to obey its control characters."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
