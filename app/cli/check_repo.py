"""`fluxbridge check --repo-only`: what Fluxbridge would do in a working directory, without settings or a network."""

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from app.cli.noticing import left_out, new_since
from app.cli.repo_page import page_of
from app.cli.terminal import say
from app.clients.git.revision import Revision
from app.clients.git.working_folder import read_file
from app.clients.git.working_tree import WorkingTree
from app.compose.machine import manifest_renderer
from app.core.errors import Invalid
from app.core.flux.tree import FluxTree, Report
from app.core.promotion.rules import RULES_FILE
from app.services.heads.scans import Scans
from app.services.heads.view import view_of


class FolderRulesUnusable(Invalid):
    """The rules of the folder that is checked cannot be used, so nothing can be said of the rest."""

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(f"{folder / RULES_FILE} cannot be used: {problem}")


def check_repo(folder: Path, *, against: str | None, as_json: bool, is_all: bool) -> None:
    """Tell what is in a folder and what is left out; with `against` only what is left out there and not yet then."""
    scans = Scans(renderer=manifest_renderer())
    working = WorkingTree.read(folder)
    read_file(folder / RULES_FILE)  # rules that are there and no file are not to be taken for none
    view = view_of(working, scans, working.entries)
    if view.rules_problem is not None:
        raise FolderRulesUnusable(folder, view.rules_problem.removeprefix(f"{RULES_FILE}: "))
    found = [*left_out(view), *(Report(path, None, why) for path, why in working.unread)]
    if against is not None:
        revision = Revision.read(folder, against)
        found = new_since(found, left_out(view_of(revision, scans, revision.entries)))
    found = sorted(found, key=lambda one: (one.file, one.line or 0, one.what))
    if as_json:
        typer.echo(json.dumps(_as_json(view.tree, found), indent=2))
    else:
        for line in page_of(folder, view, found, against=against, is_all=is_all):
            say(line)
    raise typer.Exit(1 if found else 0)


def _as_json(tree: FluxTree, found: Sequence[Report]) -> dict[str, object]:
    return {
        "roots": list(tree.roots),
        "policies": [
            {
                "name": f"{one.name.namespace}/{one.name.name}",
                "root": one.name.root,
                "file": one.file,
                "image": str(one.image) if one.image is not None else None,
                "usable": one.problem is None,
                "reason": one.problem,
            }
            for one in tree.policies
        ],
        "fields": [
            {
                "file": one.file,
                "line": one.marked.line,
                "policy": f"{one.policy.namespace}/{one.policy.name}",
                "root": one.policy.root,
            }
            for one in tree.fields
        ],
        "left_out": [{"file": one.file, "line": one.line, "reason": one.what} for one in found],
    }
