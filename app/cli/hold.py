"""`fluxbridge hold`: stop something, see what is stopped, and let it go on."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import typer

from app.cli.reach import reach
from app.cli.tables import fetch_all, instant, show_rows
from app.cli.terminal import say


def add(wanted: Mapping[str, Any], *, as_json: bool) -> None:
    """Hold something."""
    with reach() as api:
        added = api.post("/holds", **wanted)
    if as_json:
        typer.echo(json.dumps(added, indent=2))
        return
    verb = "denies" if added["kind"] == "denied" else "holds"
    until = f", until {added['understood']}" if added["understood"] else ", until it is lifted"
    say(f"{added['id']} {verb} {added['reaches']}{until}: {_policies(added)}")


def list_holds(repo: str | None, stage: str | None, policy: str | None, *, is_all: bool, as_json: bool) -> None:
    """Show what is held, or with `is_all` also what was."""
    active = None if is_all else "true"
    with reach() as api:
        found = fetch_all(api, "/holds", None, repo=repo, stage=stage, policy=policy, active=active)
    rows = [
        (
            one["id"],
            one["kind"],
            f"{one['reaches']} ({_policies(one)})",
            instant(one["since"]),
            _end(one),
            one["who"],
            " ".join(one["why"].split()),
        )
        for one in found
    ]
    show_rows(found, rows, ("HOLD", "KIND", "WHAT", "SINCE", "UNTIL", "BY", "WHY"), as_json=as_json)


def lift(hold_id: str, why: str, *, as_json: bool) -> None:
    """Lift a hold."""
    with reach() as api:
        lifted = api.post(f"/holds/{quote(hold_id, safe='')}/lift", why=why)
    if as_json:
        typer.echo(json.dumps(lifted, indent=2))
        return
    say(f"{lifted['id']} was lifted at {instant(lifted['lifted_at'])} by {lifted['lifted_by']}: {lifted['reaches']}")


def _policies(one: Any) -> str:
    return "1 policy" if one["policies"] == 1 else f"{one['policies']} policies"


def _end(one: Any) -> str:
    if one["lifted_at"] is not None:
        return f"lifted {instant(one['lifted_at'])} by {one['lifted_by'] or '-'}"
    return instant(one["until"])
