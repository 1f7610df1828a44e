"""`fluxbridge sweep`: look now for what no webhook brought."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from app.cli.names import refuse_unknown
from app.cli.reach import Api, reach
from app.cli.storms import storm_line
from app.cli.terminal import say
from app.core.errors import Invalid
from app.services.sweeps import SWEEPS

_LONGEST_S = 3600.0
_ACCEPT = "accept"


def sweep(names: list[str] | None, *, dry_run: bool, confirm: bool, is_all: bool, as_json: bool) -> None:
    """Look for tags, builds and pull requests that were missed."""
    asked, keys = names or [], list[str]()
    is_accepting = asked[:1] == [_ACCEPT]
    for name in asked[1:2] if is_accepting else asked:
        refuse_unknown({"sweep": name}, {"sweep": list(SWEEPS)})
    if is_all and not is_accepting:
        raise typer.BadParameter("it goes with `fluxbridge sweep accept`", param_hint="--all")
    with reach() as api:
        if is_accepting:
            chosen = _chosen(api, asked[1:], is_all=is_all)
            if not chosen:
                typer.echo("[]" if as_json else "No storm waits.")
                return
            asked, keys = sorted({name for name, _ in chosen}), [key for _, key in chosen]
        answer = api.post(
            "/sweeps", timeout_s=_LONGEST_S, name=asked or None, dry_run=dry_run, confirm=confirm, accept=keys or None
        )
    reports = answer["items"]
    if as_json:
        typer.echo(json.dumps(reports, indent=2))
    else:
        for report in reports:
            for line in _lines(report, is_dry=dry_run):
                say(line)
    raise typer.Exit(1 if any(report["failures"] for report in reports) else 0)


class SeveralStorms(Invalid):
    """More than one storm waits, and it was not said which is accepted."""

    def __init__(self) -> None:
        super().__init__("several storms wait: run the command of the one that you mean, or add --all")


def _chosen(api: Api, named: Sequence[str], *, is_all: bool) -> Sequence[tuple[str, str]]:
    """The sweep and key of each thing that a person accepts. Raises SeveralStorms."""
    sweeps = {one["name"]: one["storms"] for one in api.get("/sweeps")["items"]}
    if named[1:]:
        return [(named[0], key) for key in named[1:]]
    waiting = [(name, one) for name in named or sweeps for one in sweeps[name]]
    if len(waiting) > 1 and not is_all:
        for name, one in waiting:
            say(f"WAITS {storm_line(name, one)}")
        raise SeveralStorms
    return [(name, one["key"]) for name, one in waiting]


def _lines(report: Any, *, is_dry: bool) -> Iterator[str]:
    name = report["name"]
    yield f"{name}: {report['found']} {'would be taken in' if is_dry else 'found'}"
    yield from (f"  {told}" for told in report["told"])
    for storm in report["storms"]:
        waits = f"sweep {name}: {storm['key']}: {storm['sample']}; would be too much at once"
        yield f"  WAITS {waits if is_dry else storm_line(name, storm)}"
    yield from (f"  LEFT OUT {left_out}" for left_out in report["left_out"])
    yield from (f"  FAILED {failure}" for failure in report["failures"])
