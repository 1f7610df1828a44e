"""`fluxbridge sweep`: look now for what no webhook brought."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from app.cli.reach import Api, reach

_LONGEST_S = 3600.0
_ACCEPT = "accept"


def sweep(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Which; by default all that have a schedule. After `accept`: all that hold something back.",
        ),
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, tell what would be taken in.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="Take in what was held back as too much at once.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON.")] = False,
) -> None:
    """Look for tags, builds, pull requests and webhooks that were missed; exit code 1 when something failed.

    `fluxbridge sweep accept [NAME]...` takes in what is held back: by default all of it.
    """
    with reach() as api:
        if names and names[0] == _ACCEPT:
            names, confirm = names[1:] or _that_hold_back(api), True
            if not names:
                typer.echo("Nothing is held back.")
                return
        answer = api.post("/sweeps", timeout_s=_LONGEST_S, name=names or None, dry_run=dry_run, confirm=confirm)
    reports = answer["items"]
    if as_json:
        typer.echo(json.dumps(reports, indent=2))
    else:
        for report in reports:
            for line in _lines(report, is_dry=dry_run):
                typer.echo(line)
    raise typer.Exit(1 if any(report["failures"] for report in reports) else 0)


def _that_hold_back(api: Api) -> list[str]:
    return [one["name"] for one in api.get("/sweeps")["items"] if one["held"]]


def _lines(report: Any, *, is_dry: bool) -> Iterator[str]:
    name = report["name"]
    yield f"{name}: {report['found']} {'would be taken in' if is_dry else 'found'}"
    yield from (f"  {told}" for told in report["told"])
    for held in report["held"]:
        yield f"  WAITS {held_line(name, held)}"
    yield from (f"  LEFT OUT {left_out}" for left_out in report["left_out"])
    yield from (f"  FAILED {failure}" for failure in report["failures"])


def held_line(name: str, held: Any) -> str:
    """What is held back, and what a person can do about it."""
    return f"sweep {name}: {held['key']}: {held['sample']}; held back, run `fluxbridge sweep accept {name}`"
