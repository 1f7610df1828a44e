"""`fluxbridge rollback`, `promote` and `request`: ask for tags in a stage, and see what comes of it."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import typer

from app.cli.reach import Api, reach
from app.cli.tables import fetch_all, instant, show_rows
from app.cli.terminal import say

_WAIT_S = 10.0
_EVERY_S = 0.1


def ask(wanted: Mapping[str, Any], *, as_json: bool) -> None:
    """Ask, and wait a moment for the pull request or for what stands in its way."""
    with reach() as api:
        asked = api.post("/requests", **wanted)
        came = _follow(api, asked["id"]) if asked["id"] else asked
    if as_json:
        typer.echo(json.dumps({**asked, **came}, indent=2))
        return
    is_dry_run = not asked["id"]
    say(f"{'Nothing is asked for; this would be' if is_dry_run else asked['id']}: {_what(asked)}")
    for one in asked["targets"]:
        say(f"  {_target(one)}")
    for change in asked["changes"]:
        say(f"  {change['file']}:{change['line']}  {change['old']} -> {change['new']}")
    for note in asked["notes"]:
        say(f"note: {note}")
    if not asked["is_new"]:
        say(f"the same was asked for before, by {asked['who']}")
    say(f"unmerged it ends {asked['understood']}")
    say(_outcome(came, is_dry_run=is_dry_run))


def _follow(api: Api, request_id: str) -> Any:
    """The request once there is a pull request, it ended, or its lane said what it waits for."""
    until = time.monotonic() + _WAIT_S
    while True:
        found = api.get(f"/requests/{request_id}")
        if found["pull_request"] is not None or found["waits_for"] or found["state"] != "open":
            return found
        if time.monotonic() >= until:
            return found
        time.sleep(_EVERY_S)


def list_requests(repo: str | None, stage: str | None, policy: str | None, *, is_all: bool, as_json: bool) -> None:
    """Show what was asked for, or with `is_all` also what ended."""
    is_open = None if is_all else "true"
    with reach() as api:
        found = fetch_all(api, "/requests", None, repo=repo, stage=stage, policy=policy, open=is_open)
    rows = [
        (
            one["id"],
            _what(one),
            ", ".join(_target(target) for target in one["targets"]),
            instant(one["since"]),
            one["who"],
            _fate(one),
            " ".join(one["why"].split()),
        )
        for one in found
    ]
    show_rows(found, rows, ("REQUEST", "WHAT", "TAGS", "SINCE", "BY", "STATE", "WHY"), as_json=as_json)


def show(request_id: str, *, as_json: bool) -> None:
    """Show one request."""
    with reach() as api:
        found = api.get(f"/requests/{quote(request_id, safe='')}")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    say(f"{found['id']}: {_what(found)}, asked for by {found['who']} at {instant(found['since'])}: {found['why']}")
    for one in found["targets"]:
        say(f"  {_target(one)}")
        if one["takes_back"]:
            say(f"    takes back {one['takes_back']}")
    say(_outcome(found, is_dry_run=False))


def withdraw(request_id: str, why: str, *, as_json: bool) -> None:
    """Take a request back."""
    with reach() as api:
        found = api.post(f"/requests/{quote(request_id, safe='')}/withdraw", why=why)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    say(f"{found['id']} was withdrawn at {instant(found['ended_at'])}: {_what(found)}")


def _what(one: Any) -> str:
    what = "rollback" if one["kind"] == "rollback" else "promotion"
    whole = f" of all that pull request {one['undoes']} let in" if one["undoes"] else ""
    forced = ", forced" if one["is_forced"] else ""
    return f"{what}{whole} in {one['stage']} of {one['repo']}{forced}"


def _target(one: Any) -> str:
    came = f"{one['from_tag']} -> " if one["from_tag"] else ""
    return f"{one['policy']} {came}{one['tag']}"


def _outcome(one: Any, *, is_dry_run: bool) -> str:
    if is_dry_run:
        return f"it would wait: {one['waits_for']}" if one["waits_for"] else "its pull request would be opened at once"
    if one["state"] == "open" and one["pull_request"] is not None:
        return f"pull request {one['pull_request']}: {one['pull_request_url'] or ''} (merge it, and it is done)"
    if one["state"] == "open":
        waits = one["waits_for"] or "its lane has not run yet; see `fluxbridge request show`"
        return f"no pull request yet: {waits}"
    return f"{one['state']} at {instant(one['ended_at'])} by {one['ended_by']}: {one['ended_why']}"


def _fate(one: Any) -> str:
    if one["state"] != "open":
        return str(one["state"])
    if one["pull_request"] is not None:
        return f"pull request {one['pull_request']}"
    return str(one["waits_for"] or "open")
