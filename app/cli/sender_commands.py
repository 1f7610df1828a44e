"""The commands of `fluxbridge senders`: what each is called, takes and says of itself."""

from pathlib import Path
from typing import Annotated

import typer

senders = typer.Typer(invoke_without_command=True)


@senders.callback()
def list_senders(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the kinds as JSON.")] = False,
) -> None:
    """Show the kinds of senders, what each tells, and its proof. It needs no settings."""
    if context.invoked_subcommand is None:
        from app.cli.senders import list_senders as run

        run(as_json=as_json)


@senders.command()
def read(
    body: Annotated[Path, typer.Argument(metavar="BODY", help="The saved body; `-` is standard input.")],
    *,
    kind: Annotated[str, typer.Option(metavar="KIND", help="Whose it is, as `fluxbridge senders` lists them.")],
    headers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its headers: `Name: value` lines, or one JSON object."),
    ] = None,
) -> None:
    """Read a saved body as the server would, and print one JSON line. It needs no settings, and asks nobody.

    Verdict `facts`, `ignored` (with why) or `unusable` (with what is wrong): the exit code is 0 in each case. The
    proof is not checked. An image has no host where only the settings say which registry it is.
    """
    from app.cli.senders import read as run

    run(kind, body, headers)
