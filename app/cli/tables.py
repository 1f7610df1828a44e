"""Lists of the API: fetched page by page, and shown as tables."""

import json
from collections.abc import Sequence
from typing import Any

import typer

from app.cli.reach import Api
from app.cli.terminal import printable

_PAGE = 100


def fetch_all(api: Api, path: str, limit: int | None, **query: str | None) -> list[Any]:
    """Page by page: so many, or with None all there are."""
    found: list[Any] = []
    after: str | None = None
    while limit is None or len(found) < limit:
        wanted = _PAGE if limit is None else min(_PAGE, limit - len(found))
        page = api.get(path, **query, after=after, limit=wanted)
        found += page["items"]
        after = page["next"]
        if after is None:
            break
    return found


def show_rows(found: Sequence[Any], rows: Sequence[Sequence[str]], head: Sequence[str], *, as_json: bool) -> None:
    """Print what was found, as a table or as JSON."""
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif rows:
        show_table(rows, head)
    else:
        typer.echo("Nothing yet.")


def show_table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> None:
    """Print rows below their heads, each column as wide as it has to be."""
    shown = [[printable(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[index]) for row in shown) for index in range(len(head))]
    for row in shown:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def instant(text: str | None) -> str:
    """A time of the API for people, in UTC."""
    return text[:19].replace("T", " ") if text else "-"
